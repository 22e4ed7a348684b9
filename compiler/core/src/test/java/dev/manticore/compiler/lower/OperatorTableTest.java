package dev.manticore.compiler.lower;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.autodiff.Differentiate;
import dev.manticore.ir.lift.Lift;
import dev.manticore.ir.op.Catalogue;
import dev.manticore.ir.op.Operator;
import dev.manticore.runtime.Devices;
import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Keeps {@code docs/operators.md} as the catalogue, the rules and the lowering passes say. */
class OperatorTableTest {

  private static final String COMMAND =
      "mvn -pl compiler/core -am test -Dtest=OperatorTableTest"
          + " -Dsurefire.failIfNoSpecifiedTests=false -Dmanticore.write=true";

  /** Why operators are not differentiated; every one of the catalogue is here or has a rule. */
  private static final Map<String, String> WITHOUT_GRADIENT = withoutGradient();

  private static Map<String, String> withoutGradient() {
    Map<String, String> reasons = new LinkedHashMap<>();
    put(
        reasons,
        "Their results are integers or booleans.",
        "And ArgMax ArgMin BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor ConvInteger"
            + " DynamicQuantizeLinear Equal Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual"
            + " MatMulInteger Multinomial NonZero Not Or QLinearConv QLinearMatMul QuantizeLinear"
            + " Shape Size Xor");
    put(
        reasons,
        "Their results do not depend on the values of floating operands.",
        "Bernoulli BlackmanWindow Constant ConstantOfShape EyeLike HammingWindow HannWindow"
            + " RandomNormal RandomNormalLike RandomUniform RandomUniformLike");
    put(
        reasons,
        "They run subgraphs: what was computed in each turn is not kept for a way back. The scans of"
            + " state-space models are operators of our own, with rules.",
        "If Loop Scan");
    put(reasons, "Their bodies would be such a scan.", "GRU LSTM RNN");
    put(reasons, "What they keep depends on values, and so do the shapes.", "Compress Unique");
    put(
        reasons,
        "They occur between signals or images and parameters, not between these and a loss of ours.",
        "DFT Resize STFT");
    put(reasons, "Its operands are counts and positions.", "Range");
    put(
        reasons,
        "They are what decoders are made of, which are not trained.",
        Catalogue.standard().operators().stream()
            .filter(op -> op.domain().equals(OpId.MANTICORE))
            .map(OpId::toString)
            .filter(name -> name.endsWith("WithState"))
            .collect(Collectors.joining(" ")));
    put(
        reasons,
        "They are what rules and training steps are made of, and no gradient is taken twice.",
        Catalogue.standard().operators().stream()
            .filter(op -> op.domain().equals(OpId.MANTICORE))
            .map(OpId::toString)
            .filter(name -> name.endsWith("Grad") || name.endsWith("AdamW"))
            .collect(Collectors.joining(" ")));
    return reasons;
  }

  private static void put(Map<String, String> reasons, String reason, String operators) {
    Splitter.on(' ').split(operators).forEach(operator -> reasons.put(operator, reason));
  }

  /** All but the kernels, which are what operators of our own are lowered to. */
  private static List<OpId> operators() {
    return Catalogue.standard().operators().stream()
        .filter(op -> !op.domain().equals(OpId.KERNEL))
        .sorted(Comparator.comparing(OpId::domain).thenComparing(OpId::name))
        .toList();
  }

  private static Operator operator(OpId op) {
    return Catalogue.standard().find(op).orElseThrow();
  }

  private static String differentiated(OpId op) {
    return Differentiate.operators().contains(op.toString())
        ? "rule"
        : WITHOUT_GRADIENT.containsKey(op.toString()) ? "–" : body(op);
  }

  private static String lifted(OpId op) {
    return op.domain().equals(OpId.ONNX)
        ? Lift.changes(op).stream().map(String::valueOf).collect(Collectors.joining(", "))
        : "";
  }

  /** What the passes that choose kernels make of a node of an operator. */
  private static String onDevice(OpId op) {
    GraphEditor editor = new GraphEditor("node");
    TensorType type = new TensorType(ElementType.FLOAT32, Shape.unranked());
    Value input = editor.input("x", type);
    Value output = new Value("y", type);
    editor.addNode(Node.of(op, "node", Attributes.NONE, List.of(input), List.of(output)));
    editor.output(output);
    Graph lowered =
        new UseTrainingKernels().run(new UseKernels(Devices.cpuKernels()).run(editor.freeze()));
    OpId chosen = lowered.nodes().get(0).op();
    if (!chosen.equals(op)) {
      return chosen.domain().equals(OpId.KERNEL) ? "kernel" : "`" + chosen + "`";
    }
    return op.domain().equals(OpId.MICROSOFT) ? "as it is" : portable(op);
  }

