package dev.manticore.ir.rewrite;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Extent;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Rewiring;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.op.Catalogue;
import dev.manticore.ir.op.Operator;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.TreeSet;

/**
 * A graph while it is rewritten: every value knows who reads it, so that a replacement costs what
 * it touches and not what the graph holds. Equal nodes are one, nodes that nothing reads go at
 * once, and types are inferred again where operands change.
 */
final class Workspace implements Match.Knowledge {

  /** Bytes of the largest tensor in an attribute that is compared by its contents. */
  private static final long LARGEST_COMPARED = 1 << 20;

  /** A node's place, which stays while the node in it is rewired. */
  static final class Place implements Comparable<Place> {
    private final int position;
    private final int turn;
    private Node node;
    private Optional<Key> key = Optional.empty();
    private boolean alive = true;
    private boolean stale;
    private boolean queued;

    Place(Node node, int position, int turn) {
      this.node = node;
      this.position = position;
      this.turn = turn;
    }

    Node node() {
      return node;
    }

    /** By position, and among those of one position by when they were made. */
    @Override
    public int compareTo(Place other) {
      return position != other.position
          ? Integer.compare(position, other.position)
          : Integer.compare(turn, other.turn);
    }
  }

  private record Key(
      OpId op,
      ImmutableMap<String, Object> attributes,
      ImmutableList<Optional<Value>> inputs,
      int outputs) {}

  private record Contents(TensorType type, ByteBuffer bytes) {}

  private final Graph graph;
  private final String pass;
  private final GraphEditor editor;
  private final Map<Value, Place> producers = new HashMap<>();
  private final Map<Value, Set<Place>> readers = new HashMap<>();
  private final Map<Key, Place> equal = new HashMap<>();
  private final List<Value> outputs;
  private final Set<Value> parameters;
  private final IndexFunctions indexFunctions = new IndexFunctions(this);
  private final PriorityQueue<Place> open = new PriorityQueue<>();
  private final List<Node> built = new ArrayList<>();
  private int turns;
  private boolean changed;

  Workspace(Graph graph, String pass) {
    this.graph = graph;
    this.pass = pass;
    this.editor = graph.edit();
    this.outputs = new ArrayList<>(graph.outputs());
    this.parameters = graph.parameters().keySet();
    for (Node node : graph.nodes()) {
      register(new Place(node, turns, turns++));
    }
    editor.watch(built::add);
  }

  // What rules see.

  @Override
  public Optional<Node> producer(Value value) {
    Place place = producers.get(value);
    return place == null ? Optional.empty() : Optional.of(place.node);
  }

  @Override
  public Optional<Tensor> constantOf(Value value) {
    return editor.constantOf(value);
  }

  @Override
  public Optional<ImmutableList<Extent>> extentsOf(Value value) {
    return editor.extentsOf(value);
  }

  @Override
  public boolean isParameter(Value value) {
    return parameters.contains(value);
  }

  @Override
  public ImmutableList<Value> inputs() {
    return graph.inputs();
  }

  @Override
  public IndexFunctions indexFunctions() {
    return indexFunctions;
  }

  // The queue.

  /** Puts every node up for a visit. */
  void openAll() {
    producers.values().forEach(this::open);
  }

  private void open(Place place) {
    if (place.alive && !place.queued) {
      place.queued = true;
      open.add(place);
    }
  }

  /** The next node to visit, its types up to date; empty when there is none left. */
  Optional<Place> next() {
    while (!open.isEmpty()) {
      Place place = open.poll();
      place.queued = false;
      if (place.alive && !isUnread(place) && !joined(place)) {
        return Optional.of(place);
      }
    }
    return Optional.empty();
  }

  /** The nodes that read a value, as they are now. */
  Collection<Node> readers(Value value) {
    return readers.getOrDefault(value, Set.of()).stream().map(Place::node).toList();
  }

  boolean changed() {
    return changed;
  }

  // Changes.

