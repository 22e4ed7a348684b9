package dev.manticore.runtime;

import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;

/** Tasks that several threads share. No exception may reach the native code between them and us. */
final class ParallelWork {

  private final int count;
  private final IntConsumer task;
  private final AtomicReference<Throwable> thrown = new AtomicReference<>();

  ParallelWork(int count, IntConsumer task) {
    this.count = count;
    this.task = task;
  }

  int count() {
    return count;
  }

  void step(int index) {
    try {
      task.accept(index);
    } catch (Throwable e) {
      thrown.compareAndSet(null, e);
    }
  }

  /** Throws what the first failing task threw. */
  void rethrow() {
    Throwable first = thrown.get();
    if (first instanceof Error error) {
      throw error;
    }
    if (first instanceof RuntimeException exception) {
      throw exception;
    }
  }
}
