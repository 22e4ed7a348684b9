/** Checks of what a model computes against references. */
package dev.manticore.compiler.verify;
