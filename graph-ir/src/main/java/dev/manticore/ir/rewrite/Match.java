package dev.manticore.ir.rewrite;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Extent;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** What a pattern captured, and what the graph knows of it. */
public final class Match {

  /** What is known of the values of a graph that is being rewritten. */
  interface Knowledge {
    Optional<Node> producer(Value value);

    Optional<Tensor> constantOf(Value value);

    Optional<ImmutableList<Extent>> extentsOf(Value value);

    boolean isParameter(Value value);

    ImmutableList<Value> inputs();

    /** Notes of rules that live as long as the rewriting of one graph. */
    IndexFunctions indexFunctions();
  }

  private record Binding(String name, Value value, Optional<Node> node) {}

  private final Knowledge knowledge;
  private final List<Binding> bindings = new ArrayList<>();
  private Node root;

  Match(Knowledge knowledge) {
    this.knowledge = knowledge;
  }

  void root(Node node) {
    this.root = node;
  }

  int mark() {
    return bindings.size();
  }

  void reset(int mark) {
    while (bindings.size() > mark) {
      bindings.remove(bindings.size() - 1);
    }
  }

  /** Binds a name; false if it stands for another value already. */
  boolean bind(String name, Value value, Optional<Node> node) {
    if (!name.isEmpty()) {
      Optional<Binding> bound = find(name);
      if (bound.isPresent() && bound.get().value() != value) {
        return false;
      }
    }
    bindings.add(new Binding(name, value, node));
    return true;
  }

  private Optional<Binding> find(String name) {
    for (Binding binding : bindings) {
      if (binding.name().equals(name)) {
        return Optional.of(binding);
      }
    }
    return Optional.empty();
  }

  /** All values captured so far, in order. */
  ImmutableList<Value> values() {
    ImmutableSet.Builder<Value> values = ImmutableSet.builder();
    for (Binding binding : bindings) {
      values.add(binding.value());
    }
    return values.build().asList();
  }

  /** The node that the rule's pattern was tried at. */
  public Node root() {
    return root;
  }

  /**
   * The value captured under a name.
   *
   * @throws IrException if the pattern has no such name
   */
  public Value value(String name) {
    return find(name)
        .orElseThrow(() -> new IrException("no value is captured as '" + name + "'"))
        .value();
  }

  public boolean has(String name) {
    return find(name).isPresent();
  }

  /**
   * The node captured under a name.
   *
   * @throws IrException if the pattern has no operator of that name
   */
  public Node node(String name) {
    return find(name)
        .flatMap(Binding::node)
        .orElseThrow(() -> new IrException("no node is captured as '" + name + "'"));
  }

  /**
   * The number of a constant of one element captured under a name.
   *
   * @throws IrException if there is none
   */
  public double number(String name) {
    return number(value(name))
        .orElseThrow(() -> new IrException("'" + name + "' is no constant of one element"));
  }

  /** The number that a value is known to be, if it has one element. */
  public Optional<Double> number(Value value) {
    return knowledge
        .constantOf(value)
        .filter(constant -> constant.shape().elementCount() == 1)
        .map(constant -> constant.toDoubles()[0]);
  }

  public Optional<Tensor> constantOf(Value value) {
    return knowledge.constantOf(value);
  }

  /** The integers that a value is known to hold. */
  public Optional<long[]> integers(Value value) {
    return knowledge
        .constantOf(value)
        .filter(constant -> constant.elementType().isInteger())
        .map(Tensor::toLongs);
  }

  public Optional<ImmutableList<Extent>> extentsOf(Value value) {
    return knowledge.extentsOf(value);
  }

  public Optional<Node> producer(Value value) {
    return knowledge.producer(value);
  }

  /** The node that makes a value, if it is a standard operator of that name. */
  public Optional<Node> producer(Value value, String op) {
    return knowledge.producer(value).filter(node -> node.op().isOnnx(op));
  }

  /** Whether a value is a parameter of the graph, or a constant. */
  public boolean isFixed(Value value) {
    return knowledge.isParameter(value)
        || producer(value, "Constant").isPresent()
        || knowledge.constantOf(value).isPresent();
  }

  /** The inputs of the graph. */
  public ImmutableList<Value> graphInputs() {
    return knowledge.inputs();
  }

  Knowledge knowledge() {
    return knowledge;
  }

  IndexFunctions indexFunctions() {
    return knowledge.indexFunctions();
  }
}
