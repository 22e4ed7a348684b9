package dev.manticore.runtime;

import java.util.concurrent.atomic.AtomicLong;

/** Counts native objects and blocks of memory that are open, so that a test can see a leak. */
public final class NativeHandles {

  private static final AtomicLong OPEN = new AtomicLong();

  private NativeHandles() {}

  public static void opened() {
    OPEN.incrementAndGet();
  }

  public static void closed() {
    OPEN.decrementAndGet();
  }

  static long open() {
    return OPEN.get();
  }
}
