package dev.manticore.compiler.hybrid;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.component.Component;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Value;
import java.util.Arrays;

/**
 * A spliced model.
 *
 * @param graph input {@code input_ids} i64[batch,length], output {@code logits}
 *     f32[batch,length,vocabulary]; parameters {@code blocks.i.alpha}, {@code blocks.i.in.k.*},
 *     {@code blocks.i.out.k.*}, {@code embeddings.k.weight} where fresh, {@code components.k.*}
 * @param components as they were spliced, in the order of the mixture weights
 * @param options how it was spliced, the partition and what each block mixes written out
 * @param maxLength the longest sequence that all components take, in tokens; 0 for any
 * @param hiddenStates the mixed embedding, then the output of each block
 * @param mixtureWeights for each block that mixes several components their weights, positive and of
 *     sum 1
 */
public record Hybrid(
    Graph graph,
    ImmutableList<Component> components,
    SpliceOptions options,
    long maxLength,
    ImmutableList<Value> hiddenStates,
    ImmutableMap<Integer, Value> mixtureWeights) {

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
    return options.blocks();
  }

  /** What the components are called. */
  public ImmutableList<String> names() {
    return components.stream().map(Component::name).collect(ImmutableList.toImmutableList());
  }

  /** The components that a block mixes, ascending; where it is one, there are no weights. */
  public ImmutableList<Integer> mixed(int block) {
    return options.mixed().get(block);
  }

  /** Whether any block leaves a component out, or there is one alone. */
  public boolean isPruned() {
    return components.size() == 1
        || options.mixed().stream().anyMatch(block -> block.size() < components.size());
  }

  /** Whether a component has projectors around its part of a block. */
  public boolean isProjected(int block) {
    return options.isProjected(mixed(block).size());
  }

  /** The parameters whose softmax mixture weights are. */
  public ImmutableList<String> alphas() {
    return mixtureWeights.keySet().stream()
        .map(Hybrid::alpha)
        .collect(ImmutableList.toImmutableList());
  }

  /** The number of layers of a component. */
  public int layers(int component) {
    return components.get(component).layers().size();
  }

  /** The width of a component's residual stream. */
  public long width(int component) {
    return components.get(component).width();
  }

  /** The number of elements of the parameters that a component has in the hybrid. */
  public long parameters(int component) {
    return graph.parameters().keySet().stream()
        .filter(parameter -> parameter.name().startsWith(component(component)))
        .mapToLong(parameter -> parameter.shape().elementCount())
        .sum();
  }

  /**
   * The mixture weights of a block, one for each component, as its parameter has them: of sum 1,
   * positive, and 0 for components that it does not mix.
   */
  public ImmutableList<Float> weights(int block) {
    double[] logits =
        graph
            .parameter(alpha(block))
            .map(parameter -> graph.parameters().get(parameter).toDoubles())
            .orElse(new double[1]);
    double largest = Arrays.stream(logits).max().orElseThrow();
    double[] powers = Arrays.stream(logits).map(a -> StrictMath.exp(a - largest)).toArray();
    double sum = 0;
    for (double power : powers) {
      sum += power;
    }
    Float[] weights = new Float[components.size()];
    Arrays.fill(weights, 0f);
    for (int j = 0; j < powers.length; j++) {
      weights[mixed(block).get(j)] = (float) (powers[j] / sum);
    }
    return ImmutableList.copyOf(weights);
  }

  /** The width of the residual stream between blocks: at least the largest of the components'. */
  public int width() {
    return Math.toIntExact(hiddenStates.get(0).shape().dim(-1).extent());
  }
}
