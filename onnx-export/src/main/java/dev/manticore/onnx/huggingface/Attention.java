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

  /** [batch,length,heads·width] to [batch,length,heads,width]. */
  Value byHead(Network network, Value x) {
    return network.op("Reshape", x, network.constant(Tensor.vector(0, 0, heads, width)));
  }

  /**
   * The products of queries and keys.
   *
   * @param queries [batch,length,heads,width]
   * @param keys [batch,length,heads,width]
   * @return [batch,heads,length,length]
   */
  Value products(Network network, Value queries, Value keys) {
    return network.op(
        "MatMul", network.transpose(queries, 0, 2, 1, 3), network.transpose(keys, 0, 2, 3, 1));
  }

  /**
   * The values, weighted by the softmax of the products.
   *
   * @param products [batch,heads,length,length], scaled where the family scales
   * @param mask f32[length,length], added to the products
   * @param values [batch,length,heads,width]
   * @return [batch,length,heads·width]
   */
  Value mix(Network network, Value products, Value mask, Value values) {
    Value weights =
        network.op("Softmax", Attributes.of("axis", -1), network.op("Add", products, mask));
    Value mixed = network.op("MatMul", weights, network.transpose(values, 0, 2, 1, 3));
    return network.op(
        "Reshape",
        network.transpose(mixed, 0, 2, 1, 3),
        network.constant(Tensor.vector(0, 0, heads * width)));
  }
}