  /** Infers types again where operands have changed, and joins the node with one that is equal. */
  private boolean joined(Place place) {
    if (place.stale) {
      place.stale = false;
      infer(place);
    }
    if (place.key.isPresent()) {
      return false;
    }
    Optional<Key> key = key(place.node);
    if (key.isEmpty()) {
      return false;
    }
    Place same = equal.putIfAbsent(key.get(), place);
    if (same == null || same == place) {
      place.key = key;
      return false;
    }
    List<Value> results = new ArrayList<>();
    for (int i = 0; i < place.node.outputs().size(); i++) {
      if (place.node.hasOutput(i)) {
        if (!same.node.hasOutput(i)) {
          return false;
        }
        results.add(same.node.output(i));
      }
    }
    return replace(List.of(place.node), results, Set.of());
  }

  private void infer(Place place) {
    Node node = place.node;
    boolean plain =
        Catalogue.standard().find(node.op()).isPresent()
            && node.attributes().graphs().isEmpty()
            && node.hasOnlyTensors();
    if (!plain) {
      return;
    }
    List<TensorType> types =
        editor.infer(
            node.op(), node.name(), node.attributes(), node.inputs(), node.outputs().size());
    Map<Value, Value> retyped = new LinkedHashMap<>();
    ImmutableList.Builder<Optional<Value>> results = ImmutableList.builder();
    for (int i = 0; i < node.outputs().size(); i++) {
      Optional<Value> result = node.outputs().get(i);
      if (result.isPresent()) {
        Value old = result.get();
        TensorType type = types.get(i).completedBy(old.type());
        if (!type.equals(old.type())) {
          result = Optional.of(new Value(old.name(), type, old.annotations()));
          retyped.put(old, result.get());
        }
      }
      results.add(result);
    }
    boolean unknown = !isAnyFollowed(node);
    Node current =
        new Node(
            node.op(),
            node.name(),
            node.attributes(),
            node.inputs(),
            results.build(),
            node.origin());
    setNode(place, current);
    retyped.forEach(this::substitute);
    if (unknown && isAnyFollowed(current)) {
      for (Value output : current.presentOutputs()) {
        for (Place reader : readers.getOrDefault(output, Set.of())) {
          reader.stale = true;
          open(reader);
        }
      }
    }
  }

  /** Whether the elements of an output are known, so that its readers may have other types. */
  private boolean isAnyFollowed(Node node) {
    for (Value output : node.presentOutputs()) {
      if (editor.constantOf(output).isPresent() || editor.extentsOf(output).isPresent()) {
        return true;
      }
    }
    return false;
  }

  /** Puts another node into a place and lets the editor track what it computes. */
  private void setNode(Place place, Node node) {
    unkey(place);
    place.node.presentOutputs().forEach(producers::remove);
    place.node = node;
    node.presentOutputs().forEach(output -> producers.put(output, place));
    track(node);
  }

  private void track(Node node) {
    editor.addNode(node);
    built.clear();
  }

  /** Lets all read another value. */
  private void substitute(Value old, Value value) {
    Set<Place> reading = readers.remove(old);
    if (reading != null) {
      Map<Value, Value> replacement = Map.of(old, value);
      for (Place place : reading) {
        unkey(place);
        place.node = Rewiring.rewire(place.node, replacement);
        place.node.presentOutputs().forEach(output -> producers.put(output, place));
        place.stale = true;
        open(place);
      }
      readers.computeIfAbsent(value, key -> new LinkedHashSet<>()).addAll(reading);
    }
    outputs.replaceAll(output -> output == old ? value : output);
  }

  private void unkey(Place place) {
    place.key.ifPresent(key -> equal.remove(key, place));
    place.key = Optional.empty();
  }

