package dev.manticore.compiler.bench;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.kernels.GatedScanWithState;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;

/**
 * A kernel with operands, as a step has it.
 *
 * @param name of the kernel
 * @param graph the kernel's node alone
 * @param contents of the inputs of which it matters what they hold
 * @param inPlace outputs that are written where an input is
 */
record KernelCase(
    String name,
    Graph graph,
    ImmutableMap<String, Tensor> contents,
    ImmutableMap<String, String> inPlace) {

  private static final long SEED = 0;
  private static final int TAPS = 4;
  private static final float MASKED = -3.4e38f;

  /** Learning rate, beta1, beta2, epsilon, weight decay, two corrections, scale of the gradient. */
  private static final float[] SETTINGS = {1e-3f, 0.9f, 0.999f, 1e-8f, 0.01f, 0.5f, 0.5f, 1f};

  /** The kernel's node. */
  Node node() {
    return graph.nodes().stream()
        .filter(node -> node.op().domain().equals(OpId.KERNEL))
        .findFirst()
        .orElseThrow();
  }

  /** All kernels but products of matrices, which a step's limits time. */
  static ImmutableList<KernelCase> all(KernelRequest request) {
    long b = request.batch();
    long l = request.length();
    long w = request.width();
    long d = request.channels();
    long n = request.states();
    long heads = request.heads();
    long head = w / heads;
    Attributes attention =
        Attributes.of("heads", heads).with("scale", Attribute.of((float) (1 / Math.sqrt(head))));
    return ImmutableList.of(
        scan("SelectiveScan", b, l, d, n).build(1),
        scan("SelectiveScanGrad", b, l, d, n).floats("dy", b, l, d).build(5),
        scan("SelectiveScanWithState", b, 1, d, n).floats("state", b, d, n).build(2),
        new Builder("GatedScanWithState")
            .with(Attributes.of("first", d))
            .floats("x", b, 1, d)
            .floats("mixing", b, 1, request.rank() + 2 * n)
            .floats("weight", request.rank(), d)
            .floats("bias", d)
            .given("mask", filled(1, b, 1, 1))
            .given("a", filled(-1f, d / GatedScanWithState.BLOCK, n, GatedScanWithState.BLOCK))
            .floats("skip", d)
            .floats("gate", b, 1, 2 * d)
            .floats("state", b, d / GatedScanWithState.BLOCK, n, GatedScanWithState.BLOCK)
            .build(2),
        new Builder("SiluConvWithState")
            .with(Attributes.of("first", 0))
            .floats("x", b, 1, 2 * d)
            .given("mask", filled(1, b, 1, 1))
            .floats("weight", TAPS, d)
            .floats("bias", d)
            .floats("state", b, TAPS - 1, d)
            .build(2),
        attention(new Builder("Attention").with(attention), b, l, w)
            .constant("mask", causal((int) l))
            .build(1),
        attention(new Builder("AttentionGrad").with(attention), b, l, w)
            .constant("mask", causal((int) l))
            .floats("dy", b, l, w)
            .build(3),
        attention(new Builder("CausalAttention").with(attention.with("window", l)), b, l, w)
            .build(1),
        attention(new Builder("CausalAttentionGrad").with(attention.with("window", l)), b, l, w)
            .floats("dy", b, l, w)
            .build(3),
        new Builder("AttentionWithState")
            .with(attention)
            .floats("q", b, 1, w)
            .floats("k", b, 1, w)
            .floats("v", b, 1, w)
            .floats("keys", b, heads, head, l)
            .floats("values", b, heads, l, head)
            .constant("bias", zeros(1, 1, 1, l))
            .inPlace(1, "keys")
            .inPlace(2, "values")
            .build(3),
        new Builder("CausalConv")
            .floats("x", b, l, d)
            .floats("weight", d, 1, TAPS)
            .floats("bias", d)
            .build(1),
        new Builder("CausalConvGrad")
            .floats("x", b, l, d)
            .floats("weight", d, 1, TAPS)
            .floats("dy", b, l, d)
            .build(3),
        new Builder("EmbeddingGrad")
            .with(Attributes.of("rows", request.vocabulary()))
            .given("ids", numbers(request.vocabulary(), b, l))
            .floats("dy", b, l, w)
            .build(1),
        new Builder("CrossEntropyGrad")
            .floats("dloss")
            .floats("logp", b * l, request.vocabulary())
            .given("labels", numbers(request.vocabulary(), b * l))
            .build(1),
        new Builder("LayerNormGrad")
            .floats("x", b, l, w)
            .floats("scale", w)
            .floats("mean", b, l, 1)
            .floats("inverse", b, l, 1)
            .floats("dy", b, l, w)
            .build(3),
        new Builder("RmsNormGrad")
            .with(Attributes.of("epsilon", Attribute.of(1e-5f)))
            .floats("x", b, l, w)
            .floats("scale", w)
            .floats("dy", b, l, w)
            .build(2),
        new Builder("GeluTanhGrad").floats("x", b, l, 4 * w).floats("dy", b, l, 4 * w).build(1),
        new Builder("Silu").floats("x", b, l, d).build(1),
        new Builder("SiluGrad").floats("x", b, l, d).floats("dy", b, l, d).build(1),
        new Builder("AdamW")
            .floats("parameter", 4 * w, w)
            .floats("first", 4 * w, w)
            .given("second", filled(0.5f, 4 * w, w))
            .floats("gradient", 4 * w, w)
            .given("settings", Tensor.ofFloats(Shape.of(SETTINGS.length), SETTINGS))
            .inPlace(0, "parameter")
            .inPlace(1, "first")
            .inPlace(2, "second")
            .build(3));
  }

  private static Builder scan(String name, long b, long l, long d, long n) {
    return new Builder(name)
        .floats("x", b, l, d)
        .given("delta", filled(0.1f, b, l, d))
        .given("a", filled(-1f, d, n))
        .floats("b", b, l, n)
        .floats("c", b, l, n);
  }

  private static Builder attention(Builder builder, long b, long l, long w) {
    return builder.floats("q", b, l, w).floats("k", b, l, w).floats("v", b, l, w);
  }

  private static Tensor causal(int length) {
    float[] mask = new float[length * length];
    for (int query = 0; query < length; query++) {
      for (int key = query + 1; key < length; key++) {
        mask[query * length + key] = MASKED;
      }
    }
    return Tensor.ofFloats(Shape.of(length, length), mask);
  }

  private static Tensor zeros(long... extents) {
    return filled(0, extents);
  }

  private static Tensor filled(float value, long... extents) {
    Shape shape = Shape.of(extents);
    float[] values = new float[Math.toIntExact(shape.elementCount())];
    Arrays.fill(values, value);
    return Tensor.ofFloats(shape, values);
  }

  private static Tensor numbers(int end, long... extents) {
    Shape shape = Shape.of(extents);
    return Tensor.ofLongs(
        shape, new SplittableRandom(SEED).longs(shape.elementCount(), 0, end).toArray());
  }

  private static final class Builder {
    private final String name;
    private final GraphEditor editor;
    private final Map<String, Value> operands = new LinkedHashMap<>();
    private final ImmutableMap.Builder<String, Tensor> contents = ImmutableMap.builder();
    private final Map<Integer, String> inPlace = new LinkedHashMap<>();
    private Attributes attributes = Attributes.NONE;

    Builder(String name) {
      this.name = name;
      this.editor = new GraphEditor(name);
    }

    Builder with(Attributes given) {
      attributes = given;
      return this;
    }

    Builder floats(String operand, long... extents) {
      return input(operand, TensorType.of(ElementType.FLOAT32, extents));
    }

    Builder given(String operand, Tensor values) {
      contents.put(operand, values);
      return input(operand, values.type());
    }

    Builder constant(String operand, Tensor values) {
      operands.put(operand, editor.parameter(operand, values));
      return this;
    }

    private Builder input(String operand, TensorType type) {
      operands.put(operand, editor.input(operand, type));
      return this;
    }

    Builder inPlace(int output, String operand) {
      inPlace.put(output, operand);
      return this;
    }

    KernelCase build(int outputs) {
      ImmutableList<Value> results =
          editor.add(
              OpId.kernel(name),
              name,
              attributes,
              operands.values().stream().map(Optional::of).toList(),
              outputs);
      results.forEach(editor::output);
      ImmutableMap.Builder<String, String> places = ImmutableMap.builder();
      inPlace.forEach((output, operand) -> places.put(results.get(output).name(), operand));
      return new KernelCase(name, editor.freeze(), contents.buildOrThrow(), places.buildOrThrow());
    }
  }
}
