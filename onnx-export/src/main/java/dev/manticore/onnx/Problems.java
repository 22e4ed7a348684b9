package dev.manticore.onnx;

import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;

/** Words for what goes wrong. */
final class Problems {

  private Problems() {}

  /** A file that is not a valid model. */
  static ManticoreException invalid(String source, String what) {
    return new ManticoreException("MNT-ONNX-INVALID", source + " is not a valid model: " + what);
  }

  /** A valid model that asks for what the graphs here do not hold. */
  static ManticoreException unsupported(String source, String what) {
    return new ManticoreException("MNT-ONNX-UNSUPPORTED", source + " cannot be imported: " + what);
  }

  /** The reason of a failure; the messages of some exceptions are no more than the file's name. */
  static String reason(IOException e) {
    if (e instanceof NoSuchFileException) {
      return "there is no such file";
    }
    if (e instanceof AccessDeniedException) {
      return "access is denied";
    }
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }
}
