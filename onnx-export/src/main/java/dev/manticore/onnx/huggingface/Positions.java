package dev.manticore.onnx.huggingface;

import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;

/**
 * The positions of a sequence, and masks over pairs of them: what a model computes from the length
 * of its input alone.
 */
final class Positions {

  /** What is added to the attention of masked positions: the least float32. */
  private static final float MASKED = -Float.MAX_VALUE;

  private final Network network;
  private final Value length;
  private final Value keys;
  private final Value queries;
  private final Value earlier;

  Positions(Network network) {
    this.network = network;
    Value zero = network.constant(Tensor.scalar(0L));
    Value one = network.constant(Tensor.scalar(1L));
    this.length = network.gather(network.op("Shape", network.inputIds()), one);
    this.keys = network.op("Range", zero, length, one);
    this.queries = network.op("Unsqueeze", keys, network.constant(Tensor.vector(1)));
    this.earlier = network.op("LessOrEqual", keys, queries);
  }

  /** The length of the sequence, a scalar i64. */
  Value length() {
    return length;
  }

  /** 0, 1, …: i64[length]. */
  Value range() {
    return keys;
  }

  /** The additive mask f32[length,length] of attention to no later position. */
  Value causalMask() {
    return additive(earlier);
  }

  /** The same over the last {@code window} positions only, the position itself included. */
  Value windowMask(long window) {
    Value first = network.op("Sub", queries, network.constant(Tensor.scalar(window - 1)));
    return additive(network.op("And", earlier, network.op("LessOrEqual", first, keys)));
  }

  private Value additive(Value seen) {
    return network.op(
        "Where",
        seen,
        network.constant(Tensor.scalar(0f)),
        network.constant(Tensor.scalar(MASKED)));
  }
}
