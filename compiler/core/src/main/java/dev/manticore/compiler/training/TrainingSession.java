package dev.manticore.compiler.training;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.data.TokenDataset;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.state.AliasingVerifier;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.runtime.Binding;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.DeviceState;
import dev.manticore.runtime.DeviceTensor;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A model on a device while it is trained: its parameters, the optimizer's moments, and the
 * sessions that work on them in place. Evaluation reads the same tensors.
 */
public final class TrainingSession implements AutoCloseable {

  private static final String FIRST = "m.";
  private static final String SECOND = "v.";
  private static final String SUM = "g.";

  private final TrainingPlan plan;
  private final DeviceState state;
  private final Program step;
  private final Optional<Program> apply;
  private final Program evaluation;
  private final ImmutableSet<String> parameters;
  private final ImmutableSet<String> trained;

  /** A graph in a session, with everything bound. */
  private record Program(ModelSession session, Binding binding) implements AutoCloseable {
    @Override
    public void close() {
      binding.close();
      session.close();
    }
  }

  private TrainingSession(
      TrainingPlan plan,
      DeviceState state,
      Program step,
      Optional<Program> apply,
      Program evaluation,
      ImmutableSet<String> parameters,
      ImmutableSet<String> trained) {
    this.plan = plan;
    this.state = state;
    this.step = step;
    this.apply = apply;
    this.evaluation = evaluation;
    this.parameters = parameters;
    this.trained = trained;
  }

  /**
   * Puts a model on a device, with moments of zero.
   *
   * @param threads threads of a run
   */
  public static TrainingSession open(Device device, Graph model, TrainingPlan plan, int threads) {
    Recipe.Training schedule = plan.schedule();
    List<ParameterGroup> groups = plan.parameterGroups();
    StepGraphs graphs = StepGraphs.of(model, schedule.batch(), plan.length());
    Map<String, TensorType> types = new LinkedHashMap<>();
    model.parameters().keySet().forEach(value -> types.put(value.name(), value.type()));
    ImmutableSet<String> names = ImmutableSet.copyOf(types.keySet());
    boolean accumulates = schedule.accumulation() > 1;
    StepGraphs.Step stepGraph =
        accumulates ? graphs.accumulate(groups) : graphs.step(groups, (float) schedule.clip());
    Optional<StepGraphs.Step> applyGraph =
        accumulates
            ? Optional.of(
                StepGraphs.apply(types, groups, (float) schedule.clip(), schedule.accumulation()))
            : Optional.empty();
    ImmutableSet.Builder<String> trained = ImmutableSet.builder();
    groups.forEach(group -> trained.addAll(group.parameters()));
    for (String name : trained.build()) {
      types.put(FIRST + name, types.get(name));
      types.put(SECOND + name, types.get(name));
      if (accumulates) {
        types.put(SUM + name, types.get(name));
      }
    }
    groups.forEach(
        group -> {
          types.put(
              "settings." + group.name(), TensorType.of(ElementType.FLOAT32, StepGraphs.SETTINGS));
          types.put("norm." + group.name(), TensorType.of(ElementType.FLOAT32));
        });
    TensorType tokens = TensorType.of(ElementType.INT64, schedule.batch(), plan.length());
    types.put(model.inputs().get(0).name(), tokens);
    types.put("labels", tokens);
    types.put("loss", TensorType.of(ElementType.FLOAT32));
    DeviceState state = DeviceState.allocate(device, types);
    SessionConfig config = SessionConfig.defaults().withIntraOpThreads(threads);
    Program step = program(device, config, state, stepGraph, schedule.precision());
    Optional<Program> apply =
        applyGraph.map(graph -> program(device, config, state, graph, Precision.FLOAT32));
    Program evaluation =
        program(
            device,
            config,
            state,
            new StepGraphs.Step(graphs.evaluation(), ImmutableList.of()),
            Precision.FLOAT32);
    TrainingSession session =
        new TrainingSession(plan, state, step, apply, evaluation, names, trained.build());
    model.parameters().forEach((value, tensor) -> state.get(value.name()).write(tensor.data()));
    session.resetMoments();
    return session;
  }

