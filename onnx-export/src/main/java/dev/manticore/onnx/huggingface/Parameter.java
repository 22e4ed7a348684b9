package dev.manticore.onnx.huggingface;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.random.Draws;

/**
 * A parameter that a model needs: its name and shape in checkpoints, and how it is drawn for
 * training from scratch. All parameters are float32.
 */
record Parameter(String name, Shape shape, Initializer initializer) {

  /** The value of the element at a row-major index. */
  @FunctionalInterface
  interface Initializer {
    double value(long index, Draws draws);

    static Initializer constant(double value) {
      return (index, draws) -> value;
    }

    static Initializer normal(double deviation) {
      // Not normal(deviation), which rounds otherwise: a seed gives the parameters it always gave.
      return (index, draws) -> deviation * draws.normal(1);
    }

    static Initializer uniform(double bound) {
      return (index, draws) -> draws.uniform(-bound, bound);
    }
  }

  TensorType type() {
    return new TensorType(ElementType.FLOAT32, shape);
  }

  Tensor draw(Draws draws) {
    float[] values = new float[Math.toIntExact(shape.elementCount())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) initializer.value(i, draws);
    }
    return Tensor.ofFloats(shape, values);
  }
}
