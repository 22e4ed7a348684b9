package dev.manticore.ir.rewrite;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSortedMap;
import dev.manticore.ir.Extent;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.rewrite.IndexFunction.Linear;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Finds the attention scores of a graph that are masked causally: every query sees itself, a number
 * of keys before it or all of them, and none behind it. Masks are not computed; what they are
 * follows from how they are made of positions, or from the constant that they are, whatever number
 * they hide with, if it is no more than -1e9. A mask that depends on an input, or on a parameter,
 * is none of them.
 */
public final class CausalMasks {

  /** Where the column is greater by one, in rows and columns counted from the last axis. */
  private static final ImmutableSortedMap<Integer, Long> AFTER =
      ImmutableSortedMap.of(1, 1L, 2, -1L);

  private static final ImmutableSortedMap<Integer, Long> BEFORE =
      ImmutableSortedMap.of(1, -1L, 2, 1L);

  private final GraphKnowledge knowledge;

  public CausalMasks(Graph graph) {
    this.knowledge = new GraphKnowledge(graph);
  }

  /**
   * Scores without the mask that hides keys from queries.
   *
   * @param scores [..,length,length]
   * @param window the number of keys that a query sees where there are so many: itself and those
   *     right before it; the length, if it sees all of those
   */
  public record Causal(Value scores, long window) {}

  /**
   * Takes the masks off scores whose shape is known.
   *
   * @param masked the operand of a softmax over its last axis
   * @return empty if they are masked otherwise, or not at all
   */
  public Optional<Causal> find(Value masked) {
    Shape shape = masked.shape();
    if (!shape.isRanked() || !shape.isStatic() || shape.rank() < 2) {
      return Optional.empty();
    }
    long length = shape.dim(-1).extent();
    return Masked.of(knowledge, masked)
        .filter(found -> found.scores().shape().equals(shape))
        .filter(found -> shape.dim(-2).extent() == length)
        .flatMap(
            found -> {
              OptionalLong window = window(found.visible().atLeastZero(), length);
              return window.isPresent()
                  ? Optional.of(new Causal(found.scores(), window.getAsLong()))
                  : Optional.empty();
            });
  }

  private static OptionalLong window(Iterable<Linear> bounds, long length) {
    boolean causal = false;
    long window = length;
    for (Linear bound : bounds) {
      OptionalLong number = bound.constant().constant();
      if (number.isEmpty() || number.getAsLong() < 0) {
        return OptionalLong.empty();
      }
      if (bound.factors().equals(BEFORE) && number.getAsLong() == 0) {
        causal = true;
      } else if (bound.factors().equals(AFTER)) {
        window = Math.min(window, number.getAsLong() + 1);
      } else {
        return OptionalLong.empty();
      }
    }
    return causal ? OptionalLong.of(window) : OptionalLong.empty();
  }

  /** Of a graph that stays as it is. */
  private static final class GraphKnowledge implements Match.Knowledge {
    private final Graph graph;
    private final GraphEditor tracked;
    private final IndexFunctions indexFunctions = new IndexFunctions(this);

    GraphKnowledge(Graph graph) {
      this.graph = graph;
      this.tracked = graph.edit();
    }

    @Override
    public Optional<Node> producer(Value value) {
      return graph.producer(value);
    }

    @Override
    public Optional<Tensor> constantOf(Value value) {
      return tracked.constantOf(value);
    }

    @Override
    public Optional<ImmutableList<Extent>> extentsOf(Value value) {
      return tracked.extentsOf(value);
    }

    @Override
    public boolean isParameter(Value value) {
      return graph.parameters().containsKey(value);
    }

    @Override
    public ImmutableList<Value> inputs() {
      return graph.inputs();
    }

    @Override
    public IndexFunctions indexFunctions() {
      return indexFunctions;
    }
  }
}
