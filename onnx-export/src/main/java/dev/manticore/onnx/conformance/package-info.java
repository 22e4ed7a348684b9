/**
 * ONNX's conformance cases: directories with a model, inputs and the outputs to expect. What runs
 * the model is somebody else's; here cases are read, outputs compared, and the interpreter is
 * asked.
 */
package dev.manticore.onnx.conformance;
