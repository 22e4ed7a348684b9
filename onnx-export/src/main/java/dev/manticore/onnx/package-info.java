/**
 * ONNX files: models to graphs and back, with external data, model-local functions and their
 * inlining. Protobuf is known here and nowhere else.
 */
package dev.manticore.onnx;
