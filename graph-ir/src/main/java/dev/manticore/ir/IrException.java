package dev.manticore.ir;

/** A graph that is not well formed, or an operation that a graph does not allow. */
public class IrException extends ManticoreException {

  public IrException(String message) {
    super("MNT-IR", message);
  }

  public IrException(String message, Throwable cause) {
    super("MNT-IR", message, cause);
  }
}
