package dev.manticore.compiler.progress;

import java.util.concurrent.atomic.AtomicBoolean;

/**
 * The wish that a run should stop, set by one thread and asked for by another at every step
 * boundary, where the run saves its state and throws {@link CancelledException}.
 */
public final class Cancellation {

  private final AtomicBoolean requested = new AtomicBoolean();

  /** Asks the run to stop at its next step boundary. */
  public void request() {
    requested.set(true);
  }

  public boolean isRequested() {
    return requested.get();
  }

  /**
   * Returns at once unless a stop was asked for.
   *
   * @throws CancelledException when it was
   */
  public void throwIfRequested() {
    if (isRequested()) {
      throw new CancelledException();
    }
  }
}