  private static String portable(OpId op) {
    return Lift.isStandard(op) ? "as it is" : body(op);
  }

  private static String body(OpId op) {
    return operator(op).hasBody() ? "by its body" : "–";
  }

  private static String table() {
    StringBuilder text = new StringBuilder();
    List<OpId> operators = operators();
    long standard = operators.stream().filter(Lift::isStandard).count();
    text.append("# Operators\n\n")
        .append(
            "Generated from the catalogue, the backward rules and the lowering passes; not to be edited.\n\n")
        .append(
            "The catalogue has "
                + operators.size()
                + " operators, "
                + standard
                + " of them standard ones of `ai.onnx`, opset "
                + OpId.OPSET
                + ".\n\n")
        .append("* Import and export take every operator, of this table or not, as it is.\n")
        .append(
            "* *Lifted*: the versions in which nodes from before are written anew when a graph is lifted to opset ")
        .append(OpId.OPSET)
        .append("; other versions changed nothing that a node must follow.\n")
        .append("* *Infer*: element types and shapes follow from the operands.\n")
        .append(
            "* *Evaluate*: the interpreter computes it in double precision. Where it says *random*, only types are known;\n")
        .append("  `Dropout` is evaluated where it does not train.\n")
        .append(
            "* *Differentiate*: by a rule of its own, or by the body of simpler operators that takes its place.\n")
        .append(
            "* *Training, CPU*: how it reaches ONNX Runtime in our own process. *Kernel* is one of ours;\n")
        .append("  those of attention need the vector API.\n")
        .append(
            "* *Portable ONNX*: how it is written for other runtimes. What a runtime then runs is the runtime's:\n")
        .append(
            "  ONNX Runtime's CPU provider, for one, has no `GlobalLpPool`, `RandomUniformLike`, `RoiAlign` or batch-first `LSTM` of opset ")
        .append(OpId.OPSET)
        .append(".\n\n")
        .append(
            "| Operator | Lifted | Infer | Evaluate | Differentiate | Training, CPU | Portable ONNX |\n")
        .append("|---|---|---|---|---|---|---|\n");
    for (OpId op : operators) {
      text.append("| `")
          .append(
              String.join(
                  " | ",
                  ImmutableList.of(
                      op + "`",
                      lifted(op),
                      "yes",
                      operator(op).isPure() ? "yes" : "random",
                      differentiated(op),
                      onDevice(op),
                      portable(op))))
          .append(" |\n");
    }
    text.append("\n## What is not differentiated, and why\n\n");
    Map<String, Set<String>> byReason = new LinkedHashMap<>();
    WITHOUT_GRADIENT.forEach(
        (operator, reason) ->
            byReason.computeIfAbsent(reason, key -> new TreeSet<>()).add("`" + operator + "`"));
    byReason.forEach(
        (reason, named) ->
            text.append("* ")
                .append(String.join(", ", named))
                .append(": ")
                .append(reason)
                .append('\n'));
    return text.toString();
  }

  @Test
  void whatIsNotDifferentiatedHasAReason() {
    Set<String> without =
        operators().stream()
            .filter(op -> !Differentiate.operators().contains(op.toString()))
            .filter(op -> !operator(op).hasBody() || WITHOUT_GRADIENT.containsKey(op.toString()))
            .map(OpId::toString)
            .collect(Collectors.toCollection(TreeSet::new));

    assertThat(WITHOUT_GRADIENT.keySet()).containsExactlyInAnyOrderElementsOf(without);
  }

  @Test
  void theCatalogueHasTheOperatorsOfTransformersAndStateSpaceModels() {
    assertThat(operators().stream().filter(Lift::isStandard).count()).isGreaterThan(110);
  }

  @Test
  void theDocumentIsUpToDate() throws IOException {
    Path file = Fixtures.projectRoot().resolve("docs/operators.md");
    String table = table();
    if (Boolean.getBoolean("manticore.write")) {
      Files.writeString(file, table);
    }

    assertThat(file).exists();
    assertThat(Files.readString(file))
        .as("stale; write it anew with: %s", COMMAND)
        .isEqualTo(table);
  }
}
