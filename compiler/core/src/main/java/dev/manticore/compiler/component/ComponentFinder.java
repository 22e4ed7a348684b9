package dev.manticore.compiler.component;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Value;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Finds a component in a graph by its structure alone; names decide nothing.
 *
 * <p>The residual stream is the chain of values of shape [batch, length, width] that every path
 * from the token ids to the logits passes through. What lies between two neighbours of the chain is
 * a segment; a layer is the shortest repeating run of segments by operator structure, constants
 * ignored. What comes before the repetition belongs to the first block (adding positions), what
 * comes after to the final norm and the head.
 */
public final class ComponentFinder {

  private final Graph graph;
  private final Value ids;
  private final Value logits;
  private final Set<Value> fromIds = new HashSet<>();
  private final List<Node> path = new ArrayList<>();

  private ComponentFinder(Graph graph, Value ids, Value logits) {
    this.graph = graph;
    this.ids = ids;
    this.logits = logits;
  }

  /**
   * Cuts a language model: one integer input of rank 2, and an output of rank 3 (the first, where
   * there are several).
   *
   * @throws ManticoreException if the graph is not such a stack, saying where the chain breaks; a
   *     model of one layer is none, since nothing in it tells a layer from half of one
   */
  public static Component find(String name, Graph graph) {
    Value ids =
        graph.inputs().stream()
            .filter(input -> input.elementType().isInteger() && isRank(input, 2))
            .findFirst()
            .orElseThrow(
                () ->
                    failure(name, "it has no integer input of shape [batch,length] for token ids"));
    Value logits =
        graph.outputs().stream()
            .filter(output -> output.elementType().isFloating() && isRank(output, 3))
            .findFirst()
            .orElseThrow(
                () ->
                    failure(
                        name, "it has no output of shape [batch,length,vocabulary] for logits"));
    return new ComponentFinder(graph, ids, logits).find(name);
  }

  private Component find(String name) {
    trace();
    List<Value> chain = chain();
    if (chain.isEmpty() || chain.get(chain.size() - 1) != logits) {
      throw failure(name, "the logits do not depend on the token ids");
    }
    List<Value> stream = stream(chain.subList(0, chain.size() - 1));
    if (stream.size() < 3) {
      throw failure(
          name,
          "no residual stream was found: the values that every path passes through are " + chain);
    }
    List<String> segments = new ArrayList<>();
    for (int i = 0; i + 1 < stream.size(); i++) {
      segments.add(structure(stream.get(i), stream.get(i + 1)));
    }
    Repetition repetition =
        Repetition.longest(segments)
            .orElseThrow(
                () ->
                    failure(
                        name,
                        "a layer is known by its repetition along the residual stream, which takes at least two"
                            + " layers of the same operators, but the segments after "
                            + stream.get(0)
                            + " are "
                            + summary(segments)));
    ImmutableList.Builder<Value> layers = ImmutableList.builder();
    for (int i = 1; i <= repetition.count(); i++) {
      layers.add(stream.get(repetition.start() + i * repetition.period()));
    }
    return new Component(
        name,
        graph,
        ids,
        stream.get(0),
        stream.get(repetition.start()),
        layers.build(),
        stream.get(stream.size() - 1),
        logits);
  }

  /**
   * Which values carry data of the ids (not only their shape), and the nodes on a path to the
   * logits.
   */
  private void trace() {
    fromIds.add(ids);
    for (Node node : graph.nodes()) {
      boolean shapeOnly = node.op().isOnnx("Shape") || node.op().isOnnx("Size");
      if (!shapeOnly && node.reads().stream().anyMatch(fromIds::contains)) {
        fromIds.addAll(node.presentOutputs());
      }
    }
    Set<Value> needed = new HashSet<>(Set.of(logits));
    for (Node node : graph.nodes().reverse()) {
      if (node.presentOutputs().stream().anyMatch(needed::contains)
          && node.presentOutputs().stream().anyMatch(fromIds::contains)) {
        path.add(0, node);
        node.reads().stream().filter(fromIds::contains).forEach(needed::add);
      }
    }
  }

  /**
   * The values that are alone alive at their place in the order: every path passes through them.
   */
  private List<Value> chain() {
    Map<Value, Integer> lastUse = new HashMap<>();
    for (int i = 0; i < path.size(); i++) {
      for (Value read : path.get(i).reads()) {
        if (fromIds.contains(read)) {
          lastUse.put(read, i);
        }
      }
    }
    lastUse.put(logits, path.size());
    List<Value> chain = new ArrayList<>();
    Set<Value> alive = new LinkedHashSet<>(Set.of(ids));
    for (int i = 0; i < path.size(); i++) {
      int now = i;
      alive.addAll(path.get(i).presentOutputs());
      alive.removeIf(value -> lastUse.getOrDefault(value, -1) <= now);
      if (alive.size() == 1) {
        chain.add(alive.iterator().next());
      }
    }
    return chain;
  }

  /** The part of the chain that is [batch,length,width], all of one width: that of the first. */
  private static List<Value> stream(List<Value> chain) {
    List<Value> stream = new ArrayList<>();
    for (Value value : chain) {
      boolean shaped =
          value.elementType() == ElementType.FLOAT32
              && isRank(value, 3)
              && value.shape().dim(-1).isKnown();
      if (shaped && (stream.isEmpty() || value.shape().dim(-1).equals(width(stream.get(0))))) {
        stream.add(value);
      }
    }
    return stream;
  }

  private static Dim width(Value value) {
    return value.shape().dim(-1);
  }

  private static boolean isRank(Value value, int rank) {
    return value.shape().isRanked() && value.shape().rank() == rank;
  }

  /** The operators between two values of the chain, written out as one expression. */
  private String structure(Value from, Value to) {
    Map<Value, String> names = new HashMap<>(Map.of(from, "x"));
    List<Node> between = between(from, to);
    StringBuilder text = new StringBuilder();
    for (Node node : between) {
      text.append(node.op()).append('(');
      for (Optional<Value> input : node.inputs()) {
        text.append(input.map(value -> operand(value, names)).orElse("-")).append(',');
      }
      text.append(')');
      for (Value output : node.presentOutputs()) {
        names.put(output, "v" + names.size());
      }
      text.append(';');
    }
    return text.toString();
  }

  private String operand(Value value, Map<Value, String> names) {
    String name = names.get(value);
    if (name != null) {
      return name;
    }
    return graph.parameters().containsKey(value) ? "parameter" : "side";
  }

  /** The nodes on a path from one value of the chain to another, in order. */
  private List<Node> between(Value from, Value to) {
    Set<Value> needed = new HashSet<>(Set.of(to));
    List<Node> nodes = new ArrayList<>();
    for (int i = path.size() - 1; i >= 0; i--) {
      Node node = path.get(i);
      boolean wanted =
          node.presentOutputs().stream().anyMatch(v -> needed.contains(v) && v != from);
      if (wanted) {
        nodes.add(0, node);
        node.reads().stream().filter(fromIds::contains).forEach(needed::add);
      }
      if (node.presentOutputs().contains(from)) {
        break;
      }
    }
    return nodes;
  }

  private static String summary(List<String> segments) {
    return segments.stream()
        .map(segment -> segment.length() > 60 ? segment.substring(0, 60) + "..." : segment)
        .limit(8)
        .collect(Collectors.joining(" | "));
  }

  private static ManticoreException failure(String name, String why) {
    return new ManticoreException(
        "MNT-COMPONENT",
        "'" + name + "' is not a stack of layers that can be cut into blocks: " + why);
  }
}
