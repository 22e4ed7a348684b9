/**
 * Operators: for each, the types it accepts and gives and what it computes on arrays; those of the
 * ONNX standard and our own, found through {@link dev.manticore.ir.op.Catalogue}. Gradients are in
 * {@link dev.manticore.ir.autodiff}, kernels in the runtime.
 */
package dev.manticore.ir.op;
