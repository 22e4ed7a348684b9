/** Writing files so that what is on disk is the old content or the new, never half of either. */
package dev.manticore.onnx.io;
