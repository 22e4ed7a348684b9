package dev.manticore.ir;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedMap;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * An immutable graph: inputs, parameters (named tensors), nodes in a valid order, outputs. A
 * subgraph may also read values of the graphs around it. Only a {@link GraphEditor} makes one, and
 * only well-formed.
 */
public final class Graph {

  private final String name;
  private final ImmutableList<Value> inputs;
  private final ImmutableMap<Value, Tensor> parameters;
  private final ImmutableList<Node> nodes;
  private final ImmutableList<Value> outputs;
  private final ImmutableSortedMap<String, Integer> opsets;
  private final ImmutableSortedMap<String, String> metadata;
  private final ImmutableList<Function> functions;
  private final ModelInfo model;
  private final Annotations annotations;
  private final Map<Value, Node> producers = new HashMap<>();
  private final Map<String, Value> parametersByName = new HashMap<>();

  Graph(
      String name,
      ImmutableList<Value> inputs,
      Map<Value, Tensor> parameters,
      ImmutableList<Node> nodes,
      ImmutableList<Value> outputs,
      Map<String, Integer> opsets,
      Map<String, String> metadata,
      ImmutableList<Function> functions,
      ModelInfo model,
      Annotations annotations) {
    this.name = requireNonNull(name, "name");
    this.inputs = inputs;
    this.parameters = ImmutableMap.copyOf(parameters);
    this.nodes = nodes;
    this.outputs = outputs;
    this.opsets = ImmutableSortedMap.copyOf(opsets);
    this.metadata = ImmutableSortedMap.copyOf(metadata);
    this.functions = functions;
    this.model = requireNonNull(model, "model");
    this.annotations = requireNonNull(annotations, "annotations");
    for (Node node : nodes) {
      for (Value output : node.presentOutputs()) {
        producers.put(output, node);
      }
    }
    this.parameters.keySet().forEach(value -> parametersByName.put(value.name(), value));
  }

  /**
   * A model-local function, as ONNX files carry them: an operator defined by a graph. Attributes of
   * the call are read in the body through {@link Attribute.Reference}.
   *
   * @param attributes names of attributes that a call may have, without those that have a default
   * @param defaults attributes that a call need not have
   */
  public record Function(
      OpId op, ImmutableList<String> attributes, Attributes defaults, Graph body) {

    public Function(OpId op, ImmutableList<String> attributes, Graph body) {
      this(op, attributes, Attributes.NONE, body);
    }
  }

  /**
   * What the file of a graph says about the model as a whole, besides {@link #metadata}.
   *
   * @param domain ONNX's {@code domain}, a reversed host name by convention; may be empty
   * @param version ONNX's {@code model_version}
   * @param doc ONNX's {@code doc_string} of the model; may be empty
   */
  public record ModelInfo(String domain, long version, String doc) {

    public static final ModelInfo NONE = new ModelInfo("", 0, "");

    public ModelInfo {
      requireNonNull(domain, "domain");
      requireNonNull(doc, "doc");
    }
  }

  public String name() {
    return name;
  }

  public ImmutableList<Value> inputs() {
    return inputs;
  }

  /** The parameters with their values, in order. */
  public ImmutableMap<Value, Tensor> parameters() {
    return parameters;
  }

  /** The number of elements of all parameters. */
  public long parameterCount() {
    return parameters.keySet().stream()
        .mapToLong(parameter -> parameter.shape().elementCount())
        .sum();
  }

  public ImmutableList<Node> nodes() {
    return nodes;
  }

  public ImmutableList<Value> outputs() {
    return outputs;
  }

  /** The version of each operator domain that the graph was written for. */
  public ImmutableSortedMap<String, Integer> opsets() {
    return opsets;
  }

  /** Strings that travel with the graph, ONNX's {@code metadata_props}. */
  public ImmutableSortedMap<String, String> metadata() {
    return metadata;
  }

  public ImmutableList<Function> functions() {
    return functions;
  }

  public ModelInfo model() {
    return model;
  }

  /** What the file says about the graph itself; of a function's body, about the function. */
  public Annotations annotations() {
    return annotations;
  }

  /** The node that produces a value; empty for inputs, parameters and captured values. */
  public Optional<Node> producer(Value value) {
    return Optional.ofNullable(producers.get(value));
  }

  /**
   * @throws IrException if there is none of this name
   */
  public Value input(String inputName) {
    return inputs.stream()
        .filter(input -> input.name().equals(inputName))
        .findFirst()
        .orElseThrow(
            () -> new IrException("graph '" + name + "' has no input '" + inputName + "'"));
  }

  /**
   * @throws IrException if there is none of this name
   */
  public Value output(String outputName) {
    return outputs.stream()
        .filter(output -> output.name().equals(outputName))
        .findFirst()
        .orElseThrow(
            () -> new IrException("graph '" + name + "' has no output '" + outputName + "'"));
  }

  public Optional<Value> parameter(String parameterName) {
    return Optional.ofNullable(parametersByName.get(parameterName));
  }

  /**
   * What the nodes read from around this graph, in order of first use; empty for a graph that
   * stands alone.
   */
  public ImmutableSet<Value> captures() {
    Set<Value> defined = new LinkedHashSet<>(inputs);
    defined.addAll(parameters.keySet());
    ImmutableSet.Builder<Value> captured = ImmutableSet.builder();
    for (Node node : nodes) {
      node.reads().stream().filter(value -> !defined.contains(value)).forEach(captured::add);
      defined.addAll(node.presentOutputs());
    }
    outputs.stream().filter(value -> !defined.contains(value)).forEach(captured::add);
    return captured.build();
  }

  /** An editor that starts with all that this graph holds. */
  public GraphEditor edit() {
    return new GraphEditor(this);
  }

  @Override
  public String toString() {
    return "graph '"
        + name
        + "' ("
        + nodes.size()
        + " nodes, "
        + parameters.size()
        + " parameters)";
  }
}
