package dev.manticore.onnx.huggingface;

import dev.manticore.ir.Attributes;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;

/**
 * Multi-head attention, the part that the GPTs share: what comes before it, how queries, keys and
 * values are projected, is a family's own.
 *
 * @param heads how many heads
 * @param width the width of a head
 */
record Attention(long heads, long width) {

  /** [batch,length,heads·width] to [batch,heads,length,width]. */
  Value split(Network network, Value x) {
    return network.transpose(byHead(network, x), 0, 2, 1, 3);
  }

  /** [batch,length,heads·width] to [batch,heads,width,length], as keys are multiplied with. */
  Value splitTransposed(Network network, Value x) {
    return network.transpose(byHead(network, x), 0, 2, 3, 1);
  }

  /**
   * Softmax of the products of queries and keys, times the values.
   *
   * @param queries [batch,heads,length,width], scaled already where the family scales
   * @param keys [batch,heads,width,length]
   * @param values [batch,heads,length,width]
   * @param mask f32[length,length], added to the products
   * @return [batch,length,heads·width]
   */
  Value attend(Network network, Value queries, Value keys, Value values, Value mask) {
    Value scores = network.op("Add", network.op("MatMul", queries, keys), mask);
    Value weights = network.op("Softmax", Attributes.of("axis", -1), scores);
    Value mixed = network.transpose(network.op("MatMul", weights, values), 0, 2, 1, 3);
    return network.op("Reshape", mixed, network.constant(Tensor.vector(0, 0, heads * width)));
  }

  private Value byHead(Network network, Value x) {
    return network.op("Reshape", x, network.constant(Tensor.vector(0, 0, heads, width)));
  }
}
