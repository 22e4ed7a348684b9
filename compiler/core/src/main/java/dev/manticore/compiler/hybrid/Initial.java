package dev.manticore.compiler.hybrid;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.random.Draws;
import java.util.Arrays;
import java.util.function.Supplier;

/**
 * Initial values of what is added to components: projectors, tables, heads. Equal seeds give equal
 * values on every JDK.
 */
public final class Initial {

  private Initial() {}

  /** A rectangular identity [rows, columns]. */
  static Tensor identity(int rows, int columns) {
    return computed(Shape.of(rows, columns), () -> i -> i / columns == i % columns ? 1 : 0);
  }

  public static Tensor constant(float value, int... shape) {
    return computed(Shape.of(Arrays.stream(shape).asLongStream().toArray()), () -> i -> value);
  }

  static Tensor uniform(Draws draws, double bound, long... shape) {
    long seed = draws.seed();
    return computed(
        Shape.of(shape),
        () -> {
          Draws again = new Draws(seed);
          return i -> (float) (bound * (2 * again.unit() - 1));
        });
  }

  public static Tensor normal(Draws draws, double deviation, long... shape) {
    long seed = draws.seed();
    return computed(
        Shape.of(shape),
        () -> {
          Draws again = new Draws(seed);
          return i -> (float) again.normal(deviation);
        });
  }

  /** A tensor whose values are computed as they are read: tables and projectors can be large. */
  private static Tensor computed(Shape shape, Supplier<ComputedData.Values> values) {
    TensorType type = new TensorType(ElementType.FLOAT32, shape);
    return new Tensor(type, new ComputedData(type.byteSize(), values));
  }
}
