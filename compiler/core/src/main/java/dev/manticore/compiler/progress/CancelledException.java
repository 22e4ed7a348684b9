package dev.manticore.compiler.progress;

/** Unwinds a run that was asked to stop, after its state was saved; not an error. */
public final class CancelledException extends RuntimeException {

  public CancelledException() {
    super("stopped on request");
  }
}
