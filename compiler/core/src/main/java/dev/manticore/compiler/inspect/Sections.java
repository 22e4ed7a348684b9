package dev.manticore.compiler.inspect;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.DataFlow;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.inspect.Section.Kind;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.Value;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Divides models into sections by their structure; every node and parameter is in one. */
final class Sections {

  /** What tells of attention: weights that sum to one. */
  private static final ImmutableSet<String> ATTENTION =
      ImmutableSet.of(
          "Softmax", "Attention", "CausalAttention", "MultiHeadAttention", "GroupQueryAttention");

  /** What tells of a recurrence. */
  private static final ImmutableSet<String> RECURRENCE =
      ImmutableSet.of("SelectiveScan", "StateSpaceDual", "Scan", "Loop", "LinearAttention");

  /** What passes values on as they are. */
  private static final ImmutableSet<String> TRANSPARENT =
      ImmutableSet.of("Identity", "Cast", "Dropout");

  private final Graph graph;
  private final Set<Value> data;
  private final Set<Node> claimed = new HashSet<>();
  private final List<Draft> drafts = new ArrayList<>();

  /** The place in the order of the node that makes a value. */
  private final Map<Value, Integer> positions = new HashMap<>();

  /** A section in the making. */
  private static final class Draft {
    final String name;
    Kind kind;
    final Set<Node> nodes = new LinkedHashSet<>();
    final Set<Value> parameters = new LinkedHashSet<>();
    final List<Draft> inner = new ArrayList<>();

    Draft(String name, Kind kind) {
      this.name = name;
      this.kind = kind;
    }

    Section done() {
      return new Section(
          name,
          kind,
          ImmutableSet.copyOf(nodes),
          ImmutableSet.copyOf(parameters),
          inner.stream().map(Draft::done).collect(ImmutableList.toImmutableList()));
    }
  }

  private Sections(Graph graph, Value ids) {
    this.graph = graph;
    this.data = DataFlow.from(graph, ids);
    graph.inputs().forEach(input -> positions.put(input, -1));
    graph.parameters().keySet().forEach(parameter -> positions.put(parameter, -1));
    for (Node node : graph.nodes()) {
      int position = positions.size();
      node.presentOutputs().forEach(output -> positions.put(output, position));
    }
  }

  /** Embedding, positions, layers with what they consist of, final norm and head. */
  static ImmutableList<Section> of(Component component) {
    return new Sections(component.graph(), component.ids()).divide(component);
  }

  /** Components, projectors, mixtures and fresh tables. */
  static ImmutableList<Section> of(Hybrid hybrid) {
    return new Sections(hybrid.graph(), hybrid.graph().inputs().get(0)).divide(hybrid);
  }

  /** Nothing is known of the graph. */
  static ImmutableList<Section> of(Graph graph) {
    Draft all = new Draft("all", Kind.OTHER);
    all.nodes.addAll(graph.nodes());
    all.parameters.addAll(graph.parameters().keySet());
    return ImmutableList.of(all.done());
  }

  private ImmutableList<Section> divide(Component component) {
    claim(new Draft("embedding", Kind.EMBEDDING), component.embedding());
    if (component.entry() != component.embedding()) {
      claim(new Draft("positions", Kind.POSITIONS), component.entry());
    }
    Value from = component.entry();
    for (int i = 0; i < component.layers().size(); i++) {
      Value to = component.layers().get(i);
      Draft layer = new Draft("layer " + i, Kind.LAYER);
      branches(layer, from, to);
      claim(layer, to);
      from = to;
    }
    claim(new Draft("final norm", Kind.NORM), component.normed());
    claim(new Draft("head", Kind.HEAD), component.logits());
    return finish();
  }

