/** Lowering: graphs in the forms that a target runs, or runs fastest. */
package dev.manticore.compiler.lower;