  /**
   * Builds nodes and lets their results take the place of the roots' outputs.
   *
   * @return whether anything is different afterwards
   */
  boolean rewrite(Match match, List<Node> roots, Rule.Replacement replacement) {
    built.clear();
    editor.withOrigin(roots.get(0).origin().by(pass));
    Optional<List<Value>> results = replacement.build(match, new Ops(editor));
    if (results.isEmpty()) {
      built.clear();
      return false;
    }
    Map<Value, Value> same = new HashMap<>();
    Map<Key, Node> fresh = new LinkedHashMap<>();
    List<Node> kept = new ArrayList<>();
    for (Node node : List.copyOf(built)) {
      Node mapped = same.isEmpty() ? node : Rewiring.rewire(node, same);
      Optional<Key> key = key(mapped);
      Node known =
          key.map(wanted -> equal.containsKey(wanted) ? equal.get(wanted).node : fresh.get(wanted))
              .orElse(null);
      if (known == null) {
        key.ifPresent(wanted -> fresh.put(wanted, mapped));
        kept.add(mapped);
      } else {
        for (int i = 0; i < node.outputs().size(); i++) {
          if (node.hasOutput(i) && known.hasOutput(i)) {
            same.put(node.output(i), known.output(i));
          }
        }
      }
    }
    built.clear();
    List<Value> mappedResults = new ArrayList<>();
    for (Value result : results.get()) {
      mappedResults.add(same.getOrDefault(result, result));
    }
    List<Value> old = outputs(roots);
    if (old.size() != mappedResults.size()) {
      throw new IllegalStateException(
          "a rule gives " + mappedResults.size() + " values for " + old.size() + " of " + roots);
    }
    if (old.equals(mappedResults)) {
      return false;
    }
    for (int i = 0; i < old.size(); i++) {
      requireSameType(old.get(i), mappedResults.get(i));
    }
    int position = producers.get(old.get(0)).position;
    Set<Value> made = new HashSet<>();
    for (Node node : kept) {
      Place place = new Place(node, position, turns++);
      register(place);
      made.addAll(node.presentOutputs());
      open(place);
    }
    return replace(roots, mappedResults, made);
  }

  private static void requireSameType(Value old, Value value) {
    boolean sameRank =
        !old.shape().isRanked()
            || !value.shape().isRanked()
            || old.shape().rank() == value.shape().rank();
    if (!sameRank || old.elementType() != value.elementType()) {
      throw new IllegalStateException("a rule gives " + value + " in the place of " + old);
    }
  }

  private void register(Place place) {
    for (Value output : place.node.presentOutputs()) {
      producers.put(output, place);
    }
    for (Value read : place.node.reads()) {
      readers.computeIfAbsent(read, key -> new LinkedHashSet<>()).add(place);
    }
  }

  /**
   * @param made values that are new and take over the names of those that they replace
   * @return whether anything is different afterwards
   */
  private boolean replace(List<Node> roots, List<Value> results, Set<Value> made) {
    List<Value> old = outputs(roots);
    boolean different = false;
    for (int i = 0; i < old.size(); i++) {
      Value value = results.get(i);
      if (old.get(i) != value && (readers.containsKey(old.get(i)) || isOutput(old.get(i)))) {
        different |= replace(old.get(i), value, made.contains(value));
      }
    }
    changed |= different;
    for (Node root : roots) {
      root.presentOutputs().stream().limit(1).map(producers::get).forEach(this::removeIfUnread);
    }
    for (Value value : made) {
      removeIfUnread(producers.get(value));
    }
    return different;
  }

  private static List<Value> outputs(List<Node> nodes) {
    List<Value> outputs = new ArrayList<>();
    for (Node node : nodes) {
      outputs.addAll(node.presentOutputs());
    }
    return outputs;
  }

  private boolean replace(Value old, Value value, boolean isNew) {
    Place maker = producers.get(value);
    boolean named = isOutput(old);
    if (named && (maker == null || isOutput(value))) {
      Node identity = producers.get(old).node;
      if (identity.op().isOnnx("Identity") && identity.input(0) == value) {
        return false;
      }
      nameByIdentity(old, value);
      return true;
    }
    Value target = value;
    if (maker != null && (named || isNew)) {
      target = new Value(old.name(), value.type().completedBy(old.type()), old.annotations());
      rename(maker, value, target);
    }
    substitute(old, target);
    return true;
  }

