package dev.manticore.compiler.trial;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.compiler.Runs;
import dev.manticore.compiler.task.Faults;
import dev.manticore.compiler.task.Task;
import dev.manticore.compiler.task.lra.LraTasks;
import dev.manticore.compiler.task.mad.MadTasks;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What heads say of hidden states, against the definition worked out in plain loops. */
class TaskHeadTest {

  private static final ModelSize SIZE = new ModelSize(8, 2, 2, 4);
  private static final int LENGTH = 6;

  private static Task compression() {
    return MadTasks.byName("compression")
        .create(
            MadTasks.byName("compression").baseline().with("vocabulary", 7).with("length", LENGTH),
            3,
            Faults.MENDED);
  }

  private static Task listops() {
    return LraTasks.byName("listops")
        .create(
            LraTasks.byName("listops")
                .baseline()
                .with("depth", 2)
                .with("above", 4)
                .with("below", 9),
            3,
            Faults.MENDED);
  }

  private static Tensor ids(int vocabulary, int length) {
    long[] ids = new long[2 * length];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = (3L * i + i / 4) % vocabulary;
    }
    return Tensor.ofLongs(Shape.of(2, length), ids);
  }

  @ParameterizedTest
  @EnumSource(Architecture.class)
  void aClassIsALinearMapOfTheHiddenState(Architecture architecture) {
    Task task = listops();
    Graph graph = TaskModel.draw(architecture, SIZE, task, 5).graph();
    Tensor ids = ids(task.vocabularySize(), task.longest());
    float[] said = Runs.onDevice(graph, ids).toFloats();
    float[] hidden =
        Runs.onDevice(withOutput(graph, hidden(graph, "head.classes.weight")), ids).toFloats();
    float[] weight = parameters(graph).get("head.classes.weight").toFloats();
    int classes = task.classes();
    assertThat(said).hasSize(2 * task.longest() * classes);
    for (int i = 0; i < said.length; i++) {
      double sum = 0;
      for (int j = 0; j < 8; j++) {
        sum += hidden[i / classes * 8 + j] * (double) weight[i % classes * 8 + j];
      }
      assertThat((double) said[i]).isCloseTo(sum, within(1e-5));
    }
    assertThat(graph.parameters().keySet())
        .extracting(Value::name)
        .doesNotContain("head.classes.bias");
  }

  @ParameterizedTest
  @EnumSource(Architecture.class)
  void reconstructionSeesTheLastHiddenStateAlone(Architecture architecture) {
    Task task = compression();
    Graph graph = TaskModel.draw(architecture, SIZE, task, 5).graph();
    Tensor ids = ids(7, LENGTH);
    float[] said = Runs.onDevice(graph, ids).toFloats();
    float[] hidden = Runs.onDevice(withOutput(graph, lastHidden(graph)), ids).toFloats();
    Map<String, Tensor> parameters = parameters(graph);
    assertThat(said).hasSize(2 * LENGTH * 7);
    for (int row = 0; row < 2; row++) {
      for (int p = 0; p < LENGTH; p++) {
        double[] x = new double[8];
        for (int j = 0; j < 4; j++) {
          double angle = p * Math.exp(-j * Math.log(10_000) / 3);
          int last = (row * LENGTH + LENGTH - 1) * 8;
          x[j] = hidden[last + j] + Math.sin(angle);
          x[4 + j] = hidden[last + 4 + j] + Math.cos(angle);
        }
        for (int layer = 0; layer < 2; layer++) {
          x = linear(parameters, "head.layers." + layer, norm(x));
          for (int j = 0; j < 8; j++) {
            x[j] = 0.5 * x[j] * (1 + erf(x[j] / Math.sqrt(2)));
          }
        }
        double[] logits = linear(parameters, "head.tokens", norm(x));
        for (int v = 0; v < 7; v++) {
          assertThat((double) said[(row * LENGTH + p) * 7 + v]).isCloseTo(logits[v], within(2e-5));
        }
      }
    }
  }

  @Test
  void nextTokensNeedNoHead() {
    Task task =
        MadTasks.byName("memorization")
            .create(MadTasks.byName("memorization").baseline().with("length", 8), 3, Faults.MENDED);
    Graph graph = TaskModel.draw(Architecture.MAMBA, SIZE, task, 5).graph();
    assertThat(graph.parameters().keySet())
        .extracting(Value::name)
        .noneMatch(name -> name.startsWith("head."));
  }

  private static double[] norm(double[] x) {
    double squares = 0;
    for (double value : x) {
      squares += value * value;
    }
    double[] normed = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      normed[i] = x[i] / Math.sqrt(squares / x.length + 1e-5);
    }
    return normed;
  }

  private static double[] linear(Map<String, Tensor> parameters, String name, double[] x) {
    float[] weight = parameters.get(name + ".weight").toFloats();
    float[] bias = parameters.get(name + ".bias").toFloats();
    double[] y = new double[bias.length];
    for (int i = 0; i < y.length; i++) {
      y[i] = bias[i];
      for (int j = 0; j < x.length; j++) {
        y[i] += weight[i * x.length + j] * x[j];
      }
    }
    return y;
  }

  /** Its Taylor series, which is exact enough near 0. */
  private static double erf(double x) {
    double term = x;
    double sum = x;
    for (int n = 1; n < 60; n++) {
      term *= -x * x / n;
      sum += term / (2 * n + 1);
    }
    return 2 / Math.sqrt(Math.PI) * sum;
  }

  private static Map<String, Tensor> parameters(Graph graph) {
    Map<String, Tensor> parameters = new LinkedHashMap<>();
    graph.parameters().forEach((value, tensor) -> parameters.put(value.name(), tensor));
    return parameters;
  }

  /** What is multiplied with a weight. */
  private static Value hidden(Graph graph, String weight) {
    Value turned =
        graph.nodes().stream()
            .filter(node -> node.op().isOnnx("Transpose") && node.input(0).name().equals(weight))
            .findFirst()
            .orElseThrow()
            .output();
    return graph.nodes().stream()
        .filter(node -> node.op().isOnnx("MatMul") && node.input(1) == turned)
        .findFirst()
        .orElseThrow()
        .input(0);
  }

  /** What the last hidden state is cut out of, to which positions are added before a norm. */
  private static Value lastHidden(Graph graph) {
    Node norm =
        graph.nodes().stream()
            .filter(node -> node.op().isOnnx("RMSNormalization"))
            .filter(node -> node.input(1).name().equals("head.norms.0.weight"))
            .findFirst()
            .orElseThrow();
    Node sum = graph.producer(norm.input(0)).orElseThrow();
    Node cut = graph.producer(sum.input(0)).orElseThrow();
    assertThat(cut.op().isOnnx("Slice")).isTrue();
    return cut.input(0);
  }

  private static Graph withOutput(Graph graph, Value value) {
    GraphEditor editor = graph.edit();
    editor.clearOutputs();
    editor.output(value);
    return editor.freezeLive();
  }
}
