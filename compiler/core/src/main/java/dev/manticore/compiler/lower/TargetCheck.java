package dev.manticore.compiler.lower;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Value;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Says what a runtime would refuse of a graph, by the tables and limits of its documentation, so
 * that it is known before a server says so, and without the runtime or its device.
 */
public final class TargetCheck {

  private static final int SHOWN = 5;

  /** Standard operators that ONNX Runtime's CPU provider has for any type. */
  private static final ImmutableSet<String> BRAIN_FLOAT_ON_CPU =
      ImmutableSet.of(
          "Cast",
          "Constant",
          "Flatten",
          "Identity",
          "If",
          "Loop",
          "Reshape",
          "Shape",
          "Size",
          "Squeeze",
          "Unsqueeze");

  /** Those that its CUDA provider lacks in bfloat16. */
  private static final ImmutableSet<String> NO_BRAIN_FLOAT_ON_CUDA =
      ImmutableSet.of("Einsum", "Log", "LogSoftmax", "ReduceMean");

  private final Target target;
  private final ImmutableList.Builder<Objection> objections = ImmutableList.builder();
  private final Set<Value> constants = new HashSet<>();

  private TargetCheck(Target target) {
    this.target = target;
  }

  /** What a target refuses of a graph, its subgraphs included; nothing if it runs it. */
  public static ImmutableList<Objection> check(Graph graph, Target target) {
    TargetCheck check = new TargetCheck(target);
    check.graph(graph);
    return check.objections.build();
  }

  /**
   * Returns at once if a target runs a graph.
   *
   * @throws ManticoreException {@code MNT-TARGET}, naming the nodes and the rules
   */
  public static void require(Graph graph, Target target) {
    List<Objection> objections = check(graph, target);
    if (!objections.isEmpty()) {
      String shown =
          objections.stream()
              .limit(SHOWN)
              .map(Objection::toString)
              .collect(Collectors.joining("\n  "));
      throw new ManticoreException(
          "MNT-TARGET",
          target
              + " does not run "
              + graph.name()
              + ":\n  "
              + shown
              + (objections.size() > SHOWN
                  ? "\n  and " + (objections.size() - SHOWN) + " more nodes"
                  : ""));
    }
  }

  private void graph(Graph graph) {
    constants.addAll(graph.parameters().keySet());
    for (Node node : graph.nodes()) {
      if (node.op().isOnnx("Constant")
          || !node.inputs().isEmpty() && constants.containsAll(node.reads())) {
        // What follows from constants alone is folded before the graph is run.
        constants.addAll(node.presentOutputs());
      }
      node(node);
      node.attributes().graphs().forEach(this::graph);
    }
  }

  private void object(Node node, String rule, String reason) {
    objections.add(new Objection(node, rule, reason));
  }

  private void node(Node node) {
    if (!isTaken(node.op())) {
      object(
          node, "domain", "operators of domain '" + node.op().domain() + "' are not known to it");
    } else if (node.op().domain().isEmpty() && node.op().version() > target.lastOpset()) {
      object(
          node,
          "opset",
          "it reads ai.onnx up to version " + target.lastOpset() + ", not " + node.op().version());
    } else if (target.isTensorRt()) {
      tensorRt(node);
    } else {
      onnxRuntime(node);
    }
  }

  private boolean isTaken(OpId op) {
    return op.domain().isEmpty() || !target.isTensorRt() && op.domain().equals(OpId.MICROSOFT);
  }

  private void onnxRuntime(Node node) {
    String name = node.op().name();
    for (ElementType type : types(node)) {
      boolean lacking =
          switch (type) {
            case BFLOAT16 ->
                target == Target.ONNXRUNTIME_CPU
                    ? !BRAIN_FLOAT_ON_CPU.contains(name)
                    : NO_BRAIN_FLOAT_ON_CUDA.contains(name);
            default -> false;
          };
      if (lacking) {
        object(node, "type", "it has no kernel of " + name + " for " + type);
      }
    }
  }

  private static Set<ElementType> types(Node node) {
    return node.presentInputs().stream()
        .filter(Value::isTensor)
        .map(Value::elementType)
        .collect(Collectors.toSet());
  }

