/** Looks for what is wrong with models, or could be better. */
package dev.manticore.compiler.lint;
