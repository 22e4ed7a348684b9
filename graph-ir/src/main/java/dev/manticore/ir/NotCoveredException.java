package dev.manticore.ir;

/**
 * A use of an operator that the catalogue does not cover although it has the operator: in a version
 * that means something else, or with a result that is left to chance.
 */
public final class NotCoveredException extends IrException {

  public NotCoveredException(String message) {
    super(message);
  }

  public NotCoveredException(String message, Throwable cause) {
    super(message, cause);
  }
}
