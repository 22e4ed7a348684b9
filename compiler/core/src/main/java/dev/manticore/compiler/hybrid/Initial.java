package dev.manticore.compiler.hybrid;

import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.random.Draws;
import java.util.Arrays;

/**
 * Initial values of what a hybrid adds to its components; equal seeds give equal values on every
 * JDK.
 */
final class Initial {

  private Initial() {}

  /** A rectangular identity [rows, columns]. */
  static Tensor identity(int rows, int columns) {
    float[] values = new float[rows * columns];
    for (int i = 0; i < Math.min(rows, columns); i++) {
      values[i * columns + i] = 1;
    }
    return Tensor.ofFloats(Shape.of(rows, columns), values);
  }

  static Tensor constant(float value, int... shape) {
    long[] extents = Arrays.stream(shape).asLongStream().toArray();
    float[] values = new float[Math.toIntExact(Shape.of(extents).elementCount())];
    Arrays.fill(values, value);
    return Tensor.ofFloats(Shape.of(extents), values);
  }

  static Tensor uniform(Draws draws, double bound, long... shape) {
    float[] values = new float[Math.toIntExact(Shape.of(shape).elementCount())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (bound * (2 * draws.unit() - 1));
    }
    return Tensor.ofFloats(Shape.of(shape), values);
  }

  static Tensor normal(Draws draws, double deviation, long... shape) {
    float[] values = new float[Math.toIntExact(Shape.of(shape).elementCount())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) draws.normal(deviation);
    }
    return Tensor.ofFloats(Shape.of(shape), values);
  }
}
