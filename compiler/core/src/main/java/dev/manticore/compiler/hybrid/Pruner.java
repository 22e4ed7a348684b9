package dev.manticore.compiler.hybrid;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.component.Component;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import java.util.List;
import java.util.function.IntFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * Makes mixture weights discrete and takes out of a hybrid what has no weight then: of each block
 * the components that are dropped, with their layers, projectors and gates; of the first block,
 * whose weights mix embeddings and heads, their tables too; and components that no block is left
 * of. The others' weights are brought to sum 1 again. A block that one component is left of has no
 * mixture; where gates are tied its gates are 1 then, so that its projectors go too, and the block
 * is truncated, computed and padded. Parameters keep their values.
 *
 * <p>What is left computes what the hybrid does with those weights, the dropped ones set to 0.
 */
public final class Pruner {

  /** A parameter that belongs to one component, whose index is the second group. */
  private static final Pattern OF_COMPONENT =
      Pattern.compile(
          "(components\\.|embeddings\\.|blocks\\.\\d+\\.(?:in|out|gate_in|gate_out)\\.)(\\d+)(\\..*|)");

  private Pruner() {}

  /** Keeps the strongest component of each block, the first of several. */
  public static Hybrid argmax(Hybrid hybrid) {
    return keep(hybrid, block -> ImmutableList.of(strongest(hybrid.weights(block))));
  }

  /**
   * Keeps the components of each block whose weights are not below a threshold, and the strongest
   * in any case.
   *
   * @param threshold from 0 to 1
   */
  public static Hybrid threshold(Hybrid hybrid, double threshold) {
    return keep(
        hybrid,
        block -> {
          List<Float> weights = hybrid.weights(block);
          int strongest = strongest(weights);
          return hybrid.mixed(block).stream()
              .filter(k -> weights.get(k) >= threshold || k == strongest)
              .collect(ImmutableList.toImmutableList());
        });
  }

  private static int strongest(List<Float> weights) {
    int strongest = 0;
    for (int k = 1; k < weights.size(); k++) {
      if (weights.get(k) > weights.get(strongest)) {
        strongest = k;
      }
    }
    return strongest;
  }

  private static Hybrid keep(Hybrid hybrid, IntFunction<ImmutableList<Integer>> choice) {
    ImmutableList<ImmutableList<Integer>> kept =
        IntStream.range(0, hybrid.blocks())
            .mapToObj(choice)
            .collect(ImmutableList.toImmutableList());
    SpliceOptions options = hybrid.options();
    if (kept.equals(options.mixed())) {
      return hybrid;
    }
    List<Integer> used =
        IntStream.range(0, hybrid.components().size())
            .boxed()
            .filter(k -> kept.stream().anyMatch(block -> block.contains(k)))
            .toList();
    List<Component> components = used.stream().map(hybrid.components()::get).toList();
    // Projectors read and write the whole stream; without any, what is wider than all is zeros.
    boolean projected = kept.stream().anyMatch(block -> options.isProjected(block.size()));
    int widest = components.stream().mapToInt(Component::width).max().orElseThrow();
    Hybrid pruned =
        Splicer.splice(
            components,
            options
                .withPartition(used.stream().map(options.partition()::get).toList())
                .withMixed(
                    kept.stream().map(block -> block.stream().map(used::indexOf).toList()).toList(),
                    projected ? hybrid.width() : widest));
    return HybridFiles.withParameters(pruned, values(hybrid, kept, pruned, used));
  }

  /** The values of what is left, which in the hybrid has the indices of components from before. */
  private static ImmutableMap<String, Tensor> values(
      Hybrid hybrid,
      ImmutableList<ImmutableList<Integer>> kept,
      Hybrid pruned,
      List<Integer> used) {
    ImmutableMap<String, Tensor> before = HybridFiles.parameters(hybrid.graph());
    ImmutableMap.Builder<String, Tensor> values = ImmutableMap.builder();
    for (Value parameter : pruned.graph().parameters().keySet()) {
      String name = parameter.name();
      Matcher matcher = OF_COMPONENT.matcher(name);
      if (matcher.matches()) {
        int index = used.get(Integer.parseInt(matcher.group(2)));
        values.put(name, before.get(matcher.group(1) + index + matcher.group(3)));
      }
    }
    for (int block : pruned.mixtureWeights().keySet()) {
      String alpha = Hybrid.alpha(block);
      float[] logits = before.get(alpha).toFloats();
      ImmutableList<Integer> mixed = hybrid.mixed(block);
      float[] left = new float[kept.get(block).size()];
      for (int j = 0; j < left.length; j++) {
        left[j] = logits[mixed.indexOf(kept.get(block).get(j))];
      }
      values.put(alpha, Tensor.ofFloats(Shape.of(left.length), left));
    }
    return values.buildOrThrow();
  }
}
