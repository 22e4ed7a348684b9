/**
 * Files as every format here uses them: written so that what is on disk is the old content or the
 * new, never half of either, and read late, as long as they are what they were. It knows no format.
 */
package dev.manticore.onnx.io;
