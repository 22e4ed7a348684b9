/**
 * Graphs of typed tensor operations: immutable values, nodes and types, the one editor that makes
 * them, and the checks that every graph passes. Nothing here knows a file format, a runtime or a
 * model family, and what an operator computes is said in {@link dev.manticore.ir.op}.
 */
package dev.manticore.ir;
