package dev.manticore.compiler.training;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.data.TokenDataset;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.memory.Recompute;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.DeviceState;
import dev.manticore.runtime.DeviceTensor;
import dev.manticore.runtime.SessionConfig;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A model on a device while it is trained: its parameters, the optimizer's moments, and the
 * sessions that work on them in place. Evaluation reads the same tensors. Batches may have
 * different lengths: for each there are sessions of its own, over the one state.
 */
public final class TrainingSession implements AutoCloseable {

  private static final String FIRST = "m.";
  private static final String SECOND = "v.";
  private static final String SUM = "g.";
  private static final String SAVED = "saved.";

  /** How far weights are moved along a gradient, for a finite difference: as DARTS has it. */
  private static final double DIFFERENCE = 0.01;

  private final Device device;
  private final Graph model;
  private final TrainingPlan plan;
  private final SessionConfig config;
  private final DeviceState state;
  private final Map<Integer, Lane> lanes = new LinkedHashMap<>();
  private final Optional<BoundProgram> apply;
  private final Optional<BoundProgram> shift;
  private final ImmutableSet<String> parameters;
  private final ImmutableSet<String> trained;

  /** What is done with a batch. */
  private enum Kind {
    /** A whole step. */
    STEP,
    /** Adds to the gradients of the weights. */
    ACCUMULATE,
    /** The gradient by mixture weights alone. */
    MIXTURE_GRADIENT,
    EVALUATE
  }

  /** Batches of one length, and the programs that read them; these are made when first needed. */
  private final class Lane implements AutoCloseable {
    private final StepGraphs graphs;
    private final DeviceState tokens;
    private final Map<Kind, BoundProgram> programs = new EnumMap<>(Kind.class);

    Lane(int length) {
      int batch = plan.schedule().batch();
      this.graphs = StepGraphs.of(model, batch, length, plan.mixtures());
      TensorType type = TensorType.of(ElementType.INT64, batch, length);
      this.tokens =
          DeviceState.allocate(
              device, ImmutableMap.of(model.inputs().get(0).name(), type, "labels", type));
    }

    BoundProgram program(Kind kind) {
      return programs.computeIfAbsent(kind, this::open);
    }

    private BoundProgram open(Kind kind) {
      Recipe.Training schedule = plan.schedule();
      StepGraphs.Step step = step(kind);
      boolean evaluates = kind == Kind.EVALUATE;
      StepProgram program =
          StepProgram.of(
              step,
              device,
              evaluates ? Precision.FLOAT32 : schedule.precision(),
              evaluates ? 0 : schedule.memory(),
              config);
      return BoundProgram.open(
          device,
          name -> tokens.names().contains(name) ? tokens.get(name) : state.get(name),
          program,
          step.bindings());
    }

    private StepGraphs.Step step(Kind kind) {
      List<ParameterGroup> groups = plan.parameterGroups();
      return switch (kind) {
        case STEP -> graphs.step(groups, (float) plan.schedule().clip());
        case ACCUMULATE -> graphs.accumulate(groups);
        case MIXTURE_GRADIENT -> new StepGraphs.Step(graphs.mixtureGradient(), ImmutableList.of());
        case EVALUATE -> new StepGraphs.Step(graphs.evaluation(), ImmutableList.of());
      };
    }

    @Override
    public void close() {
      programs.values().forEach(BoundProgram::close);
      tokens.close();
    }
  }

  private TrainingSession(
      Device device,
      Graph model,
      TrainingPlan plan,
      SessionConfig config,
      DeviceState state,
      Optional<BoundProgram> apply,
      Optional<BoundProgram> shift,
      ImmutableSet<String> parameters,
      ImmutableSet<String> trained) {
    this.device = device;
    this.model = model;
    this.plan = plan;
    this.config = config;
    this.state = state;
    this.apply = apply;
    this.shift = shift;
    this.parameters = parameters;
    this.trained = trained;
  }