  private ImmutableList<Section> divide(Hybrid hybrid) {
    Draft mixtures = new Draft("mixture weights", Kind.MIXTURE);
    Draft projectors = new Draft("projectors", Kind.PROJECTORS);
    Draft gates = new Draft("gates", Kind.PROJECTORS);
    Draft tables = new Draft("fresh tables", Kind.EMBEDDING);
    List<Draft> components = new ArrayList<>();
    hybrid.names().forEach(name -> components.add(new Draft("component " + name, Kind.COMPONENT)));
    drafts.addAll(List.of(mixtures, projectors, gates, tables));
    drafts.addAll(components);
    for (Node node : graph.nodes()) {
      boolean weights =
          node.presentOutputs().stream().anyMatch(hybrid.mixtureWeights()::containsValue);
      if (weights || node.op().name().equals("Mixture")) {
        take(mixtures, node);
      } else if (node.op().name().equals("Projector")) {
        take(projectors, node);
      }
    }
    for (Value parameter : graph.parameters().keySet()) {
      String name = parameter.name();
      if (Hybrid.isAlpha(name)) {
        mixtures.parameters.add(parameter);
      } else if (name.contains(".gate_")) {
        gates.parameters.add(parameter);
      } else if (name.startsWith("embeddings.")) {
        tables.parameters.add(parameter);
      } else if (owner(hybrid, name) < 0) {
        projectors.parameters.add(parameter);
      } else {
        components.get(owner(hybrid, name)).parameters.add(parameter);
      }
    }
    boolean fresh = hybrid.options().embeddings() == Embeddings.FRESH;
    Node embedded = mixture(hybrid.hiddenStates().get(0));
    Node predicted = mixture(graph.outputs().get(0));
    for (int k = 0; k < components.size(); k++) {
      Draft component = components.get(k);
      int place = hybrid.mixed(0).indexOf(k);
      for (Node made : List.of(embedded, predicted)) {
        Draft owner = fresh ? tables : component;
        if (place >= 0) {
          cone(part(made, place)).forEach(node -> take(owner, node));
        }
      }
      for (int i = 0; i < hybrid.blocks(); i++) {
        if (!hybrid.mixed(i).contains(k)) {
          continue;
        }
        if (!hybrid.isProjected(i)) {
          cone(hybrid.hiddenStates().get(i + 1)).forEach(node -> take(component, node));
          continue;
        }
        Value weight = graph.parameter("blocks." + i + ".out." + k + ".weight").orElseThrow();
        for (Node node : graph.nodes()) {
          if (node.op().name().equals("Projector") && node.input(1) == weight) {
            cone(node.input(0)).forEach(between -> take(component, between));
          }
        }
      }
    }
    return finish();
  }

  /** What a mixture has of a component; where nothing is mixed, that is all. */
  private static Value part(Node made, int place) {
    return made.op().name().equals("Mixture") ? made.input(place + 1) : made.output();
  }

  /** What makes a value, which may have been padded and given a name of its own since. */
  private Node mixture(Value value) {
    Node node = graph.producer(value).orElseThrow();
    return node.op().isOnnx("Identity") || node.op().isOnnx("Pad") ? mixture(node.input(0)) : node;
  }

  private static int owner(Hybrid hybrid, String parameter) {
    for (int k = 0; k < hybrid.names().size(); k++) {
      if (parameter.startsWith(Hybrid.component(k))) {
        return k;
      }
    }
    return -1;
  }

  private void take(Draft draft, Node node) {
    if (claimed.add(node)) {
      draft.nodes.add(node);
    }
  }

  /** Gives a section what leads to a value and no section before it has. */
  private void claim(Draft draft, Value to) {
    drafts.add(draft);
    for (Node node : cone(to)) {
      take(draft, node);
    }
  }

  /** The nodes that a value comes from and that carry data, up to those of other sections. */
  private List<Node> cone(Value to) {
    List<Node> nodes = new ArrayList<>();
    Set<Node> seen = new HashSet<>();
    Deque<Value> open = new ArrayDeque<>(List.of(to));
    while (!open.isEmpty()) {
      Node node = graph.producer(open.pop()).orElse(null);
      if (node != null && !claimed.contains(node) && seen.add(node)) {
        nodes.add(node);
        node.reads().stream().filter(data::contains).forEach(open::add);
      }
    }
    return nodes;
  }

  /**
   * Divides a layer into the branches whose results are added to the residual stream: those in
   * which positions meet, and those in which each is by itself.
   */
  private void branches(Draft layer, Value from, Value to) {
    List<Value> terms = new ArrayList<>();
    Deque<Value> open = new ArrayDeque<>(List.of(to));
    Set<Value> seen = new HashSet<>();
    while (!open.isEmpty()) {
      Value sum = open.pop();
      if (sum == from || !seen.add(sum)) {
        continue;
      }
      Node node = graph.producer(sum).orElse(null);
      if (node != null && isSum(node)) {
        take(layer, node);
        node.presentInputs().stream().filter(data::contains).forEach(open::add);
      } else {
        terms.add(sum);
      }
    }
    terms.sort(Comparator.comparing(positions::get));
    for (Value term : terms) {
      List<Node> nodes = cone(term);
      Kind kind = kind(nodes);
      // Two branches of a kind, were there any, are told apart by their numbers.
      String base = kind == Kind.MLP ? "mlp" : "mixer";
      long same = layer.inner.stream().filter(other -> other.name.startsWith(base)).count();
      Draft branch = new Draft(same == 0 ? base : base + " " + (same + 1), kind);
      nodes.forEach(
          node -> {
            take(branch, node);
            layer.nodes.add(node);
          });
      layer.inner.add(branch);
    }
  }

