package dev.manticore.compiler.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.FixtureModels;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.hybrid.SpliceOptions;
import dev.manticore.compiler.hybrid.Splicer;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.training.ParameterGroup;
import dev.manticore.compiler.training.StepGraphs;
import dev.manticore.compiler.training.TrainingPlan;
import dev.manticore.compiler.training.TrainingSession;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.runtime.Binding;
import dev.manticore.runtime.CpuDevice;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.DeviceState;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RecomputeTest {

  private static final Device CPU = CpuDevice.instance();
  private static final int BATCH = 4;
  private static final int LENGTH = 16;
  private static final int MARGIN = 4096;
  private static final Pattern RUN = Pattern.compile("\"name\" ?: ?\"([^\"]*)_kernel_time\"");

  @TempDir Path directory;

  private static Graph model(String name) {
    return switch (name) {
      case "gpt-neo" -> TinyModels.build("gpt-neo", TinyModels.gptNeo(3, 32), 3);
      case "mamba" -> TinyModels.build("mamba", TinyModels.mamba(3, 32), 3);
      case "mamba2" -> TinyModels.build("mamba2", TinyModels.mamba2(2, 32), 3);
      case "hybrid" ->
          Splicer.splice(
                  List.of(
                      ComponentFinder.find("mamba", model("mamba")),
                      ComponentFinder.find("gpt-neo", model("gpt-neo"))),
                  new SpliceOptions(
                      2,
                      SpliceOptions.Gates.TIED,
                      SpliceOptions.ProjectorInitialisation.IDENTITY,
                      SpliceOptions.Embeddings.FRESH,
                      ImmutableList.of(),
                      TinyModels.VOCABULARY,
                      1))
              .graph();
      default -> FixtureModels.load(name);
    };
  }

  private static Graph step(Graph model) {
    ImmutableList<String> parameters =
        model.parameters().keySet().stream()
            .map(Value::name)
            .collect(ImmutableList.toImmutableList());
    return Lowering.forDevice(
        StepGraphs.of(model, BATCH, LENGTH)
            .step(List.of(new ParameterGroup("weights", parameters, ImmutableList.of())), 1)
            .graph(),
        CPU);
  }

  private static StepMemory memory(Graph step) {
    return new StepMemory(step, "loss", StepMemory.costs(step));
  }

  /**
   * The least budget of a step; that of a run with other groups of parameters is nearly the same.
   */
  private static long least(Graph step) {
    return new RecomputationSearch(memory(step)).least().peak();
  }

  private static TrainingSession session(Graph model, int accumulation, long memory) {
    Recipe.Training schedule =
        new Recipe.Training(
            4,
            BATCH,
            accumulation,
            1e-3,
            0.01,
            1,
            0.9,
            0.999,
            1e-8,
            Recipe.Schedule.CONSTANT,
            0,
            Precision.FLOAT32,
            memory);
    return TrainingSession.open(
        CPU, model, TrainingPlan.of(model, schedule, LENGTH, parameter -> true), 2);
  }

  private static Batch batch(long seed) {
    long[] ids = TinyModels.ids(BATCH, LENGTH, seed).toLongs();
    long[] labels = new long[ids.length];
    for (int i = 0; i < ids.length; i++) {
      labels[i] = (i + 1) % LENGTH == 0 ? -100 : ids[i + 1];
    }
    return new Batch(ids, labels, BATCH, LENGTH);
  }

  /** After a step from moments of zero the first moments are the gradients, but for a factor. */
  private static Map<String, Tensor> trained(TrainingSession session) {
    return session.checkpoint();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "gpt-neo",
        "mamba",
        "mamba2",
        "hybrid",
        "huggingface/gpt-neo",
        "huggingface/mamba",
        "hybrid/mamba+gpt-neo-2/hybrid.json"
      })
  void lossesAndGradientsAreThoseOfAStepThatKeepsAll(String name) {
    Graph model = model(name);
    long least = least(step(model));
    try (TrainingSession plain = session(model, 1, 0);
        TrainingSession ample = session(model, 1, Long.MAX_VALUE);
        TrainingSession tight = session(model, 1, least + MARGIN)) {
      assertThat(ample.memory().orElseThrow().recomputed()).isZero();
      assertThat(tight.memory().orElseThrow().recomputed()).isPositive();
      assertThat(tight.memory().orElseThrow().bytes())
          .isLessThanOrEqualTo(least + MARGIN)
          .isLessThan(ample.memory().orElseThrow().bytes());
      for (int step = 0; step < 3; step++) {
        List<Batch> batches = List.of(batch(step));
        double loss = plain.step(step, batches);
        assertThat(ample.step(step, batches)).isCloseTo(loss, within(1e-6 * loss));
        assertThat(tight.step(step, batches)).isCloseTo(loss, within(1e-6 * loss));
        Map<String, Tensor> kept = trained(ample);
        trained(tight)
            .forEach(
                (parameter, tensor) ->
                    assertThat(tensor.toFloats())
                        .as(parameter)
                        .isEqualTo(kept.get(parameter).toFloats()));
      }
    }
  }

  @Test
  void accumulatedGradientsAreThoseOfStepsThatKeepAll() {
    Graph model = model("mamba");
    long least = least(step(model));
    try (TrainingSession ample = session(model, 2, Long.MAX_VALUE);
        TrainingSession tight = session(model, 2, least + MARGIN)) {
      assertThat(tight.memory().orElseThrow().recomputed()).isPositive();
      List<Batch> batches = List.of(batch(1), batch(2));
      assertThat(tight.step(0, batches)).isEqualTo(ample.step(0, batches));
      Map<String, Tensor> kept = trained(ample);
      trained(tight)
          .forEach(
              (parameter, tensor) ->
                  assertThat(tensor.toFloats())
                      .as(parameter)
                      .isEqualTo(kept.get(parameter).toFloats()));
    }
  }

  /** The nodes of a graph without what only puts them in order. */
  private static List<Node> running(Graph graph) {
    return graph.nodes().stream()
        .filter(node -> !node.op().isOnnx("Constant") && !node.name().startsWith("after/"))
        .toList();
  }

  /**
   * The most bytes that are held at a time if values live from the node that makes them to the last
   * that reads them, or a view of them. What is written in place is counted twice here.
   */
  private static long peak(Graph graph) {
    Set<String> views = Set.of("Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity");
    List<Node> nodes = running(graph);
    Map<Value, Value> buffers = new HashMap<>();
    Map<Value, Integer> last = new HashMap<>();
    for (int i = 0; i < nodes.size(); i++) {
      for (Value output : nodes.get(i).presentOutputs()) {
        boolean view =
            nodes.get(i).op().domain().isEmpty() && views.contains(nodes.get(i).op().name());
        Value source = view ? nodes.get(i).input(0) : output;
        buffers.put(output, buffers.getOrDefault(source, source));
        last.put(buffers.get(output), i);
      }
      for (Value read : nodes.get(i).reads()) {
        last.put(buffers.getOrDefault(read, read), i);
      }
    }
    Set<Value> elsewhere = new HashSet<>(graph.inputs());
    elsewhere.addAll(graph.outputs());
    long constants =
        graph.nodes().stream()
            .filter(node -> node.op().isOnnx("Constant"))
            .mapToLong(node -> node.output().type().byteSize())
            .sum();
    Set<Value> held = new HashSet<>();
    long peak = 0;
    for (int i = 0; i < nodes.size(); i++) {
      for (Value output : nodes.get(i).presentOutputs()) {
        if (buffers.get(output) == output && !elsewhere.contains(output)) {
          held.add(output);
        }
      }
      long now = held.stream().mapToLong(value -> value.type().byteSize()).sum();
      peak = Math.max(peak, constants + now);
      int place = i;
      held.removeIf(value -> last.get(value) == place);
    }
    return peak;
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt-neo", "mamba", "hybrid"})
  void thePeakIsWithinTheBudgetWhicheverItIs(String name) {
    Graph step = step(model(name));
    long most = memory(step).run(new BitSet(), 0).peak();
    long least = least(step);
    assertThat(least).isLessThan(most * 3 / 4);
    double cost = Double.MAX_VALUE;
    for (int part = 0; part <= 4; part++) {
      long budget = least + (most - least) * part / 4;

      Recompute.Planned planned = new Recompute(budget, "loss").plan(step);

      assertThat(planned.bytes()).isLessThanOrEqualTo(budget);
      // Values that are written in place, at the peak one of them, and blocks of 256 bytes.
      assertThat((double) peak(planned.graph())).isBetween(0.8 * planned.bytes(), 1.1 * budget);
      assertThat(planned.keptBytes()).isEqualTo(most);
      assertThat(planned.recomputation()).isLessThanOrEqualTo(cost);
      cost = planned.recomputation();
    }
    assertThat(cost).isZero();
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt-neo", "mamba", "mamba2", "hybrid"})
  void nodesRunInTheOrderOfThePlan(String name) throws IOException {
    Graph step = step(model(name));
    Graph planned = new Recompute(least(step), "loss").run(step);
    Map<String, TensorType> types = new LinkedHashMap<>();
    planned.inputs().forEach(input -> types.put(input.name(), input.type()));
    planned.outputs().forEach(output -> types.put(output.name(), output.type()));
    List<String> ran = new ArrayList<>();
    try (DeviceState state = DeviceState.allocate(CPU, types);
        ModelSession session =
            ModelSession.open(
                CPU,
                OnnxExporter.toBytes(planned),
                SessionConfig.defaults()
                    .withOptimization(SessionConfig.Optimization.NONE)
                    .withProfilePrefix(directory.resolve("step").toString()));
        Binding binding = session.bind().bindAll(state)) {
      planned.inputs().forEach(input -> state.get(input.name()).zero());
      binding.run();
      Matcher matcher = RUN.matcher(Files.readString(session.finishProfile().orElseThrow()));
      while (matcher.find()) {
        if (!matcher.group(1).startsWith("after/")) {
          ran.add(matcher.group(1));
        }
      }
    }

    List<String> order = new ArrayList<>(running(planned).stream().map(Node::name).toList());
    // Nobody reads these, so that any order of them will do.
    order.removeIf(node -> node.startsWith("update/"));
    ran.removeIf(node -> node.startsWith("update/"));
    assertThat(ran).isEqualTo(order);
  }

  @Test
  void aBudgetThatIsTooSmallIsRefusedWithTheLeastThatDoes() {
    Graph step = step(model("gpt-neo"));

    assertThatThrownBy(() -> new Recompute(20_000, "loss").run(step))
        .isInstanceOfSatisfying(
            ManticoreException.class, e -> assertThat(e.code()).isEqualTo("MNT-MEMORY"))
        .hasMessageContaining("within 20 kB: the least that would do is ")
        .satisfies(
            e -> {
              Matcher told = Pattern.compile("do is ([^;]*);").matcher(e.getMessage());
              assertThat(told.find()).isTrue();
              long budget = ByteSize.parse(told.group(1)).orElseThrow();
              assertThat(new Recompute(budget, "loss").plan(step).bytes())
                  .isLessThanOrEqualTo(budget);
            });
  }
}
