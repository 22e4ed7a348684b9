package dev.manticore.ir.pass;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.ValueType;
import dev.manticore.ir.op.Catalogue;
import dev.manticore.ir.op.Operator;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Lets equal nodes be one: the same pure operator of the catalogue with equal attributes, inputs
 * and output types. The first stays. Nodes with subgraphs, nodes inside subgraphs, and nodes that
 * give an output of the graph its name are left alone.
 */
public final class CommonSubexpressions implements Pass {

  /** Bytes of the largest tensor in an attribute that is compared by its contents. */
  private static final long LARGEST_COMPARED = 1 << 20;

  private record Key(
      OpId op,
      Map<String, Object> attributes,
      ImmutableList<Optional<Value>> inputs,
      ImmutableList<Optional<ValueType>> outputs) {}

  private record Contents(TensorType type, ByteBuffer bytes) {}

  @Override
  public String name() {
    return "common-subexpressions";
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.copyOf(GraphProperty.values());
  }

  @Override
  public Graph run(Graph graph) {
    GraphEditor editor = graph.edit();
    Set<Value> named = new HashSet<>(graph.outputs());
    Map<Key, Node> first = new HashMap<>();
    Map<Value, Value> replacements = new LinkedHashMap<>();
    for (Node node : graph.nodes()) {
      boolean pure = Catalogue.standard().find(node.op()).map(Operator::isPure).orElse(false);
      if (!pure || !node.attributes().graphs().isEmpty()) {
        continue;
      }
      Node same = first.putIfAbsent(key(node, replacements), node);
      if (same != null && node.presentOutputs().stream().noneMatch(named::contains)) {
        for (int i = 0; i < node.outputs().size(); i++) {
          if (node.hasOutput(i)) {
            replacements.put(node.output(i), same.output(i));
          }
        }
        editor.removeNode(node);
      }
    }
    if (replacements.isEmpty()) {
      return graph;
    }
    editor.replaceUses(replacements);
    return editor.freeze();
  }

  private static Key key(Node node, Map<Value, Value> replacements) {
    Map<String, Object> attributes = new LinkedHashMap<>();
    node.attributes().values().forEach((name, value) -> attributes.put(name, comparable(value)));
    return new Key(
        node.op(),
        attributes,
        node.inputs().stream()
            .map(input -> input.map(value -> replacements.getOrDefault(value, value)))
            .collect(ImmutableList.toImmutableList()),
        node.outputs().stream()
            .map(output -> output.map(Value::valueType))
            .collect(ImmutableList.toImmutableList()));
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
