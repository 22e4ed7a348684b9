package dev.manticore.ir;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import java.util.List;
import java.util.Optional;

/**
 * One operation of a graph.
 *
 * @param inputs in the operator's order; an optional input that is left out is an empty {@link
 *     Optional}, trailing ones are not listed
 * @param outputs in the operator's order; an output that nobody wants is an empty {@link Optional}
 */
public record Node(
    OpId op,
    String name,
    Attributes attributes,
    ImmutableList<Optional<Value>> inputs,
    ImmutableList<Optional<Value>> outputs,
    Origin origin,
    Annotations annotations) {

  public Node {
    requireNonNull(op, "op");
    requireNonNull(name, "name");
    requireNonNull(attributes, "attributes");
    requireNonNull(inputs, "inputs");
    requireNonNull(outputs, "outputs");
    requireNonNull(origin, "origin");
    requireNonNull(annotations, "annotations");
  }

  /** A node without annotations. */
  public Node(
      OpId op,
      String name,
      Attributes attributes,
      ImmutableList<Optional<Value>> inputs,
      ImmutableList<Optional<Value>> outputs,
      Origin origin) {
    this(op, name, attributes, inputs, outputs, origin, Annotations.NONE);
  }

  public static Node of(
      OpId op, String name, Attributes attributes, List<Value> inputs, List<Value> outputs) {
    return new Node(
        op,
        name,
        attributes,
        inputs.stream().map(Optional::of).collect(ImmutableList.toImmutableList()),
        outputs.stream().map(Optional::of).collect(ImmutableList.toImmutableList()),
        Origin.NONE);
  }

  public boolean hasInput(int index) {
    return index < inputs.size() && inputs.get(index).isPresent();
  }

  /**
   * @throws IrException if the node has no such input
   */
  public Value input(int index) {
    if (!hasInput(index)) {
      throw new IrException(this + " has no input " + index);
    }
    return inputs.get(index).orElseThrow();
  }

  public boolean hasOutput(int index) {
    return index < outputs.size() && outputs.get(index).isPresent();
  }

  /**
   * @throws IrException if the node has no such output
   */
  public Value output(int index) {
    if (!hasOutput(index)) {
      throw new IrException(this + " has no output " + index);
    }
    return outputs.get(index).orElseThrow();
  }

  /** The first output, which every operator has. */
  public Value output() {
    return output(0);
  }

  /** The inputs that are there, in order. */
  public ImmutableList<Value> presentInputs() {
    return present(inputs);
  }

  /** The outputs that are there, in order. */
  public ImmutableList<Value> presentOutputs() {
    return present(outputs);
  }

  private static ImmutableList<Value> present(ImmutableList<Optional<Value>> values) {
    ImmutableList.Builder<Value> present = ImmutableList.builderWithExpectedSize(values.size());
    for (Optional<Value> value : values) {
      if (value.isPresent()) {
        present.add(value.get());
      }
    }
    return present.build();
  }

  /** Whether all values that it takes and makes are tensors. */
  public boolean hasOnlyTensors() {
    return areTensors(inputs) && areTensors(outputs);
  }

  private static boolean areTensors(ImmutableList<Optional<Value>> values) {
    for (Optional<Value> value : values) {
      if (value.isPresent() && !value.get().isTensor()) {
        return false;
      }
    }
    return true;
  }

  /** All values read: the inputs, and what subgraphs capture from around them. */
  public ImmutableList<Value> reads() {
    ImmutableList<Graph> subgraphs = attributes.graphs();
    if (subgraphs.isEmpty()) {
      return presentInputs();
    }
    ImmutableList.Builder<Value> reads = ImmutableList.builder();
    reads.addAll(presentInputs());
    for (Graph subgraph : subgraphs) {
      reads.addAll(subgraph.captures());
    }
    return reads.build();
  }

  /** Nodes are the same only if they are the same object, like the values they make. */
  @Override
  public boolean equals(Object other) {
    return this == other;
  }

  @Override
  public int hashCode() {
    return System.identityHashCode(this);
  }

  /** {@code node 'blocks.0/attn' (MatMul)}. */
  @Override
  public String toString() {
    return "node '" + name + "' (" + op + ")";
  }
}
