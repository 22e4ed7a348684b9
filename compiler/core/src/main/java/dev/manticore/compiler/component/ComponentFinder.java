package dev.manticore.compiler.component;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Value;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
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

  private static final int DRAWN_AROUND = 4;
  private static final int DRAWN_OPERATORS = 6;
  private static final int BYPASSES = 3;

  private final Graph graph;
  private final Value ids;
  private final Value logits;
  private final Set<Value> fromIds;
  private final List<Node> path = new ArrayList<>();
  private final Map<Value, Integer> lastUse = new HashMap<>();

  /** A value that every path passes through, and after which node of the path it is alone alive. */
  private record Link(Value value, int position) {}

  private ComponentFinder(Graph graph, Value ids, Value logits) {
    this.graph = graph;
    this.ids = ids;
    this.logits = logits;
    this.fromIds = DataFlow.from(graph, ids);
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

  /**
   * The longest sequence that a model takes, in tokens; empty where it takes any, or where nothing
   * is known of it since it is not one stack of layers.
   */
  public static OptionalLong maxLength(Graph graph) {
    try {
      return find(graph.name(), graph).maxLength();
    } catch (ManticoreException e) {
      return OptionalLong.empty();
    }
  }

  private Component find(String name) {
    trace();
    List<Link> chain = chain();
    if (chain.isEmpty() || chain.get(chain.size() - 1).value() != logits) {
      throw failure(name, "the logits do not depend on the token ids");
    }
    List<Link> stream = stream(chain.subList(0, chain.size() - 1));
    if (stream.size() < 3) {
      throw failure(
          name,
          "no residual stream was found, values of one shape [batch,length,width] that every path from the"
              + " token ids to the logits passes through\n"
              + picture(chain));
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
                            + " layers of the same operators\n"
                            + picture(chain)));
    ImmutableList.Builder<Value> layers = ImmutableList.builder();
    for (int i = 1; i <= repetition.count(); i++) {
      layers.add(stream.get(repetition.start() + i * repetition.period()).value());
    }
    return new Component(
        name,
        graph,
        ids,
        stream.get(0).value(),
        stream.get(repetition.start()).value(),
        layers.build(),
        stream.get(stream.size() - 1).value(),
        logits);
  }

  /** The nodes on a path from the ids to the logits. */
  private void trace() {
    Set<Value> needed = new HashSet<>(Set.of(logits));
    for (Node node : graph.nodes().reverse()) {
      if (node.presentOutputs().stream().anyMatch(needed::contains)
          && node.presentOutputs().stream().anyMatch(fromIds::contains)) {
        path.add(node);
        node.reads().stream().filter(fromIds::contains).forEach(needed::add);
      }
    }
    Collections.reverse(path);
  }

  /**
   * The values that are alone alive at their place in the order: every path passes through them.
   */
  private List<Link> chain() {
    for (int i = 0; i < path.size(); i++) {
      for (Value read : path.get(i).reads()) {
        if (fromIds.contains(read)) {
          lastUse.put(read, i);
        }
      }
    }
    lastUse.put(logits, path.size());
    List<Link> chain = new ArrayList<>();
    Set<Value> alive = new LinkedHashSet<>(Set.of(ids));
    for (int i = 0; i < path.size(); i++) {
      int now = i;
      alive.addAll(path.get(i).presentOutputs());
      path.get(i).reads().stream().filter(read -> lastUse(read) <= now).forEach(alive::remove);
      path.get(i).presentOutputs().stream()
          .filter(output -> lastUse(output) <= now)
          .forEach(alive::remove);
      if (alive.size() == 1) {
        chain.add(new Link(alive.iterator().next(), i));
      }
    }
    return chain;
  }

  private int lastUse(Value value) {
    return lastUse.getOrDefault(value, -1);
  }

  /** The part of the chain that is [batch,length,width], all of one width: that of the first. */
  private static List<Link> stream(List<Link> chain) {
    List<Link> stream = new ArrayList<>();
    for (Link link : chain) {
      Value value = link.value();
      boolean shaped =
          value.elementType() == ElementType.FLOAT32
              && isRank(value, 3)
              && value.shape().dim(-1).isKnown();
      if (shaped
          && (stream.isEmpty() || value.shape().dim(-1).equals(width(stream.get(0).value())))) {
        stream.add(link);
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
  private String structure(Link from, Link to) {
    Map<Value, String> names = new HashMap<>(Map.of(from.value(), "x"));
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

  /**
   * The nodes on a path from one value of the chain to another, in order: what the path has between
   * them and the second depends on.
   */
  private List<Node> between(Link from, Link to) {
    Set<Value> needed = new HashSet<>(Set.of(to.value()));
    List<Node> nodes = new ArrayList<>();
    for (int i = to.position(); i > from.position(); i--) {
      Node node = path.get(i);
      if (node.presentOutputs().stream().anyMatch(needed::contains)) {
        nodes.add(node);
        node.reads().stream().filter(fromIds::contains).forEach(needed::add);
      }
    }
    Collections.reverse(nodes);
    return nodes;
  }

  /**
   * Draws the chain from the token ids to the logits, with the operators between its values; at the
   * longest stretch that is not broken by such a value it names what runs past all others there.
   */
  private String picture(List<Link> chain) {
    List<Link> links = new ArrayList<>();
    links.add(new Link(ids, -1));
    links.addAll(chain);
    int gap = 1;
    for (int i = 2; i < links.size(); i++) {
      if (extent(links, i) > extent(links, gap)) {
        gap = i;
      }
    }
    StringBuilder drawn = new StringBuilder();
    boolean omitting = false;
    for (int i = 0; i < links.size(); i++) {
      boolean near =
          i < DRAWN_AROUND || links.size() - i <= DRAWN_AROUND || Math.abs(i - gap) <= DRAWN_AROUND;
      if (!near) {
        if (!omitting) {
          drawn.append("   :\n");
        }
        omitting = true;
        continue;
      }
      omitting = false;
      if (i > 0) {
        drawn.append(i == gap && extent(links, i) > 1 ? stretch(links, i) : step(links, i));
      }
      drawn.append("  ").append(links.get(i).value()).append('\n');
    }
    return drawn.toString().stripTrailing();
  }

  private static int extent(List<Link> links, int index) {
    return links.get(index).position() - links.get(index - 1).position();
  }

  private String step(List<Link> links, int index) {
    return "   |  " + operators(between(links.get(index - 1), links.get(index))) + "\n";
  }

  private String stretch(List<Link> links, int index) {
    Link from = links.get(index - 1);
    Link to = links.get(index);
    StringBuilder text = new StringBuilder(step(links, index));
    text.append("   X  between these, ")
        .append(extent(links, index))
        .append(" nodes lie without a value that all paths pass through; past the others run\n");
    List<Value> bypasses = new ArrayList<>(List.of(from.value()));
    for (int i = from.position() + 1; i < to.position(); i++) {
      bypasses.addAll(path.get(i).presentOutputs());
    }
    Map<Value, Integer> made = new HashMap<>();
    for (int i = 0; i < path.size(); i++) {
      for (Value output : path.get(i).presentOutputs()) {
        made.put(output, i);
      }
    }
    bypasses.sort(
        Comparator.comparingInt(
            value -> made.getOrDefault(value, -1) - Math.min(lastUse(value), to.position())));
    for (Value value : bypasses.subList(0, Math.min(BYPASSES, bypasses.size()))) {
      int reader = Math.min(lastUse(value), path.size() - 1);
      int later = reader - made.getOrDefault(value, -1);
      if (later > 1) {
        text.append("   X    ")
            .append(value)
            .append(", read ")
            .append(later)
            .append(" nodes later by ")
            .append(path.get(reader))
            .append('\n');
      }
    }
    return text.toString();
  }

  private static String operators(List<Node> nodes) {
    String named =
        nodes.stream()
            .limit(DRAWN_OPERATORS)
            .map(node -> node.op().toString())
            .collect(Collectors.joining(", "));
    int more = nodes.size() - DRAWN_OPERATORS;
    return more > 0 ? named + " and " + more + " more" : named;
  }

  private static ManticoreException failure(String name, String why) {
    return new ManticoreException(
        "MNT-COMPONENT",
        "'" + name + "' is not a stack of layers that can be cut into blocks: " + why);
  }
}
