package dev.manticore.compiler.bench;

import com.google.common.primitives.Longs;
import dev.manticore.kernels.ExponentialRate;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;

/**
 * How fast this machine is at best in what bounds kernels, with a number of threads. Each is the
 * best of several runs.
 *
 * @param exponentialsPerSecond of our own exponential function, on values in the nearest cache
 * @param readBytesPerSecond bytes that are read from memory
 * @param copyBytesPerSecond bytes that are read from memory and those that are written to it, while
 *     one half is copied to the other
 * @param nearBytesPerSecond the better of the two, of arrays that fit the last-level cache
 * @param cacheBytes of the last-level cache, as the operating system says; where it does not, what
 *     processors have at least
 * @param arrayBytes of the two arrays together that the bandwidth of memory was measured with
 */
public record MachineLimits(
    double exponentialsPerSecond,
    double readBytesPerSecond,
    double copyBytesPerSecond,
    double nearBytesPerSecond,
    long cacheBytes,
    long arrayBytes) {

  private static final Duration WARM = Duration.ofMillis(700);
  private static final Duration TIMED = Duration.ofSeconds(1);

  /** Windows of exponentials of one thread in a run: some milliseconds. */
  private static final int WINDOWS = 1 << 13;

  /** What is assumed where the operating system does not tell the size of the cache. */
  private static final long USUAL_CACHE = 8L << 20;

  /** The arrays that fit the cache are one part of so many of it. */
  private static final int PARTS_OF_CACHE = 8;

  /** What shall stay in the cache is at most one part of so many of it. */
  private static final int FITTING_PARTS = 2;

  /** The arrays are at least so large, and so many times as large as the cache. */
  private static final long LEAST_BYTES = 256L << 20;

  private static final int CACHES = 8;

  /** Of the heap, the arrays take one part of so many. */
  private static final int PARTS_OF_HEAP = 2;

  private static final Path CACHE = Path.of("/sys/devices/system/cpu/cpu0/cache");

  /** Keeps what is computed for nothing from being left out. */
  private static volatile float sink;

  /** Measures them; takes some ten seconds. */
  public static MachineLimits measure(int threads) {
    return measure(threads, WARM, TIMED);
  }

  static MachineLimits measure(int threads, Duration warm, Duration timed) {
    try (SharedThreads shared = new SharedThreads(threads, warm, timed)) {
      long cache = lastLevelCache();
      double exponentials = shared.bestSeconds(thread -> sink = ExponentialRate.compute(WINDOWS));
      Bandwidth near = Bandwidth.measure(shared, cache / PARTS_OF_CACHE);
      Bandwidth memory =
          Bandwidth.measure(
              shared,
              Math.min(
                  Math.max(LEAST_BYTES, CACHES * cache),
                  Runtime.getRuntime().maxMemory() / PARTS_OF_HEAP));
      return new MachineLimits(
          (double) threads * WINDOWS * ExponentialRate.WINDOW / exponentials,
          memory.reading(),
          memory.copying(),
          near.better(),
          cache,
          memory.bytes());
    }
  }

  /** The milliseconds that bytes from memory, and others in the cache, take at least. */
  double milliseconds(long bytesFromMemory, long bytesNear) {
    return 1e3 * bytesFromMemory / bandwidth() + 1e3 * bytesNear / nearBytesPerSecond;
  }

  /** Whether so many bytes may stay in the last-level cache between two uses. */
  boolean isNear(long bytes) {
    return bytes <= cacheBytes / FITTING_PARTS;
  }

  /** The larger of the two bandwidths, in bytes a second: no kernel has more. */
  public double bandwidth() {
    return Math.max(readBytesPerSecond, copyBytesPerSecond);
  }

  private static long lastLevelCache() {
    long largest = 0;
    try (DirectoryStream<Path> levels = Files.newDirectoryStream(CACHE, "index*")) {
      for (Path level : levels) {
        largest = Math.max(largest, size(Files.readString(level.resolve("size")).strip()));
      }
    } catch (IOException e) {
      return USUAL_CACHE;
    }
    return largest == 0 ? USUAL_CACHE : largest;
  }

  /** {@code 32768K} or {@code 32M}, in bytes; 0 for what is neither. */
  static long size(String text) {
    int shift = text.endsWith("K") ? 10 : text.endsWith("M") ? 20 : 0;
    Long number = Longs.tryParse(shift == 0 ? text : text.substring(0, text.length() - 1));
    return number == null ? 0 : number << shift;
  }
}
