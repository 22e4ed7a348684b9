package dev.manticore.kernels;

import java.util.function.IntConsumer;

/** Threads to share work between. */
public interface Parallel {

  /** Calls {@code task} with 0 to {@code count} - 1, each once, in any order; returns when done. */
  void run(int count, IntConsumer task);

  /** The calling thread alone. */
  static Parallel none() {
    return (count, task) -> {
      for (int i = 0; i < count; i++) {
        task.accept(i);
      }
    };
  }
}
