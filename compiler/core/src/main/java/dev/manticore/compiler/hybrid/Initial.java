package dev.manticore.compiler.hybrid;

import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import java.util.SplittableRandom;

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
    long[] extents = java.util.Arrays.stream(shape).asLongStream().toArray();
    float[] values = new float[Math.toIntExact(Shape.of(extents).elementCount())];
    java.util.Arrays.fill(values, value);
    return Tensor.ofFloats(Shape.of(extents), values);
  }

  static Tensor uniform(SplittableRandom random, double bound, long... shape) {
    float[] values = new float[Math.toIntExact(Shape.of(shape).elementCount())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (bound * (2 * random.nextDouble() - 1));
    }
    return Tensor.ofFloats(Shape.of(shape), values);
  }

  /** Normal with mean 0, by Box and Muller's transform over strict functions. */
  static Tensor normal(SplittableRandom random, double deviation, long... shape) {
    float[] values = new float[Math.toIntExact(Shape.of(shape).elementCount())];
    for (int i = 0; i < values.length; i++) {
      double radius = StrictMath.sqrt(-2 * StrictMath.log(1 - random.nextDouble()));
      values[i] = (float) (deviation * radius * StrictMath.cos(2 * Math.PI * random.nextDouble()));
    }
    return Tensor.ofFloats(Shape.of(shape), values);
  }
}
