package dev.manticore.compiler.hybrid;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.Iterables;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Value;
import java.util.Arrays;

/**
 * A spliced model.
 *
 * @param graph input {@code input_ids} i64[batch,length], output {@code logits}
 *     f32[batch,length,vocabulary]; parameters {@code blocks.i.alpha}, {@code blocks.i.in.k.*},
 *     {@code blocks.i.out.k.*}, {@code embeddings.k.weight} where fresh, {@code components.k.*}
 * @param names the components, in the order of the mixture weights
 * @param options how it was spliced, the partition written out
 * @param maxLength the longest sequence that all components take, in tokens; 0 for any
 * @param hiddenStates the mixed embedding, then the output of each block
 * @param mixtureWeights the weights of each block, f32[K], positive and of sum 1
 */
public record Hybrid(
    Graph graph,
    ImmutableList<String> names,
    SpliceOptions options,
    long maxLength,
    ImmutableList<Value> hiddenStates,
    ImmutableList<Value> mixtureWeights) {

  /** The parameter whose softmax is the mixture weights of a block. */
  public static String alpha(int block) {
    return "blocks." + block + ".alpha";
  }

  /** Whether a parameter is the logits of mixture weights. */
  public static boolean isAlpha(String parameter) {
    return parameter.startsWith("blocks.") && parameter.endsWith(".alpha");
  }

  /** What the names of a component's parameters begin with. */
  public static String component(int index) {
    return "components." + index + ".";
  }

  /** Whether a parameter is a component's; all others are what the hybrid adds to them. */
  public static boolean isOfComponent(String parameter) {
    return parameter.startsWith("components.");
  }

  /** The parameter that is the table of a component, where tables are fresh. */
  public static String table(int component) {
    return "embeddings." + component + ".weight";
  }

  public int blocks() {
    return mixtureWeights.size();
  }

  /** The number of layers of a component. */
  public int layers(int component) {
    return Iterables.getLast(options.partition().get(component)).to();
  }

  /** The width of a component's residual stream. */
  public long width(int component) {
    Value projector = graph.parameter("blocks.0.in." + component + ".weight").orElseThrow();
    return projector.shape().dim(0).extent();
  }

  /** The number of elements of the parameters that a component has in the hybrid. */
  public long parameters(int component) {
    return graph.parameters().keySet().stream()
        .filter(parameter -> parameter.name().startsWith(component(component)))
        .mapToLong(parameter -> parameter.shape().elementCount())
        .sum();
  }

  /** The mixture weights of a block as its parameter has them: positive, of sum 1. */
  public ImmutableList<Float> weights(int block) {
    double[] logits =
        graph.parameters().get(graph.parameter(alpha(block)).orElseThrow()).toDoubles();
    double largest = Arrays.stream(logits).max().orElseThrow();
    double[] powers = Arrays.stream(logits).map(a -> StrictMath.exp(a - largest)).toArray();
    double sum = 0;
    for (double power : powers) {
      sum += power;
    }
    ImmutableList.Builder<Float> weights = ImmutableList.builder();
    for (double power : powers) {
      weights.add((float) (power / sum));
    }
    return weights.build();
  }

  /** The width of the residual stream between blocks: the largest of the components'. */
  public int width() {
    return Math.toIntExact(hiddenStates.get(0).shape().dim(-1).extent());
  }
}
