package dev.manticore.compiler.bench;

import dev.manticore.kernels.Parallel;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntConsumer;

/** So many threads of our own, for what is measured without ONNX Runtime. */
final class SharedThreads implements Parallel, AutoCloseable {

  private final int threadCount;
  private final long warm;
  private final long timed;
  private final ExecutorService threads;

  /**
   * @param warm time of the runs before those that are timed, in which the virtual machine compiles
   * @param timed time of those
   */
  SharedThreads(int count, Duration warm, Duration timed) {
    this.threadCount = count;
    this.warm = warm.toNanos();
    this.timed = timed.toNanos();
    this.threads = Executors.newFixedThreadPool(count);
  }

  @Override
  public void run(int count, IntConsumer task) {
    List<Future<?>> running = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int index = i;
      running.add(threads.submit(() -> task.accept(index)));
    }
    try {
      for (Future<?> one : running) {
        one.get();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while measuring", e);
    } catch (ExecutionException e) {
      throw new IllegalStateException(e.getCause());
    }
  }

  int count() {
    return threadCount;
  }

  /** Seconds of the best of many runs of a task, once on each thread. */
  double bestSeconds(IntConsumer task) {
    long begin = System.nanoTime();
    while (System.nanoTime() - begin < warm) {
      run(threadCount, task);
    }
    long best = Long.MAX_VALUE;
    begin = System.nanoTime();
    do {
      long start = System.nanoTime();
      run(threadCount, task);
      best = Math.min(best, System.nanoTime() - start);
    } while (System.nanoTime() - begin < timed);
    return best / 1e9;
  }

  @Override
  public void close() {
    threads.shutdownNow();
  }
}