  /** An output of the graph keeps its name though its value has another. */
  private void nameByIdentity(Value old, Value value) {
    Value named = new Value(old.name(), value.type().completedBy(old.type()), old.annotations());
    Node identity =
        Node.of(OpId.onnx("Identity"), old.name(), Attributes.NONE, List.of(value), List.of(named));
    track(identity);
    Place place = new Place(identity, producers.get(old).position, turns++);
    register(place);
    outputs.replaceAll(output -> output == old ? named : output);
    substitute(old, value);
  }

  private void rename(Place place, Value old, Value renamed) {
    Node node = place.node;
    String name = node.output() == old ? renamed.name() : node.name();
    setNode(
        place,
        new Node(
            node.op(),
            name,
            node.attributes(),
            node.inputs(),
            node.outputs().stream()
                .map(output -> output.map(value -> value == old ? renamed : value))
                .collect(ImmutableList.toImmutableList()),
            node.origin(),
            node.annotations()));
    open(place);
    substitute(old, renamed);
  }

  private boolean isOutput(Value value) {
    return outputs.contains(value);
  }

  private boolean isUnread(Place place) {
    for (Value output : place.node.presentOutputs()) {
      if (readers.containsKey(output) || isOutput(output)) {
        return false;
      }
    }
    return true;
  }

  private void removeIfUnread(Place first) {
    List<Place> unread = new ArrayList<>();
    unread.add(first);
    while (!unread.isEmpty()) {
      Place place = unread.remove(unread.size() - 1);
      if (place == null || !place.alive || !isUnread(place)) {
        continue;
      }
      place.alive = false;
      unkey(place);
      place.node.presentOutputs().forEach(producers::remove);
      for (Value read : place.node.reads()) {
        Set<Place> reading = readers.get(read);
        if (reading != null) {
          reading.remove(place);
          if (reading.isEmpty()) {
            readers.remove(read);
            unread.add(producers.get(read));
          }
        }
      }
    }
  }

  /** The nodes left, in the order of the places where they came from. */
  Graph finish() {
    GraphEditor finished = new GraphEditor(graph.name());
    graph.inputs().forEach(finished::addInput);
    graph.parameters().forEach(finished::setParameter);
    for (Place place : new TreeSet<>(producers.values())) {
      finished.addNode(place.node);
    }
    outputs.forEach(finished::output);
    graph.opsets().forEach(finished::opset);
    graph.metadata().forEach(finished::metadata);
    graph.functions().forEach(finished::function);
    finished.model(graph.model());
    finished.annotations(graph.annotations());
    return finished.freezeLive();
  }

  /** What two nodes share that are equal; empty for nodes that are never joined. */
  private static Optional<Key> key(Node node) {
    Optional<Operator> operator = Catalogue.standard().find(node.op());
    if (operator.isEmpty() || !operator.get().isPure() || !node.attributes().graphs().isEmpty()) {
      return Optional.empty();
    }
    ImmutableMap.Builder<String, Object> attributes = ImmutableMap.builder();
    for (Map.Entry<String, Attribute> attribute : node.attributes().values().entrySet()) {
      attributes.put(attribute.getKey(), comparable(attribute.getValue()));
    }
    return Optional.of(
        new Key(node.op(), attributes.buildOrThrow(), node.inputs(), node.outputs().size()));
  }

  private static Object comparable(Attribute attribute) {
    if (attribute instanceof Attribute.TensorValue value) {
      Tensor tensor = value.value();
      if (tensor.data().byteSize() <= LARGEST_COMPARED) {
        return new Contents(tensor.type(), ByteBuffer.wrap(tensor.data().toByteArray()));
      }
    }
    return attribute;
  }
}
