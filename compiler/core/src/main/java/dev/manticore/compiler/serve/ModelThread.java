package dev.manticore.compiler.serve;

import com.google.common.base.Throwables;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.ManticoreException;
import java.time.Duration;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * The one thread that runs the model, which uses all processors for each run. Requests come one
 * after the other; so many wait, and no more.
 */
final class ModelThread {

  private static final long SECONDS_TO_STOP = 30;

  /** What is not for whoever asked to mend. */
  private static final ImmutableSet<String> OWN_FAULTS =
      ImmutableSet.of("MNT-RUNTIME-ORT", "MNT-RUNTIME-MEMORY", "MNT-RUNTIME-BINDING");

  private final ThreadPoolExecutor executor;

  ModelThread(int queue) {
    this.executor =
        new ThreadPoolExecutor(
            1,
            1,
            0,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(queue),
            work -> {
              Thread thread = new Thread(work, "manticore-model");
              thread.setDaemon(true);
              return thread;
            });
  }

  /**
   * Lets the model do something when its turn comes.
   *
   * @throws HttpProblem if too many wait already
   */
  <T> Future<T> submit(Callable<T> work) {
    try {
      return executor.submit(work);
    } catch (RejectedExecutionException e) {
      throw new HttpProblem(
          HttpProblem.UNAVAILABLE, "too many requests are waiting; try again in a while");
    }
  }

  /**
   * Waits for what was submitted.
   *
   * @throws HttpProblem if it takes too long or fails
   */
  static <T> T await(Future<T> future, Duration timeout) {
    try {
      return future.get(timeout.toMillis(), TimeUnit.MILLISECONDS);
    } catch (TimeoutException e) {
      future.cancel(false);
      throw new HttpProblem(
          HttpProblem.TIMED_OUT, "not answered within " + timeout.toMillis() + " ms");
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new HttpProblem(HttpProblem.UNAVAILABLE, "the server is stopping");
    } catch (ExecutionException e) {
      throw problem(e.getCause());
    }
  }

  /** What a failure of the model is to whoever asked. */
  static HttpProblem problem(Throwable failure) {
    if (failure instanceof HttpProblem problem) {
      return problem;
    }
    if (failure instanceof ManticoreException refused && !OWN_FAULTS.contains(refused.code())) {
      return new HttpProblem(HttpProblem.BAD_REQUEST, refused.getMessage());
    }
    return new HttpProblem(
        HttpProblem.INTERNAL, "the model failed: " + Throwables.getRootCause(failure));
  }

  /** Frees the places of those who do not wait any more. */
  void purge() {
    executor.purge();
  }

  /**
   * Ends the thread after what it does.
   *
   * @return whether it has ended; if not, the model still runs and must not be freed
   */
  boolean stop() {
    executor.shutdownNow();
    try {
      return executor.awaitTermination(SECONDS_TO_STOP, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }
}
