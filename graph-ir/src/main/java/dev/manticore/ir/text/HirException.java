package dev.manticore.ir.text;

import dev.manticore.ir.ManticoreException;

/** A text that is not a graph in the textual form; the message has line, column and the line. */
public final class HirException extends ManticoreException {

  private final int line;
  private final int column;

  HirException(String message, int line, int column, Throwable cause) {
    super("MNT-HIR", message, cause);
    this.line = line;
    this.column = column;
  }

  HirException(String message, int line, int column) {
    super("MNT-HIR", message);
    this.line = line;
    this.column = column;
  }

  /** The line, counted from 1. */
  public int line() {
    return line;
  }

  /** The column, counted from 1. */
  public int column() {
    return column;
  }
}