  /**
   * Puts a model on a device, with moments of zero, ready for batches of the plan's length.
   *
   * @param threads threads of a run
   * @throws dev.manticore.ir.ManticoreException {@code MNT-MEMORY} if a step cannot keep within the
   *     plan's budget of memory, with the least that would do
   */
  public static TrainingSession open(Device device, Graph model, TrainingPlan plan, int threads) {
    Recipe.Training schedule = plan.schedule();
    List<ParameterGroup> groups = plan.parameterGroups();
    ImmutableList<String> mixtures = plan.mixtures();
    Map<String, TensorType> types = new LinkedHashMap<>();
    model.parameters().keySet().stream()
        .filter(value -> !mixtures.contains(value.name()))
        .forEach(value -> types.put(value.name(), value.type()));
    ImmutableSet<String> names = ImmutableSet.copyOf(types.keySet());
    boolean secondOrder = plan.search().filter(TrainingPlan.Mixtures::secondOrder).isPresent();
    boolean accumulates = schedule.accumulation() > 1;
    Optional<StepGraphs.Step> applyGraph =
        accumulates
            ? Optional.of(StepGraphs.apply(types, groups, (float) schedule.clip()))
            : Optional.empty();
    Optional<StepGraphs.Step> shiftGraph =
        secondOrder ? Optional.of(StepGraphs.shift(types, groups)) : Optional.empty();
    ImmutableSet.Builder<String> trained = ImmutableSet.builder();
    groups.forEach(group -> trained.addAll(group.parameters()));
    for (String name : trained.build()) {
      types.put(FIRST + name, types.get(name));
      types.put(SECOND + name, types.get(name));
      if (accumulates || secondOrder) {
        types.put(SUM + name, types.get(name));
      }
      if (secondOrder) {
        types.put(SAVED + name, types.get(name));
      }
    }
    for (String name : mixtures) {
      TensorType weights = model.parameter(name).orElseThrow().type();
      types.put(StepGraphs.mixture(name), weights);
      types.put(StepGraphs.gradient(name), weights);
    }
    if (secondOrder) {
      types.put("shift", TensorType.of(ElementType.FLOAT32));
    }
    groups.forEach(
        group -> {
          types.put(
              "settings." + group.name(), TensorType.of(ElementType.FLOAT32, StepGraphs.SETTINGS));
          types.put("norm." + group.name(), TensorType.of(ElementType.FLOAT32));
        });
    types.put(StepGraphs.LOSS, TensorType.of(ElementType.FLOAT32));
    types.put(StepGraphs.SHARE, TensorType.of(ElementType.FLOAT32));
    DeviceState state = DeviceState.allocate(device, types);
    SessionConfig config = SessionConfig.defaults().withIntraOpThreads(threads);
    TrainingSession session =
        new TrainingSession(
            device,
            model,
            plan,
            config,
            state,
            applyGraph.map(graph -> open(graph, device, config, state)),
            shiftGraph.map(graph -> open(graph, device, config, state)),
            names,
            trained.build());
    session.kinds().forEach(session.lane(plan.length())::program);
    model
        .parameters()
        .forEach(
            (value, tensor) -> {
              if (names.contains(value.name())) {
                state.get(value.name()).write(tensor.data());
              }
            });
    session.resetMoments();
    return session;
  }

  /** Of a graph that reads no batch. */
  private static BoundProgram open(
      StepGraphs.Step step, Device device, SessionConfig config, DeviceState state) {
    return BoundProgram.open(
        device,
        state::get,
        StepProgram.of(step, device, Precision.FLOAT32, 0, config),
        step.bindings());
  }

  private Lane lane(int length) {
    return lanes.computeIfAbsent(length, Lane::new);
  }

  /** What is done with batches under this plan. */
  private Set<Kind> kinds() {
    Set<Kind> kinds = EnumSet.of(ofSteps(), Kind.EVALUATE);
    if (plan.search().filter(TrainingPlan.Mixtures::apart).isPresent()) {
      kinds.add(Kind.MIXTURE_GRADIENT);
    }
    if (shift.isPresent()) {
      kinds.add(Kind.ACCUMULATE);
    }
    return kinds;
  }

  private Kind ofSteps() {
    return apply.isPresent() ? Kind.ACCUMULATE : Kind.STEP;
  }

