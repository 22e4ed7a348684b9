package dev.manticore.onnx;

import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.io.StableFile;

/** Words for what goes wrong. */
final class Problems {

  /** Of files whose tensors are read after the import. */
  static final StableFile.ErrorCodes READING =
      new StableFile.ErrorCodes("MNT-ONNX-READ", "MNT-ONNX-CHANGED");

  private Problems() {}

  /** A file that is not a valid model. */
  static ManticoreException invalid(String source, String what) {
    return new ManticoreException("MNT-ONNX-INVALID", source + " is not a valid model: " + what);
  }

  /** A valid model that asks for what the graphs here do not hold. */
  static ManticoreException unsupported(String source, String what) {
    return new ManticoreException("MNT-ONNX-UNSUPPORTED", source + " cannot be imported: " + what);
  }
}
