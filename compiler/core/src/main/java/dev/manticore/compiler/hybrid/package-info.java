/** Hybrids: components spliced side by side with projectors and mixtures between their blocks. */
package dev.manticore.compiler.hybrid;
