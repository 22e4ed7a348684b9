/**
 * Reverse-mode differentiation of graphs: a graph with a loss to one with gradients too, by one
 * rule for each primitive operator. It computes no values, and knows no optimizer.
 */
package dev.manticore.ir.autodiff;