  private void tensorRt(Node node) {
    String name = node.op().name();
    Optional<ImmutableSet<ElementType>> taken = TensorRtOperators.types(name, target);
    if (taken.isEmpty()) {
      object(node, "operator", "its parser does not take " + name);
      return;
    }
    type(node)
        .filter(type -> !taken.get().contains(type))
        .ifPresent(type -> object(node, "type", "its parser takes no " + name + " of " + type));
    if (!node.hasOnlyTensors()) {
      object(node, "type", "it has no sequences, maps and optional values");
    }
    switch (name) {
      case "CumSum", "Squeeze", "Unsqueeze" -> requireConstant(node, 1, "axes");
      case "OneHot" -> requireConstant(node, 1, "depth");
      case "LayerNormalization" -> requireOutputs(node, 1);
      case "MaxPool" -> requireOutputs(node, 1);
      case "Attention" -> attention(node);
      case "Scan" -> scan(node);
      case "ScatterND" ->
          requireAttribute(
              node, "reduction", node.attributes().stringValue("reduction", "none"), "none");
      case "TopK" -> requireAttribute(node, "sorted", node.attributes().intValue("sorted", 1), 1L);
      case "TensorScatter" ->
          requireAttribute(node, "axis", node.attributes().intValue("axis", -2), -2L);
      case "Dropout" -> {
        if (node.hasInput(2)) {
          requireConstant(node, 2, "training_mode");
        }
      }
      default -> {
        if (name.startsWith("Reduce") && node.hasInput(1)) {
          requireConstant(node, 1, "axes");
        }
      }
    }
  }

  /**
   * The type that tells which kernel it is: of what is computed with, not of indices or conditions.
   */
  private static Optional<ElementType> type(Node node) {
    int deciding = node.op().isOnnx("Where") || node.op().isOnnx("If") ? 1 : 0;
    boolean made =
        node.op().isOnnx("ConstantOfShape") || node.op().isOnnx("If") || node.inputs().isEmpty();
    if (made) {
      return node.hasOutput(0) && node.output(0).isTensor()
          ? Optional.of(node.output(0).elementType())
          : Optional.empty();
    }
    if (node.op().isOnnx("Loop")) {
      return Optional.empty();
    }
    return node.hasInput(deciding) && node.input(deciding).isTensor()
        ? Optional.of(node.input(deciding).elementType())
        : Optional.empty();
  }

  private void requireConstant(Node node, int input, String what) {
    if (node.hasInput(input) && !constants.contains(node.input(input))) {
      object(node, "constant-input", what + " of " + node.op().name() + " must be constant for it");
    }
  }

  private void requireOutputs(Node node, int most) {
    if (node.presentOutputs().size() > most || node.outputs().size() > most) {
      object(node, "outputs", "it gives only the first output of " + node.op().name());
    }
  }

  private void requireAttribute(Node node, String attribute, Object value, Object wanted) {
    if (!value.equals(wanted)) {
      object(
          node,
          "attribute",
          "it takes "
              + node.op().name()
              + " with "
              + attribute
              + " "
              + wanted
              + " only, not "
              + value);
    }
  }

  private void attention(Node node) {
    requireOutputs(node, 1);
    for (int input = 4; input < node.inputs().size(); input++) {
      if (node.hasInput(input)) {
        object(node, "inputs", "it takes no past keys and values in Attention");
        return;
      }
    }
    for (Value operand : node.presentInputs()) {
      if (operand.shape().isRanked() && operand.shape().rank() != 4) {
        object(
            node, "rank", "it takes only operands of rank 4 in Attention, not " + operand.type());
        return;
      }
    }
    requireAttribute(node, "softcap", node.attributes().floatValue("softcap", 0), 0f);
  }

  /** It becomes a loop, whose states keep their shapes. */
  private void scan(Node node) {
    long scanned = node.attributes().intValue("num_scan_inputs", 0);
    long states = node.inputs().size() - scanned;
    if (states < 1) {
      object(node, "inputs", "it takes no Scan without a state");
    }
    for (int state = 0; state < Math.min(states, node.outputs().size()); state++) {
      if (node.hasInput(state)
          && node.hasOutput(state)
          && !node.input(state).shape().equals(node.output(state).shape())) {
        object(
            node,
            "state-shape",
            "a state of Scan must keep its shape, but goes from "
                + node.input(state).type()
                + " to "
                + node.output(state).type());
      }
    }
  }
}
