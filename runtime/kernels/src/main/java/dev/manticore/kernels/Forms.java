package dev.manticore.kernels;

import java.util.Locale;
import java.util.Optional;

/**
 * Chooses the form of the kernels, once a process: the plain one where {@code jdk.incubator.vector}
 * is not there, else the faster of the two on this processor and this virtual machine, by timing
 * both on a small scan. The system property {@code manticore.kernels} ({@code plain}, {@code
 * vector}) overrides the choice.
 */
public final class Forms {

  private static final long PROBE_NANOS = 40_000_000;

  private final Blocks blocks;

  private Forms(Blocks blocks) {
    this.blocks = blocks;
  }

  /** The form in use in this process: {@code plain} or {@code vector}. */
  public static String inUse() {
    return name(chosen());
  }

  static Blocks chosen() {
    return Holder.INSTANCE.blocks;
  }

  private static String name(Blocks blocks) {
    return blocks instanceof PlainBlocks ? "plain" : "vector";
  }

  /** The vector form, where the virtual machine has the module for it. */
  static Optional<Blocks> vector() {
    if (ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()) {
      return Optional.empty();
    }
    try {
      // By name, so that nothing here refers to the class.
      return Optional.of(
          (Blocks)
              Class.forName("dev.manticore.kernels.VectorBlocks")
                  .getDeclaredConstructor()
                  .newInstance());
    } catch (ReflectiveOperationException | LinkageError e) {
      return Optional.empty();
    }
  }

  private static final class Holder {
    private static final Forms INSTANCE = new Forms(choose());
  }

  private static Blocks choose() {
    Blocks plain = new PlainBlocks();
    Optional<Blocks> vector = vector();
    if (vector.isEmpty()) {
      return plain;
    }
    return switch (System.getProperty("manticore.kernels", "").toLowerCase(Locale.ROOT)) {
      case "plain" -> plain;
      case "vector" -> vector.get();
      default -> probe(vector.get()) < probe(plain) ? vector.get() : plain;
    };
  }

  /** The least time of one small scan, after long enough for it to be compiled. */
  private static long probe(Blocks blocks) {
    int steps = 16;
    int width = 2 * Blocks.LANES;
    int states = 16;
    float[] inputs = new float[steps * width];
    float[] mixing = new float[steps * states];
    float[] a = new float[width * states];
    float[] h = new float[width * states];
    float[] y = new float[steps * width];
    for (int i = 0; i < inputs.length; i++) {
      inputs[i] = (i % 7 + 1) * 0.1f;
    }
    for (int i = 0; i < mixing.length; i++) {
      mixing[i] = (i % 5 - 2) * 0.1f;
    }
    for (int i = 0; i < a.length; i++) {
      a[i] = -(i % 16 + 1);
    }
    long least = Long.MAX_VALUE;
    long start = System.nanoTime();
    while (System.nanoTime() - start < PROBE_NANOS) {
      long before = System.nanoTime();
      blocks.scan(steps, width, states, inputs, inputs, a, mixing, mixing, h, y);
      least = Math.min(least, System.nanoTime() - before);
    }
    return least;
  }
}
