package dev.manticore.ir;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.op.Call;
import dev.manticore.ir.op.Catalogue;
import dev.manticore.ir.op.Operator;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Makes graphs: the only thing that is mutable, for as long as a pass, a builder or an importer
 * runs. Types are inferred as nodes are added, so that every value has its type from the start;
 * small integer values that follow from shapes and constants are tracked along, so that shape
 * arithmetic is understood. {@link #freeze} sorts, checks and returns the graph; the editor is of
 * no use after it.
 */
public final class GraphEditor {

  /** Values of at most so many elements are tracked through shape arithmetic. */
  private static final int TRACKED_ELEMENTS = 4096;

  private final String name;
  private final Catalogue catalogue;
  private final List<Value> inputs = new ArrayList<>();
  private final Map<Value, Tensor> parameters = new LinkedHashMap<>();
  private final Set<Node> nodes = new LinkedHashSet<>();
  private final Map<Value, Node> producers = new HashMap<>();
  private final List<Value> outputs = new ArrayList<>();
  private final Map<String, Integer> opsets = new LinkedHashMap<>();
  private final Map<String, String> metadata = new LinkedHashMap<>();
  private final List<Graph.Function> functions = new ArrayList<>();
  private final Set<String> names;
  private final Map<String, Integer> suffixes = new HashMap<>();
  private final Map<Value, Tensor> constants;
  private final Map<Value, ImmutableList<Extent>> extents;
  private final Deque<String> scopes = new ArrayDeque<>();
  private final GraphEditor outer;
  private Consumer<Node> watcher = node -> {};
  private Origin origin = Origin.NONE;
  private Graph.ModelInfo model = Graph.ModelInfo.NONE;
  private Annotations annotations = Annotations.NONE;
  private boolean frozen;

  private GraphEditor(String name, Catalogue catalogue, GraphEditor outer) {
    this.name = name;
    this.catalogue = catalogue;
    this.outer = outer;
    this.names = outer == null ? new HashSet<>() : outer.names;
    this.constants = outer == null ? new HashMap<>() : outer.constants;
    this.extents = outer == null ? new HashMap<>() : outer.extents;
  }

  /** An editor with nothing in it. */
  public GraphEditor(String name) {
    this(name, Catalogue.standard(), null);
  }

  GraphEditor(Graph graph) {
    this(graph.name());
    inputs.addAll(graph.inputs());
    parameters.putAll(graph.parameters());
    outputs.addAll(graph.outputs());
    opsets.putAll(graph.opsets());
    metadata.putAll(graph.metadata());
    functions.addAll(graph.functions());
    model = graph.model();
    annotations = graph.annotations();
    inputs.forEach(input -> names.add(input.name()));
    parameters.keySet().forEach(parameter -> names.add(parameter.name()));
    for (Node node : graph.nodes()) {
      append(node);
      trackConstants(node);
    }
  }

  /** An editor for a subgraph, which may read this editor's values; names are unique over both. */
  public GraphEditor subgraph(String subgraphName) {
    return new GraphEditor(subgraphName, catalogue, this);
  }

  /** Keeps new values from being called what a graph, or a subgraph of it, calls its own. */
  public void reserveNames(Graph subgraph) {
    subgraph.inputs().forEach(input -> names.add(input.name()));
    subgraph.parameters().keySet().forEach(parameter -> names.add(parameter.name()));
    for (Node node : subgraph.nodes()) {
      node.presentOutputs().forEach(output -> names.add(output.name()));
      node.attributes().graphs().forEach(this::reserveNames);
    }
  }

  /** A name not yet used in this graph or one around it, the base itself where possible. */
  public String freshName(String base) {
    String wanted = base.isEmpty() ? "value" : base;
    if (names.add(wanted)) {
      return wanted;
    }
    int suffix = suffixes.getOrDefault(wanted, 0);
    String candidate;
    do {
      suffix++;
      candidate = wanted + "_" + suffix;
    } while (!names.add(candidate));
    suffixes.put(wanted, suffix);
    return candidate;
  }

  /** Prefixes the names of what is added next, up to {@link #leave}; scopes nest. */
  public GraphEditor enter(String scope) {
    scopes.addLast(scope);
    return this;
  }

  public GraphEditor leave() {
    scopes.removeLast();
    return this;
  }

  /** Calls back for every node that is added from now on. */
  public GraphEditor watch(Consumer<Node> added) {
    this.watcher = added;
    return this;
  }

  /** What nodes added from now on come from. */
  public GraphEditor withOrigin(Origin from) {
    this.origin = from;
    return this;
  }

  /**
   * Adds an input.
   *
   * @throws IrException if the name is taken
   */
  public Value input(String inputName, ValueType type) {
    Value value = new Value(claim(inputName), type);
    inputs.add(value);
    return value;
  }

  /** Adds an input under a name not yet used; for bodies, whose inputs go by position. */
  public Value freshInput(String base, ValueType type) {
    Value value = new Value(freshName(base), type);
    inputs.add(value);
    return value;
  }

  /** Adds a parameter; its name is kept as it is. */
  public Value parameter(String parameterName, Tensor initial) {
    Value value = new Value(claim(parameterName), initial.type());
    parameters.put(value, initial);
    return value;
  }

  /**
   * Adds an existing value as a parameter, or gives a parameter another tensor of the same type.
   */
  public void setParameter(Value value, Tensor tensor) {
    if (!value.type().equals(tensor.type())) {
      throw new IrException("parameter " + value + " cannot hold a " + tensor.type());
    }
    names.add(value.name());
    parameters.put(value, tensor);
  }

  /** Makes a parameter an input of the graph, under the same value. */
  public void parameterToInput(Value parameter) {
    if (parameters.remove(parameter) == null) {
      throw new IrException(parameter + " is not a parameter");
    }
    inputs.add(parameter);
  }

  public void removeInput(Value input) {
    inputs.remove(input);
  }

  /** Adds an existing value as an input. */
  public void addInput(Value input) {
    names.add(input.name());
    inputs.add(input);
  }

  public Value constant(Tensor value) {
    return constant("constant", value);
  }

  public Value constant(String base, Tensor value) {
    return add(
            OpId.onnx("Constant"), base, Attributes.of("value", Attribute.of(value)), List.of(), 1)
        .get(0);
  }

  /** Adds a node with one output and no attributes. */
  public Value add(OpId op, Value... operands) {
    return add(op, Attributes.NONE, operands);
  }

  /** Adds a node with one output. */
  public Value add(OpId op, Attributes attributes, Value... operands) {
    return add(op, op.name(), attributes, present(operands), 1).get(0);
  }

  /**
   * Adds a node and infers the types of its outputs.
   *
   * @param base what the node and its outputs are called, made unique
   * @throws IrException if the operator is in the catalogue and does not accept these operands
   */
  public ImmutableList<Value> add(
      OpId op,
      String base,
      Attributes attributes,
      List<Optional<Value>> operands,
      int outputCount) {
    List<TensorType> types = infer(op, base, attributes, operands, outputCount);
    String nodeName = scoped(base);
    ImmutableList.Builder<Value> results = ImmutableList.builder();
    boolean guessed = catalogue.find(op).isEmpty() || followsFromGuess(operands);
    ImmutableList.Builder<Optional<Value>> outputsOfNode = ImmutableList.builder();
    for (TensorType type : types.subList(0, outputCount)) {
      Value result =
          new Value(freshName(nodeName), type, guessed ? Annotations.GUESSED : Annotations.NONE);
      results.add(result);
      outputsOfNode.add(Optional.of(result));
    }
    ImmutableList<Value> values = results.build();
    Node node =
        new Node(
            op,
            values.get(0).name(),
            attributes,
            ImmutableList.copyOf(operands),
            outputsOfNode.build(),
            origin);
    addNode(node);
    return values;
  }

  /**
   * The types of the outputs that a node would have; unranked for an operator outside the
   * catalogue.
   */
  public ImmutableList<TensorType> infer(
      OpId op,
      String base,
      Attributes attributes,
      List<Optional<Value>> operands,
      int outputCount) {
    Optional<Operator> operator = catalogue.find(op);
    if (operator.isEmpty()) {
      // Nothing is known of it: it passes through with outputs of no known shape.
      ElementType elementType =
          operands.stream()
              .flatMap(Optional::stream)
              .filter(Value::isTensor)
              .findFirst()
              .map(Value::elementType)
              .orElse(ElementType.FLOAT32);
      ImmutableList.Builder<TensorType> unknown = ImmutableList.builder();
      for (int i = 0; i < outputCount; i++) {
        unknown.add(new TensorType(elementType, Shape.unranked()));
      }
      return unknown.build();
    }
    try {
      ImmutableList<TensorType> types =
          operator
              .get()
              .infer(
                  new Call(
                      op,
                      attributes,
                      ImmutableList.copyOf(operands),
                      outputCount,
                      this::constantOf,
                      this::extentsOf));
      if (types.size() < outputCount) {
        throw new IrException("it has " + types.size() + " outputs, not " + outputCount);
      }
      return types;
    } catch (IrException | IndexOutOfBoundsException | ArithmeticException e) {
      throw new IrException(
          "node '"
              + scoped(base)
              + "' ("
              + op
              + ") does not accept "
              + operands.stream()
                  .map(operand -> operand.map(Value::toString).orElse("nothing"))
                  .toList()
              + ": "
              + e.getMessage(),
          e);
    }
  }

  /** Adds a node as it is, with its own outputs. */
  public void addNode(Node node) {
    append(node);
    trackConstants(node);
    watcher.accept(node);
  }

  /**
   * Removes a node; one that {@link #replaceUses} has let read other values since is still the
   * same.
   *
   * @throws IrException if the graph has no such node
   */
  public void removeNode(Node node) {
    Node current = node.presentOutputs().stream().findFirst().map(producers::get).orElse(node);
    if (current == null || !nodes.remove(current)) {
      throw new IrException("graph '" + name + "' has no " + node + " to remove");
    }
    node.presentOutputs().forEach(producers::remove);
  }

  /** Puts a node in the place of another, whose outputs it makes too. */
  public void replaceNode(Node old, Node replacement) {
    List<Node> all = new ArrayList<>(nodes);
    all.replaceAll(node -> node == old ? replacement : node);
    nodes.clear();
    nodes.addAll(all);
    old.presentOutputs().forEach(producers::remove);
    replacement.presentOutputs().forEach(output -> producers.put(output, replacement));
  }

  /**
   * Lets every node, subgraph captures included, and every output read {@code replacement} instead
   * of {@code old}.
   */
  public void replaceUses(Value old, Value replacement) {
    replaceUses(Map.of(old, replacement));
  }

  /** Replaces many values at once, in one walk over the graph. */
  public void replaceUses(Map<Value, Value> replacements) {
    List<Node> rewired = new ArrayList<>(nodes.size());
    for (Node node : nodes) {
      boolean touched = node.reads().stream().anyMatch(replacements::containsKey);
      Node changed = touched ? Rewiring.rewire(node, replacements) : node;
      changed.presentOutputs().forEach(output -> producers.put(output, changed));
      rewired.add(changed);
    }
    nodes.clear();
    nodes.addAll(rewired);
    outputs.replaceAll(output -> replacements.getOrDefault(output, output));
  }

  public void output(Value value) {
    outputs.add(value);
  }

  public void clearOutputs() {
    outputs.clear();
  }

  public void opset(String domain, int version) {
    opsets.put(domain, version);
  }

  public void metadata(String key, String value) {
    metadata.put(key, value);
  }

  public void function(Graph.Function function) {
    functions.add(function);
  }

  /** Says what the model is, as its file does. */
  public void model(Graph.ModelInfo info) {
    model = info;
  }

  /** Says what the graph is, as its file does. */
  public void annotations(Annotations ofGraph) {
    annotations = ofGraph;
  }

  /** The nodes as they are now, in an order in which every value is made before it is read. */
  public ImmutableList<Node> orderedNodes() {
    return Ordering.sort(nodes, producers, Optional.empty());
  }

  /** The nodes as they are now, in the order of adding. */
  public ImmutableList<Node> nodes() {
    return ImmutableList.copyOf(nodes);
  }

  public ImmutableList<Value> outputs() {
    return ImmutableList.copyOf(outputs);
  }

  public ImmutableList<Value> inputs() {
    return ImmutableList.copyOf(inputs);
  }

  public Optional<Node> producer(Value value) {
    return Optional.ofNullable(producers.get(value));
  }

  /** What a value is known to be, from constants and shapes. */
  public Optional<Tensor> constantOf(Value value) {
    return Optional.ofNullable(constants.get(value));
  }

  /**
   * The elements of an integer or truth value, or of a vector of them, if they are known up to
   * symbolic dimensions.
   */
  public Optional<ImmutableList<Extent>> extentsOf(Value value) {
    ImmutableList<Extent> tracked = extents.get(value);
    if (tracked != null) {
      return Optional.of(tracked);
    }
    Tensor constant = constants.get(value);
    if (constant == null || !ExtentTracking.isTracked(constant.type())) {
      return Optional.empty();
    }
    ImmutableList.Builder<Extent> elements = ImmutableList.builder();
    for (long element : constant.toLongs()) {
      elements.add(Extent.of(element));
    }
    return Optional.of(elements.build());
  }

  /** Sorts the nodes, checks the graph and returns it. */
  public Graph freeze() {
    return freeze(false);
  }

  /**
   * Like {@link #freeze}, leaving out nodes that no output depends on; inputs and parameters are
   * kept.
   */
  public Graph freezeLive() {
    return freeze(true);
  }

  private Graph freeze(boolean liveOnly) {
    if (frozen) {
      throw new IrException("the editor of graph '" + name + "' was used after freeze");
    }
    frozen = true;
    ImmutableList<Node> sorted =
        Ordering.sort(nodes, producers, liveOnly ? Optional.of(outputs) : Optional.empty());
    Graph graph =
        new Graph(
            name,
            ImmutableList.copyOf(inputs),
            parameters,
            sorted,
            ImmutableList.copyOf(outputs),
            opsets(sorted),
            metadata,
            ImmutableList.copyOf(functions),
            model,
            annotations);
    if (outer == null) {
      Verifier.verify(graph);
    }
    return graph;
  }

  private Map<String, Integer> opsets(Collection<Node> sorted) {
    Map<String, Integer> all = new LinkedHashMap<>(opsets);
    for (Node node : sorted) {
      all.merge(node.op().domain(), node.op().version(), Math::max);
      for (Graph subgraph : node.attributes().graphs()) {
        subgraph.opsets().forEach((domain, version) -> all.merge(domain, version, Math::max));
      }
    }
    return all;
  }

  private void append(Node node) {
    nodes.add(node);
    for (Value output : node.presentOutputs()) {
      names.add(output.name());
      producers.put(output, node);
    }
    for (Graph subgraph : node.attributes().graphs()) {
      reserveNames(subgraph);
    }
  }

  private void trackConstants(Node node) {
    Optional<Operator> operator = catalogue.find(node.op());
    if (operator.isPresent()) {
      try {
        trackConstants(node, operator.get());
      } catch (RuntimeException e) {
        // Attributes that are not the operator's, or of another version of it, or those of a
        // function's call: then nothing is known of what the node makes.
        node.presentOutputs().forEach(constants::remove);
      }
    }
  }

  private void trackConstants(Node node, Operator operator) {
    Optional<Map<Value, Tensor>> known =
        ConstantTracking.track(node, operator, this::constantOf, TRACKED_ELEMENTS);
    if (known.isPresent()) {
      constants.putAll(known.get());
      return;
    }
    ExtentTracking.track(node, this::extentsOf)
        .ifPresent(elements -> keepExtents(node.output(), elements));
  }

  /** Keeps what is known of a value, as a constant where no symbol is involved. */
  private void keepExtents(Value value, ImmutableList<Extent> elements) {
    if (elements.stream().allMatch(element -> element.constant().isPresent())) {
      constants.put(
          value,
          Tensor.ofDoubles(
              value.elementType(),
              value.shape(),
              elements.stream().mapToDouble(element -> element.constant().getAsLong()).toArray()));
    } else {
      extents.put(value, elements);
    }
  }

  private String claim(String wanted) {
    if (!names.add(wanted)) {
      throw new IrException("graph '" + name + "' has two values called '" + wanted + "'");
    }
    return wanted;
  }

  private String scoped(String base) {
    return scopes.isEmpty() ? base : String.join("/", scopes) + "/" + base;
  }

  private static boolean followsFromGuess(List<Optional<Value>> operands) {
    for (Optional<Value> operand : operands) {
      if (operand.isPresent() && operand.get().isGuessed()) {
        return true;
      }
    }
    return false;
  }

  private static ImmutableList<Optional<Value>> present(Value... values) {
    ImmutableList.Builder<Optional<Value>> present =
        ImmutableList.builderWithExpectedSize(values.length);
    for (Value value : values) {
      present.add(Optional.of(value));
    }
    return present.build();
  }
}
