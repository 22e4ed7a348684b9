package dev.manticore.compiler.lower;

import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.lift.Lift;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.Pass;

/**
 * States an older version of the standard operators where a graph means the same by it. ONNX
 * Runtime's provider for CUDA has kernels for most operators of version 18 but not for some that
 * later versions define anew, {@code Pad}, {@code Equal} and {@code Identity} among them: each of
 * those would be computed by the CPU, with copies there and back. What the later versions add to
 * them is types that are not used here.
 *
 * <p>{@code Gelu} and {@code RMSNormalization}, which that version lacks, become what ONNX Runtime
 * calls them. A graph with another operator that the older version lacks, or means otherwise, stays
 * as it is.
 */
public final class LowerOpset implements Pass {

  /** The version that is stated. */
  static final int OPSET = 18;

  /** Operators of later versions. */
  private static final ImmutableSet<String> LATER =
      ImmutableSet.of(
          "AffineGrid",
          "Attention",
          "DeformConv",
          "ImageDecoder",
          "RegexFullMatch",
          "RotaryEmbedding",
          "StringConcat",
          "StringSplit");

  @Override
  public String name() {
    return "lower-opset";
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.of();
  }

  @Override
  public Graph run(Graph graph) {
    if (!graph.functions().isEmpty() || !means(graph)) {
      return graph;
    }
    GraphEditor editor = new GraphEditor(graph.name());
    editor.reserveNames(graph);
    fill(editor, graph);
    return editor.freeze();
  }

  private static boolean means(Graph graph) {
    return graph.nodes().stream()
        .allMatch(
            node ->
                (!node.op().domain().equals(OpId.ONNX) || means(node))
                    && node.attributes().graphs().stream().allMatch(LowerOpset::means));
  }

  private static boolean means(Node node) {
    return node.op().version() <= OpId.OPSET
        && !LATER.contains(node.op().name())
        && Lift.changes(node.op()).tailSet(OPSET, false).isEmpty();
  }

  private static void fill(GraphEditor editor, Graph graph) {
    graph.inputs().forEach(editor::addInput);
    graph.parameters().forEach(editor::setParameter);
    for (Node node : graph.nodes()) {
      boolean isGelu = node.op().isOnnx("Gelu");
      editor.addNode(
          new Node(
              older(node),
              node.name(),
              isGelu ? Attributes.NONE : lowered(editor, node.attributes()),
              node.inputs(),
              node.outputs(),
              node.origin(),
              node.annotations()));
    }
    graph.outputs().forEach(editor::output);
    graph
        .opsets()
        .forEach(
            (domain, version) -> editor.opset(domain, domain.equals(OpId.ONNX) ? OPSET : version));
    graph.metadata().forEach(editor::metadata);
    editor.model(graph.model());
    editor.annotations(graph.annotations());
  }

  private static OpId older(Node node) {
    if (!node.op().domain().equals(OpId.ONNX)) {
      return node.op();
    }
    return switch (node.op().name()) {
      case "Gelu" ->
          OpId.microsoft(
              node.attributes().stringValue("approximate", "none").equals("tanh")
                  ? "FastGelu"
                  : "Gelu");
      // Of the standard domain, but ONNX Runtime's own.
      case "RMSNormalization" -> new OpId(OpId.ONNX, "SimplifiedLayerNormalization", OPSET);
      default -> new OpId(OpId.ONNX, node.op().name(), OPSET);
    };
  }

  private static Attributes lowered(GraphEditor around, Attributes attributes) {
    return attributes.mapGraphs(
        subgraph -> {
          GraphEditor inner = around.subgraph(subgraph.name());
          fill(inner, subgraph);
          return inner.freeze();
        });
  }
}
