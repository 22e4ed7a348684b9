/**
 * ONNX's conformance cases through all that touches a model here: import, textual form, export,
 * ONNX Runtime, interpreter.
 */
package dev.manticore.compiler.conformance;
