package dev.manticore.runtime;

import java.util.concurrent.atomic.AtomicLong;

/** Counts native objects and blocks of memory that are open, so that a test can see a leak. */
final class NativeHandles {

  private static final AtomicLong OPEN = new AtomicLong();

  private NativeHandles() {}

  static void opened() {
    OPEN.incrementAndGet();
  }

  static void closed() {
    OPEN.decrementAndGet();
  }

  static long open() {
    return OPEN.get();
  }
}