  private void resetMoments() {
    for (String name : trained) {
      state.get(FIRST + name).zero();
      state.get(SECOND + name).zero();
      if (state.names().contains(SUM + name)) {
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
    return step(step, step, batches).loss();
  }

  /** A mean loss, and its gradient by the mixture weights that are searched, [block][component]. */
  record Gradient(double loss, double[][] mixtures) {}

  /**
   * One step of the optimizer, where not every step is one of the weights.
   *
   * @param step of the schedule of the learning rate, counted from 0
   * @param earlier steps of the weights before this one
   */
  Gradient step(int step, int earlier, List<Batch> batches) {
    writeSettings(step, earlier + 1);
    Gradient gradient = mean(ofSteps(), batches);
    apply.ifPresent(
        program -> {
          program.run();
          zeroSums();
        });
    return gradient;
  }

  /** How steps of the plan's length keep within their budget of memory; empty if they have none. */
  public Optional<Recompute.Planned> memory() {
    return lane(plan.length()).program(ofSteps()).memory();
  }

  private void zeroSums() {
    trained.forEach(name -> state.get(SUM + name).zero());
  }

  /**
   * Does this with each batch, for means over all labels that count, of which batches have
   * different numbers.
   */
  private Gradient mean(Kind kind, List<Batch> batches) {
    long asked = batches.stream().mapToLong(Batch::asked).sum();
    double loss = 0;
    ImmutableList<String> names = plan.mixtures();
    double[][] gradient = new double[names.size()][];
    for (Batch batch : batches) {
      double share = batch.asked() / (double) asked;
      if (share == 0) {
        // Its loss is a mean of nothing.
        continue;
      }
      state.get(StepGraphs.SHARE).setFloats((float) share);
      loss += share * run(kind, batch);
      for (int block = 0; block < gradient.length; block++) {
        float[] more = state.get(StepGraphs.gradient(names.get(block))).toFloats();
        if (gradient[block] == null) {
          gradient[block] = new double[more.length];
        }
        for (int k = 0; k < more.length; k++) {
          gradient[block][k] += more[k];
        }
      }
    }
    return new Gradient(loss, gradient);
  }

  /** Sets the mixture weights that are searched, [block][component]. */
  void mix(double[][] weights) {
    for (int block = 0; block < weights.length; block++) {
      float[] narrow = new float[weights[block].length];
      for (int k = 0; k < narrow.length; k++) {
        narrow[k] = (float) weights[block][k];
      }
      state.get(StepGraphs.mixture(plan.mixtures().get(block))).setFloats(narrow);
    }
  }

  /** The gradient by the mixture weights; nothing is changed. */
  Gradient mixtureGradient(List<Batch> batches) {
    return mean(Kind.MIXTURE_GRADIENT, batches);
  }

  /**
   * The gradient by the mixture weights of the loss on held-out batches after a step of gradient
   * descent of the weights on training batches, through that step: DARTS, equations 6 to 8, with
   * its finite difference. Parameters are afterwards what they were.
   *
   * @param step of the schedule of the learning rate, which is the length of the step
   */
  Gradient secondOrderGradient(int step, List<Batch> training, List<Batch> heldOut) {
    trained.forEach(name -> state.get(SAVED + name).copyFrom(state.get(name)));
    double rate = plan.groups().get(0).learningRate() * plan.rateFactor(step);
    zeroSums();
    mean(Kind.ACCUMULATE, training);
    shift(-rate);
    zeroSums();
    Gradient after = mean(Kind.ACCUMULATE, heldOut);
    double norm = 0;
    for (String name : trained) {
      for (float value : state.get(SUM + name).toFloats()) {
        norm += (double) value * value;
      }
    }
    double distance = DIFFERENCE / Math.sqrt(norm);
    restoreWeights();
    if (!Double.isFinite(distance)) {
      zeroSums();
      return after;
    }
    shift(distance);
    double[][] above = mixtureGradient(training).mixtures();
    restoreWeights();
    shift(-distance);
    double[][] below = mixtureGradient(training).mixtures();
    restoreWeights();
    zeroSums();
    double factor = rate / (2 * distance);
    for (int block = 0; block < above.length; block++) {
      for (int k = 0; k < above[block].length; k++) {
        after.mixtures()[block][k] -= factor * (above[block][k] - below[block][k]);
      }
    }
    return after;
  }

  private void shift(double factor) {
    state.get("shift").setFloats((float) factor);
    this.shift.orElseThrow().run();
  }

  private void restoreWeights() {
    trained.forEach(name -> state.get(name).copyFrom(state.get(SAVED + name)));
  }

  private void writeSettings(int step, int count) {
    Recipe.Training schedule = plan.schedule();
    double factor = plan.rateFactor(step);
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

  /** The mean loss of a batch. */
  private double run(Kind kind, Batch batch) {
    Lane lane = lane(batch.length());
    lane.tokens.get(model.inputs().get(0).name()).setLongs(batch.inputs());
    lane.tokens.get("labels").setLongs(batch.labels());
    lane.program(kind).run();
    return state.get(StepGraphs.LOSS).toFloats()[0];
  }

  /**
   * The mean loss over the labels of a data set that count, in nats each.
   *
   * @param batches how many batches of it, from its start; 0 for all
   */
  public double evaluate(TokenDataset dataset, int batches) {
    return Evaluator.mean(
        dataset, batches, plan.schedule().batch(), batch -> run(Kind.EVALUATE, batch));
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
    lanes.values().forEach(Lane::close);
    apply.ifPresent(BoundProgram::close);
    shift.ifPresent(BoundProgram::close);
    state.close();
  }
}
