package dev.manticore.ir.pass;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.NumberFormats;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.op.Call;
import dev.manticore.ir.op.Catalogue;
import dev.manticore.ir.op.Evaluation;
import dev.manticore.ir.op.NdArray;
import dev.manticore.ir.op.Operator;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Evaluates nodes that depend on no input and no parameter, by the catalogue's reference
 * evaluation, and keeps what is still read of them as {@code Constant} nodes under the same names;
 * {@code Shape} of a value whose extents are known is one of them. Every node's result is rounded
 * to its element type. Nodes with subgraphs, and the subgraphs themselves, stay; so do tensors of
 * more than {@link #LARGEST} elements, and integers that double precision does not hold.
 */
public final class FoldConstants implements Pass {

  /** Elements of the largest operand or result that is evaluated. */
  public static final long LARGEST = 4L << 20;

  @Override
  public String name() {
    return "fold-constants";
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.copyOf(GraphProperty.values());
  }

  @Override
  public Graph run(Graph graph) {
    GraphEditor editor = graph.edit();
    Map<Value, Tensor> known = new HashMap<>();
    Set<Node> folded = new HashSet<>();
    for (Node node : graph.nodes()) {
      Optional<List<Tensor>> results = results(node, known, editor);
      if (results.isPresent()) {
        for (int i = 0; i < node.outputs().size(); i++) {
          if (node.hasOutput(i)) {
            known.put(node.output(i), results.get().get(i));
          }
        }
        if (!node.op().isOnnx("Constant")) {
          folded.add(node);
        }
      }
    }
    if (folded.isEmpty()) {
      return graph;
    }
    replace(graph, editor, known, folded);
    return editor.freeze();
  }

  /** Leaves only those constants that are still read. */
  private void replace(
      Graph graph, GraphEditor editor, Map<Value, Tensor> known, Set<Node> folded) {
    Set<Value> readByFolded = new HashSet<>();
    Set<Value> wanted = new HashSet<>(graph.outputs());
    graph
        .nodes()
        .forEach(node -> (folded.contains(node) ? readByFolded : wanted).addAll(node.reads()));
    Map<Value, Value> retyped = new LinkedHashMap<>();
    for (Node node : graph.nodes()) {
      if (folded.contains(node)) {
        editor.removeNode(node);
        for (Value output : node.presentOutputs()) {
          if (wanted.contains(output)) {
            Value value = addConstant(editor, node, output, known.get(output));
            if (value != output) {
              retyped.put(output, value);
            }
          }
        }
      } else if (node.op().isOnnx("Constant")
          && readByFolded.contains(node.output())
          && !wanted.contains(node.output())) {
        editor.removeNode(node);
      }
    }
    editor.replaceUses(retyped);
  }

  private Value addConstant(GraphEditor editor, Node node, Value output, Tensor tensor) {
    Value value =
        output.type().equals(tensor.type()) ? output : new Value(output.name(), tensor.type());
    editor.addNode(
        new Node(
            OpId.onnx("Constant"),
            node.outputs().size() == 1 ? node.name() : output.name(),
            Attributes.of("value", Attribute.of(tensor)),
            ImmutableList.of(),
            ImmutableList.of(Optional.of(value)),
            node.origin().by(name())));
    return value;
  }

  /** What a node computes, if that can be known; one tensor an output. */
  private static Optional<List<Tensor>> results(
      Node node, Map<Value, Tensor> known, GraphEditor editor) {
    if (node.op().isOnnx("Constant") && node.attributes().has("value")) {
      return Optional.of(List.of(node.attributes().tensor("value")));
    }
    if (node.op().isOnnx("Shape")) {
      return editor.constantOf(node.output()).map(List::of);
    }
    Optional<Operator> operator = Catalogue.standard().find(node.op());
    if (operator.isEmpty() || !operator.get().isPure() || !isPlain(node.attributes())) {
      return Optional.empty();
    }
    for (Optional<Value> input : node.inputs()) {
      if (input.isPresent()
          && !Optional.ofNullable(known.get(input.get()))
              .map(FoldConstants::isFoldable)
              .orElse(false)) {
        return Optional.empty();
      }
    }
    try {
      return types(operator.get(), node, known).stream().allMatch(FoldConstants::isFoldable)
          ? evaluate(operator.get(), node, known)
          : Optional.empty();
    } catch (ManticoreException | IndexOutOfBoundsException e) {
      // Data that cannot be read, or what the reference refuses: left to whoever runs the graph.
      return Optional.empty();
    }
  }

  /** The types of the outputs, inferred from the operands as they are and not as declared. */
  private static List<TensorType> types(Operator operator, Node node, Map<Value, Tensor> known) {
    Map<Value, Tensor> operands = new HashMap<>();
    ImmutableList.Builder<Optional<Value>> inputs = ImmutableList.builder();
    for (Optional<Value> input : node.inputs()) {
      Optional<Value> operand =
          input.map(value -> new Value(value.name(), known.get(value).type()));
      operand.ifPresent(value -> operands.put(value, known.get(input.get())));
      inputs.add(operand);
    }
    int count = node.outputs().size();
    Call call =
        new Call(
            node.op(),
            node.attributes(),
            inputs.build(),
            count,
            value -> Optional.ofNullable(operands.get(value)));
    return operator.infer(call).subList(0, count);
  }

  private static Optional<List<Tensor>> evaluate(
      Operator operator, Node node, Map<Value, Tensor> known) {
    List<Optional<NdArray>> operands = new ArrayList<>();
    for (Optional<Value> input : node.inputs()) {
      Optional<Tensor> tensor = input.map(known::get);
      if (!tensor.map(NumberFormats::isExactInDouble).orElse(true)) {
        return Optional.empty();
      }
      operands.add(tensor.map(NdArray::of));
    }
    List<NdArray> results =
        operator.evaluate(
            new Evaluation(node.op(), node.attributes(), operands, node.outputs().size()));
    List<Tensor> tensors = new ArrayList<>();
    for (NdArray result : results.subList(0, node.outputs().size())) {
      Tensor tensor = result.toTensor();
      if (!NumberFormats.isExactInDouble(tensor)) {
        return Optional.empty();
      }
      tensors.add(tensor);
    }
    return Optional.of(tensors);
  }

  private static boolean isPlain(Attributes attributes) {
    return attributes.graphs().isEmpty()
        && attributes.values().values().stream().noneMatch(Attribute.Reference.class::isInstance);
  }

  private static boolean isFoldable(Tensor tensor) {
    return isFoldable(tensor.type());
  }

  private static boolean isFoldable(TensorType type) {
    ElementType elementType = type.elementType();
    return (elementType.isFloating() || elementType.isInteger() || elementType == ElementType.BOOL)
        && type.shape().isStatic()
        && type.shape().elementCount() <= LARGEST;
  }
}
