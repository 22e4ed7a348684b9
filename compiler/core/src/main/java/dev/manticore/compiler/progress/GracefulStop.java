package dev.manticore.compiler.progress;

import static java.util.Objects.requireNonNull;

import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * On Ctrl-C or a request to terminate, lets a program come to its next step boundary and save its
 * state before the virtual machine ends.
 */
public final class GracefulStop {

  private final Cancellation cancellation;
  private final Duration patience;
  private final Runnable late;
  private final CountDownLatch ended = new CountDownLatch(1);

  private GracefulStop(Cancellation cancellation, Duration patience, Runnable late) {
    this.cancellation = requireNonNull(cancellation, "cancellation");
    this.patience = requireNonNull(patience, "patience");
    this.late = requireNonNull(late, "late");
  }

  /**
   * Watches over this virtual machine from now on.
   *
   * @param patience how long the program may take to come to an end
   * @param late is called if it takes longer
   */
  public static GracefulStop install(Cancellation cancellation, Duration patience, Runnable late) {
    GracefulStop stop = new GracefulStop(cancellation, patience, late);
    Runtime.getRuntime().addShutdownHook(new Thread(stop::stop, "manticore-stop"));
    return stop;
  }

  /** The program has come to its end, and there is nothing to wait for. */
  public void ended() {
    ended.countDown();
  }

  private void stop() {
    if (ended.getCount() == 0) {
      return;
    }
    cancellation.request();
    try {
      if (!ended.await(patience.toSeconds(), TimeUnit.SECONDS)) {
        late.run();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
