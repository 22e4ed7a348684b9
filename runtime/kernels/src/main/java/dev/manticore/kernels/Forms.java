package dev.manticore.kernels;

import java.util.Locale;
import java.util.Optional;

/**
 * The form of the kernels in this process: the plain one where {@code jdk.incubator.vector} is not
 * there; else each operation begins plain and takes the vector form once that is found, by timing,
 * to be the faster. The system property {@code manticore.kernels} ({@code plain}, {@code vector})
 * overrides this.
 */
public final class Forms {

  private Forms() {}

  /** {@code plain}, {@code vector}, or {@code adaptive}: plain at first, vector where faster. */
  public static String inUse() {
    Blocks blocks = chosen();
    if (blocks instanceof PlainBlocks) {
      return "plain";
    }
    return blocks instanceof AdaptiveBlocks ? "adaptive" : "vector";
  }

  /** Whether the virtual machine has the module that the vector form needs. */
  public static boolean hasVector() {
    return vector().isPresent();
  }

  static Blocks chosen() {
    return Holder.INSTANCE;
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
    private static final Blocks INSTANCE = choose();
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
      default -> new AdaptiveBlocks(plain, vector.get());
    };
  }
}
