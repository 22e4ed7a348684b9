/**
 * Lifting: a graph of any version of the standard operator set in terms of version {@link
 * dev.manticore.ir.OpId#OPSET}. One table says at which versions an operator's attributes, inputs
 * or meaning changed and how a node is rewritten there.
 */
package dev.manticore.ir.lift;
