/**
 * The mathematics of the CPU kernels, on arrays. Every kernel has a plain form and one written with
 * {@code jdk.incubator.vector}; both do the same operations in the same order, so that their
 * results are the same to the bit whatever the vector width, the number of threads or the state of
 * the just-in-time compiler. {@link dev.manticore.kernels.Forms} chooses between them.
 */
package dev.manticore.kernels;
