/**
 * The device {@code cuda}: memory of an NVIDIA GPU, ONNX Runtime's provider for it, and kernels in
 * CUDA C++ that NVRTC compiles when they are first needed. {@link dev.manticore.cuda.CudaProvider}
 * is found where this module is on the class path; native code is loaded only when the device is
 * asked for.
 */
package dev.manticore.cuda;
