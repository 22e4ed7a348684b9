package dev.manticore.ir.lift;

import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedSet;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.IrException;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Origin;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.Pass;
import java.util.Map;
import java.util.Optional;

/**
 * Lifts a whole graph, its subgraphs and its functions to version {@link OpId#OPSET} of the
 * standard operators, as far back as ONNX has them. Values stay the same objects, with their names
 * and types; what is written anew says so in its origin. Other domains are left as they are.
 */
public final class Lift implements Pass {

  private static final String PASS = "lift";

  /**
   * What became of a graph.
   *
   * @param graph the lifted graph, or the one that was given
   * @param obstacle the node that prevents lifting and why; empty if the graph is lifted
   */
  public record Result(Graph graph, Optional<String> obstacle) {}

  @Override
  public String name() {
    return PASS;
  }

  @Override
  public ImmutableSet<GraphProperty> ensures() {
    return ImmutableSet.of(GraphProperty.LIFTED);
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.of(GraphProperty.STANDARD_OPERATORS, GraphProperty.FLAT);
  }

  /** Whether an operator is one of the standard ones of version {@link OpId#OPSET}. */
  public static boolean isStandard(OpId op) {
    return op.domain().equals(OpId.ONNX) && VersionAdapters.isStandard(op);
  }

  /** The versions up to {@link OpId#OPSET} in which nodes of an operator are written anew. */
  public static ImmutableSortedSet<Integer> changes(OpId op) {
    return VersionAdapters.of(op).keySet();
  }

  /** The graph lifted, or as it is with the reason why it cannot be. */
  public static Result attempt(Graph graph) {
    try {
      return new Result(new Lift().run(graph), Optional.empty());
    } catch (ManticoreException e) {
      return new Result(graph, Optional.of(e.getMessage()));
    }
  }

  /**
   * @throws ManticoreException {@code MNT-LIFT}, naming the node, if one has no form in version
   *     {@link OpId#OPSET}
   */
  @Override
  public Graph run(Graph graph) {
    if (isLifted(graph)) {
      return graph;
    }
    GraphEditor editor = new GraphEditor(graph.name());
    editor.reserveNames(graph);
    fill(editor, graph);
    return editor.freeze();
  }

  private static boolean isLifted(Graph graph) {
    return graph.opsets().getOrDefault(OpId.ONNX, OpId.OPSET) == OpId.OPSET
        && GraphProperty.LIFTED.holds(graph)
        && graph.functions().stream().allMatch(function -> isLifted(function.body()));
  }

  private void fill(GraphEditor editor, Graph graph) {
    Ops ops = new Ops(editor);
    graph.inputs().forEach(editor::addInput);
    graph.parameters().forEach(editor::setParameter);
    for (Node node : graph.nodes()) {
      editor.addNode(lift(editor, ops, graph, node));
    }
    graph.outputs().forEach(editor::output);
    graph
        .opsets()
        .forEach(
            (domain, version) ->
                editor.opset(domain, domain.equals(OpId.ONNX) ? OpId.OPSET : version));
    graph.metadata().forEach(editor::metadata);
    graph.functions().forEach(function -> editor.function(lift(function)));
    editor.model(graph.model());
    editor.annotations(graph.annotations());
  }

  private Graph.Function lift(Graph.Function function) {
    return new Graph.Function(
        function.op(), function.attributes(), function.defaults(), run(function.body()));
  }

  private Node lift(GraphEditor editor, Ops ops, Graph graph, Node node) {
    Node current = withSubgraphs(editor, node);
    if (!node.op().domain().equals(OpId.ONNX)) {
      return current;
    }
    Origin origin =
        (node.origin().nodes().isEmpty() ? Origin.of("", node.name()) : node.origin()).by(PASS);
    editor.withOrigin(origin).enter(node.name());
    try {
      if (node.op().version() > OpId.OPSET) {
        throw new IrException("it is of opset " + node.op().version());
      }
      Node adapted = current;
      for (Map.Entry<Integer, VersionAdapter> change :
          VersionAdapters.of(node.op()).tailMap(node.op().version(), false).entrySet()) {
        if (adapted.op().version() < change.getKey()) {
          adapted = change.getValue().adapt(ops, adapted);
        }
      }
      OpId lifted = OpId.onnx(adapted.op().name());
      if (!VersionAdapters.isStandard(lifted)) {
        throw new IrException("opset " + OpId.OPSET + " has no operator of that name");
      }
      return new Node(
          lifted,
          node.name(),
          adapted.attributes(),
          adapted.inputs(),
          adapted.outputs(),
          adapted == current ? node.origin() : origin,
          node.annotations());
    } catch (IrException e) {
      throw new ManticoreException(
          "MNT-LIFT",
          node
              + " of "
              + graph
              + " cannot be lifted from opset "
              + node.op().version()
              + " to "
              + OpId.OPSET
              + ": "
              + e.getMessage(),
          e);
    } finally {
      editor.leave().withOrigin(Origin.NONE);
    }
  }

  private Node withSubgraphs(GraphEditor editor, Node node) {
    Attributes attributes =
        node.attributes()
            .mapGraphs(
                subgraph -> {
                  GraphEditor inner = editor.subgraph(subgraph.name());
                  fill(inner, subgraph);
                  return inner.freeze();
                });
    return attributes == node.attributes()
        ? node
        : new Node(
            node.op(),
            node.name(),
            attributes,
            node.inputs(),
            node.outputs(),
            node.origin(),
            node.annotations());
  }
}
