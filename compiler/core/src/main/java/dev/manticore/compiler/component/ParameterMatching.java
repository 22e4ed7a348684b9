package dev.manticore.compiler.component;

import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorContents;
import dev.manticore.ir.Value;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Finds out by content which parameters of an exported graph are which of a checkpoint: exporters
 * rename them, transpose them and store a tied table twice.
 */
public final class ParameterMatching {

  private ParameterMatching() {}

  /** Parameters of the checkpoint that hold the same numbers, and those of the export that do. */
  private record Content(List<Value> known, List<Value> stored) {}

  /**
   * The graph with the other graph's parameters in place of its own wherever these hold the same
   * numbers as one of those or as its transpose: under that name, in that layout, and once even
   * where the export stores it several times. Parameters that match none stay as they are.
   *
   * <p>Where several parameters of the checkpoint hold the same numbers, biases of zeros for one,
   * they are taken in the order in which either graph reads them.
   *
   * @return the same object if nothing matches
   * @throws ManticoreException {@code MNT-MATCH} if the checkpoint has the same numbers several
   *     times, but the export another number of times
   */
  public static Graph adopt(Graph graph, Graph like) {
    Map<Long, List<Content>> contents = new HashMap<>();
    for (Value parameter : inOrderOfUse(like)) {
      find(contents, like, like.parameters().get(parameter)).known().add(parameter);
    }
    for (Value parameter : inOrderOfUse(graph)) {
      find(contents, like, graph.parameters().get(parameter)).stored().add(parameter);
    }
    Map<Value, Value> matches = new LinkedHashMap<>();
    for (List<Content> alike : contents.values()) {
      for (Content content : alike) {
        match(content, matches);
      }
    }
    return matches.isEmpty() ? graph : replace(graph, like, matches);
  }

  /** The entry of a tensor's content; one that nothing is kept in if the checkpoint lacks it. */
  private static Content find(Map<Long, List<Content>> contents, Graph like, Tensor tensor) {
    List<Content> alike =
        contents.computeIfAbsent(TensorContents.fingerprint(tensor), f -> new ArrayList<>());
    for (Content content : alike) {
      Tensor known =
          content.known().isEmpty() ? null : like.parameters().get(content.known().get(0));
      if (known != null
          && (TensorContents.equal(tensor, known) || TensorContents.transposed(tensor, known))) {
        return content;
      }
    }
    Content content = new Content(new ArrayList<>(), new ArrayList<>());
    alike.add(content);
    return content;
  }

  private static void match(Content content, Map<Value, Value> matches) {
    List<Value> known = content.known();
    List<Value> stored = content.stored();
    if (known.size() > 1 && !stored.isEmpty() && stored.size() != known.size()) {
      throw new ManticoreException(
          "MNT-MATCH",
          "the parameters "
              + names(known)
              + " of the checkpoint hold the same numbers, and the exported graph has them as "
              + names(stored)
              + ": which is which cannot be told");
    }
    for (int i = 0; i < stored.size() && !known.isEmpty(); i++) {
      matches.put(stored.get(i), known.get(known.size() == 1 ? 0 : i));
    }
  }

  /**
   * The graph with one parameter in place of two that hold the same numbers, the first as it is or
   * transposed where the second was read.
   *
   * @return the same object if they do not
   */
  static Graph join(Graph graph, Value first, Value second) {
    Tensor kept = graph.parameters().get(first);
    Tensor other = graph.parameters().get(second);
    if (!TensorContents.equal(kept, other) && !TensorContents.transposed(kept, other)) {
      return graph;
    }
    GraphEditor editor = graph.edit();
    remove(editor, second);
    editor.replaceUses(second, oriented(editor, graph, second, first, kept));
    return editor.freeze();
  }

  private static Graph replace(Graph graph, Graph like, Map<Value, Value> matches) {
    GraphEditor editor = graph.edit();
    Set<String> gone = new HashSet<>();
    for (Value old : matches.keySet()) {
      remove(editor, old);
      gone.add(old.name());
    }
    Map<Value, Value> adopted = new HashMap<>();
    for (Value known : like.parameters().keySet()) {
      if (matches.containsValue(known)) {
        // The names of parameters that have gone are free again.
        Value parameter =
            gone.contains(known.name())
                ? new Value(known.name(), known.type())
                : new Value(editor.freshName(known.name()), known.type());
        editor.setParameter(parameter, like.parameters().get(known));
        adopted.put(known, parameter);
      }
    }
    Map<Value, Value> replacements = new HashMap<>();
    matches.forEach(
        (old, known) ->
            replacements.put(
                old,
                oriented(editor, graph, old, adopted.get(known), like.parameters().get(known))));
    editor.replaceUses(replacements);
    return editor.freezeLive();
  }

  private static void remove(GraphEditor editor, Value parameter) {
    editor.parameterToInput(parameter);
    editor.removeInput(parameter);
  }

  /** What is read in place of a parameter that holds the numbers of another, or its transpose. */
  private static Value oriented(
      GraphEditor editor, Graph graph, Value old, Value parameter, Tensor tensor) {
    // Of a square matrix the shape tells nothing.
    if (TensorContents.equal(graph.parameters().get(old), tensor)) {
      return parameter;
    }
    Value transposed = new Value(editor.freshName(parameter.name() + ".transposed"), old.type());
    editor.addNode(
        Node.of(
            new OpId(OpId.ONNX, "Transpose", graph.opsets().getOrDefault(OpId.ONNX, OpId.OPSET)),
            transposed.name(),
            Attributes.of("perm", Attribute.ofInts(1, 0)),
            List.of(parameter),
            List.of(transposed)));
    return transposed;
  }

  private static List<Value> inOrderOfUse(Graph graph) {
    Set<Value> ordered = new LinkedHashSet<>();
    for (Node node : graph.nodes()) {
      node.reads().stream()
          .filter(value -> graph.parameters().containsKey(value))
          .filter(value -> value.elementType().isFloating() && value.shape().rank() > 0)
          .forEach(ordered::add);
    }
    return List.copyOf(ordered);
  }

  private static List<String> names(List<Value> values) {
    return values.stream().map(Value::name).toList();
  }
}
