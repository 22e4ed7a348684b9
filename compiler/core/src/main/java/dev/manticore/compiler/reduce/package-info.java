/** Shrinks graphs that make a command fail, while it still does. */
package dev.manticore.compiler.reduce;
