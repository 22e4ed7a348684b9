/**
 * Running graphs: devices, tensors that live on them, ONNX Runtime sessions bound to those tensors,
 * and our own kernels as ONNX operators of the domain {@code dev.manticore.kernel}.
 *
 * <p>No type of JavaCPP appears in the public interface. Everything that owns native memory is
 * {@link AutoCloseable} and is freed when closed, never by a garbage collector; {@link
 * RuntimeInfo#openHandles()} counts what is open.
 */
package dev.manticore.runtime;