  private static Program program(
      Device device,
      SessionConfig config,
      DeviceState state,
      StepGraphs.Step step,
      Precision precision) {
    Graph lowered = Lowering.forDevice(step.graph(), device, precision);
    AliasingVerifier.verify(lowered, step.bindings());
    ModelSession session = ModelSession.open(device, OnnxExporter.toBytes(lowered), config);
    Binding binding = session.bind();
    for (Value input : lowered.inputs()) {
      binding.bindInput(input.name(), state.get(input.name()));
    }
    Map<String, String> overwritten = new LinkedHashMap<>();
    step.bindings().forEach(bound -> overwritten.put(bound.output(), bound.input()));
    for (Value output : lowered.outputs()) {
      String place = overwritten.getOrDefault(output.name(), output.name());
      binding.bindOutput(output.name(), state.get(place));
    }
    return new Program(session, binding);
  }

  private void resetMoments() {
    for (String name : trained) {
      state.get(FIRST + name).zero();
      state.get(SECOND + name).zero();
      if (apply.isPresent()) {
        state.get(SUM + name).zero();
      }
    }
  }

  /**
   * One step of the optimizer.
   *
   * @param step counted from 0
   * @param batches as many as gradients are accumulated over
   * @return the mean loss of the batches before the step, in nats a token
   */
  public double step(int step, List<Batch> batches) {
    writeSettings(step);
    double loss = 0;
    for (Batch batch : batches) {
      write(batch);
      this.step.binding().run();
      loss += state.get("loss").toFloats()[0];
    }
    apply.ifPresent(
        program -> {
          program.binding().run();
          trained.forEach(name -> state.get(SUM + name).zero());
        });
    return loss / batches.size();
  }

  private void writeSettings(int step) {
    Recipe.Training schedule = plan.schedule();
    double factor = plan.rateFactor(step);
    int count = step + 1;
    for (TrainingPlan.GroupPlan group : plan.groups()) {
      state
          .get("settings." + group.group().name())
          .setFloats(
              (float) (group.learningRate() * factor),
              (float) schedule.beta1(),
              (float) schedule.beta2(),
              (float) schedule.epsilon(),
              (float) group.weightDecay(),
              (float) (1 - StrictMath.pow(schedule.beta1(), count)),
              (float) (1 - StrictMath.pow(schedule.beta2(), count)));
    }
  }

  private void write(Batch batch) {
    state.get("input_ids").setLongs(batch.inputs());
    state.get("labels").setLongs(batch.labels());
  }

  /**
   * The mean loss over the labels of a data set that count, in nats each.
   *
   * @param batches how many batches of it, from its start; 0 for all
   */
  public double evaluate(TokenDataset dataset, int batches) {
    int size = plan.schedule().batch();
    int sequences = batches == 0 ? dataset.size() : Math.min(dataset.size(), batches * size);
    double total = 0;
    long asked = 0;
    for (int start = 0; start < sequences; start += size) {
      int there = Math.min(size, sequences - start);
      int[] chosen = new int[size];
      for (int i = 0; i < size; i++) {
        chosen[i] = start + Math.min(i, there - 1);
      }
      Batch batch = dataset.batch(chosen);
      long[] labels = batch.labels().clone();
      // A last batch that is not full is filled up with sequences that do not count.
      Arrays.fill(labels, there * batch.length(), labels.length, -100);
      Batch counted = new Batch(batch.inputs(), labels, size, batch.length());
      write(counted);
      evaluation.binding().run();
      // The loss is a mean over the labels that count, of which batches have different numbers.
      total += state.get("loss").toFloats()[0] * (double) counted.asked();
      asked += counted.asked();
    }
    return total / asked;
  }

  /** The value of a small parameter. */
  public float[] parameter(String name) {
    return state.get(name).toFloats();
  }

  /** The parameters as they are on the device: live views, good until the session is closed. */
  public ImmutableMap<String, Tensor> parameters() {
    return view(parameters);
  }

  /** Parameters and moments: all that a resumed run needs of the device; live views. */
  public ImmutableMap<String, Tensor> checkpoint() {
    Set<String> names = new LinkedHashSet<>(parameters);
    for (String name : trained) {
      names.add(FIRST + name);
      names.add(SECOND + name);
    }
    return view(names);
  }

  private ImmutableMap<String, Tensor> view(Set<String> names) {
    ImmutableMap.Builder<String, Tensor> tensors = ImmutableMap.builder();
    for (String name : names) {
      DeviceTensor tensor = state.get(name);
      tensors.put(name, new Tensor(tensor.type(), tensor.contents()));
    }
    return tensors.buildOrThrow();
  }

  /** Takes over what {@link #checkpoint} gave. */
  public void restore(Map<String, Tensor> checkpoint) {
    checkpoint.forEach((name, tensor) -> state.get(name).write(tensor.data()));
  }

  @Override
  public void close() {
    step.close();
    apply.ifPresent(Program::close);
    evaluation.close();
    state.close();
  }
}
