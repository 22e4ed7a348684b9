/**
 * The safetensors format, read and written: named tensors behind a JSON header. Files are not
 * trusted: sizes are bounded and every offset is checked before a byte of data is read.
 */
package dev.manticore.onnx.safetensors;