  /** A sum of values that both carry data, or what passes such a sum on. */
  private boolean isSum(Node node) {
    if (TRANSPARENT.contains(node.op().name())) {
      return true;
    }
    return (node.op().isOnnx("Add") || node.op().isOnnx("Sum"))
        && node.presentInputs().stream().allMatch(data::contains);
  }

  private Kind kind(List<Node> nodes) {
    Kind kind = kind(ImmutableSet.copyOf(nodes));
    boolean meeting =
        nodes.stream()
            .anyMatch(
                node ->
                    node.op().name().endsWith("Conv")
                        || node.op().isOnnx("MatMul")
                            && node.presentInputs().stream().allMatch(data::contains));
    return kind == Kind.MLP && meeting ? Kind.MIXER : kind;
  }

  /** What nodes do, as far as their operators tell. */
  static Kind kind(Set<Node> nodes) {
    Set<String> operators = new HashSet<>();
    nodes.forEach(node -> operators.add(node.op().name()));
    if (RECURRENCE.stream().anyMatch(operators::contains)) {
      return Kind.STATE_SPACE;
    }
    return ATTENTION.stream().anyMatch(operators::contains) ? Kind.ATTENTION : Kind.MLP;
  }

  /** Deals out what carries no data, and the parameters; keeps the sections that have anything. */
  private ImmutableList<Section> finish() {
    Map<Node, Draft> owners = new LinkedHashMap<>();
    for (Draft draft : drafts) {
      draft.nodes.forEach(node -> owners.put(node, draft));
      // The finest section is what counts.
      draft.inner.forEach(inner -> inner.nodes.forEach(node -> owners.put(node, inner)));
    }
    Map<Draft, Draft> outer = new HashMap<>();
    drafts.forEach(draft -> draft.inner.forEach(inner -> outer.put(inner, draft)));
    Draft shared = new Draft("shared", Kind.SHARED);
    Draft other = new Draft("other", Kind.OTHER);
    // Backwards, so that the readers of a node are known before it.
    Map<Value, Set<Draft>> readers = new HashMap<>();
    for (Node node : graph.nodes().reverse()) {
      Draft owner = owners.get(node);
      if (owner == null) {
        Set<Draft> wanting = new LinkedHashSet<>();
        node.presentOutputs()
            .forEach(output -> wanting.addAll(readers.getOrDefault(output, Set.of())));
        owner = common(wanting, outer, shared, other);
        owner.nodes.add(node);
        if (outer.containsKey(owner)) {
          outer.get(owner).nodes.add(node);
        }
        owners.put(node, owner);
      }
      for (Value read : node.reads()) {
        readers.computeIfAbsent(read, key -> new LinkedHashSet<>()).add(owner);
      }
    }
    drafts.add(shared);
    drafts.add(other);
    Set<Value> placed = new HashSet<>();
    drafts.forEach(draft -> placed.addAll(draft.parameters));
    Map<Value, Draft> places = new HashMap<>();
    for (Node node : graph.nodes()) {
      for (Value read : node.reads()) {
        if (graph.parameters().containsKey(read) && !placed.contains(read)) {
          Draft owner = owners.get(node);
          places.merge(read, owner, (one, two) -> earlier(one, two, outer));
        }
      }
    }
    for (Value parameter : graph.parameters().keySet()) {
      if (!placed.contains(parameter)) {
        Draft place = places.getOrDefault(parameter, other);
        place.parameters.add(parameter);
        if (outer.containsKey(place)) {
          outer.get(place).parameters.add(parameter);
        }
      }
    }
    return drafts.stream()
        .filter(draft -> !draft.nodes.isEmpty() || !draft.parameters.isEmpty())
        .map(Draft::done)
        .collect(ImmutableList.toImmutableList());
  }

  private Draft earlier(Draft one, Draft two, Map<Draft, Draft> outer) {
    int first = drafts.indexOf(outer.getOrDefault(one, one));
    int second = drafts.indexOf(outer.getOrDefault(two, two));
    return first <= second ? one : two;
  }

  private static Draft common(
      Set<Draft> readers, Map<Draft, Draft> outer, Draft shared, Draft other) {
    if (readers.isEmpty()) {
      return other;
    }
    if (readers.size() == 1) {
      return readers.iterator().next();
    }
    Set<Draft> wider = new HashSet<>();
    readers.forEach(reader -> wider.add(outer.getOrDefault(reader, reader)));
    return wider.size() == 1 ? wider.iterator().next() : shared;
  }
}
