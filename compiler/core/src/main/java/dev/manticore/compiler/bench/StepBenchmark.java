package dev.manticore.compiler.bench;

import com.google.common.collect.ImmutableList;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.SpliceOptions;
import dev.manticore.compiler.hybrid.Splicer;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.memory.Recompute;
import dev.manticore.compiler.training.ParameterGroup;
import dev.manticore.compiler.training.StepGraphs;
import dev.manticore.compiler.training.StepProgram;
import dev.manticore.ir.Graph;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.runtime.Binding;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.DeviceState;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Times training steps and forwards of models with drawn weights on random tokens: each kind of
 * step is one graph and one run, with the state bound in place.
 */
public final class StepBenchmark {

  static final int HEAD_WIDTH = 32;

  private static final int WIDE_HEAD = 2 * HEAD_WIDTH;

  private static final int WINDOW = 256;
  private static final int STATES = 16;
  private static final int DUAL_STATES = 64;
  private static final int CONVOLUTION = 4;
  private static final long SEED = 0;
  private static final float CLIP = 1;
  private static final double LEARNING_RATE = 1e-3;
  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.999;
  private static final double EPSILON = 1e-8;
  private static final double DECAY = 0.01;

  private StepBenchmark() {}

  /**
   * How training steps run.
   *
   * @param precision of their matrix products
   * @param memory the most bytes that their values may take at a time, 0 for any number
   */
  public record Settings(Precision precision, long memory) {

    /** In float32, in as much memory as it takes. */
    public static final Settings DEFAULT = new Settings(Precision.FLOAT32, 0);
  }

  /** Builds the model, then takes training steps and forwards by turns; the best of each counts. */
  public static StepResult run(Device device, StepRequest request, Settings settings) {
    return run(
        device, request, settings, SessionConfig.defaults().withIntraOpThreads(request.threads()));
  }

  /** Where the time of a training step goes. */
  public static RunProfile profile(Device device, StepRequest request, Settings settings)
      throws IOException {
    Path directory = Files.createTempDirectory("manticore-profile");
    try {
      SessionConfig config =
          SessionConfig.defaults()
              .withIntraOpThreads(request.threads())
              .withProfilePrefix(directory.resolve("step").toString());
      RunProfile[] profile = new RunProfile[1];
      run(
          device,
          request,
          settings,
          config,
          (graph, trainer) ->
              profile[0] = RunProfile.read(trainer.finishProfile().orElseThrow(), graph));
      return profile[0];
    } finally {
      MoreFiles.deleteRecursively(directory, RecursiveDeleteOption.ALLOW_INSECURE);
    }
  }

  /** What a device runs for a training step. */
  static Graph trainingGraph(Device device, StepRequest request) {
    Graph model = model(request);
    return Lowering.forDevice(
        StepGraphs.of(model, request.batch(), request.length()).step(groups(model), CLIP).graph(),
        device);
  }

  /** Looks at the session of the training steps after the last of them. */
  private interface After {
    void see(Graph graph, ModelSession trainer) throws IOException;
  }

  static StepResult run(
      Device device, StepRequest request, Settings settings, SessionConfig config) {
    try {
      return run(device, request, settings, config, (graph, trainer) -> {});
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static StepResult run(
      Device device, StepRequest request, Settings settings, SessionConfig config, After after)
      throws IOException {
    Graph model = model(request);
    ImmutableList<ParameterGroup> groups = groups(model);
    StepGraphs graphs = StepGraphs.of(model, request.batch(), request.length());
    StepGraphs.Step step = graphs.step(groups, CLIP);
    StepProgram training =
        StepProgram.of(step, device, settings.precision(), settings.memory(), config);
    Graph forward = Lowering.forDevice(graphs.logits(), device);
    try (DeviceState state = DeviceState.allocate(device, types(training.graph(), forward));
        ModelSession trainer = training.open(device);
        ModelSession reader =
            ModelSession.open(device, OnnxExporter.toBytes(forward), config.withProfilePrefix(""));
        Binding trainingRun = trainer.bind().bindAll(state);
        Binding forwardRun = reader.bind().bindAll(state)) {
      model.parameters().forEach((value, tensor) -> state.get(value.name()).write(tensor.data()));
      step.bindings()
          .forEach(bound -> trainingRun.bindOutput(bound.output(), state.get(bound.input())));
      StepResult result = time(request, groups, state, trainingRun, forwardRun);
      after.see(training.graph(), trainer);
      return result;
    }
  }

  /**
   * Builds the model and takes training steps alone.
   *
   * @return the best of the steps, and the memory of all
   */
  static LengthResult train(Device device, StepRequest request, Settings settings) {
    Graph model = model(request);
    ImmutableList<ParameterGroup> groups = groups(model);
    StepGraphs.Step step =
        StepGraphs.of(model, request.batch(), request.length()).step(groups, CLIP);
    StepProgram training =
        StepProgram.of(
            step,
            device,
            settings.precision(),
            settings.memory(),
            SessionConfig.defaults().withIntraOpThreads(request.threads()));
    try (DeviceState state = DeviceState.allocate(device, types(training.graph()));
        ModelSession trainer = training.open(device);
        Binding run = trainer.bind().bindAll(state)) {
      model.parameters().forEach((value, tensor) -> state.get(value.name()).write(tensor.data()));
      step.bindings().forEach(bound -> run.bindOutput(bound.output(), state.get(bound.input())));
      SplittableRandom random = new SplittableRandom(SEED);
      double best = Double.POSITIVE_INFINITY;
      long begin = System.nanoTime();
      int steps = 0;
      while (goesOn(request, steps, begin)) {
        steps++;
        long start = System.nanoTime();
        write(request, groups, state, random, steps);
        run.run();
        best = Math.min(best, System.nanoTime() - start);
      }
      return new LengthResult(
          request.length(),
          steps,
          best / 1e6,
          training.plan().map(Recompute.Planned::bytes),
          training.plan().map(Recompute.Planned::recomputed),
          trainer.peakBytes().orElse(0),
          peakRssMebibytes(),
          state.get("loss").toFloats()[0]);
    }
  }

  private static boolean goesOn(StepRequest request, int steps, long begin) {
    return steps == 0
        || steps < request.steps() && System.nanoTime() - begin < request.limit().toNanos();
  }

  /** Puts a batch of random tokens and the optimizer's settings where a step reads them. */
  private static void write(
      StepRequest request,
      List<ParameterGroup> groups,
      DeviceState state,
      SplittableRandom random,
      int step) {
    long[] ids =
        random.longs((long) request.batch() * request.length(), 0, request.vocabulary()).toArray();
    state.get("input_ids").setLongs(ids);
    state.get("labels").setLongs(labels(ids, request.length()));
    for (ParameterGroup group : groups) {
      state.get("settings." + group.name()).setFloats(settings(step));
    }
  }

  private static StepResult time(
      StepRequest request,
      List<ParameterGroup> groups,
      DeviceState state,
      Binding trainingRun,
      Binding forwardRun) {
    SplittableRandom random = new SplittableRandom(SEED);
    double training = Double.POSITIVE_INFINITY;
    double forward = Double.POSITIVE_INFINITY;
    long begin = System.nanoTime();
    int step = 0;
    while (goesOn(request, step, begin)) {
      step++;
      long start = System.nanoTime();
      write(request, groups, state, random, step);
      trainingRun.run();
      long between = System.nanoTime();
      forwardRun.run();
      training = Math.min(training, between - start);
      forward = Math.min(forward, System.nanoTime() - between);
    }
    double tokens = 1e9 * request.batch() * request.length();
    return new StepResult(
        tokens / training,
        training / 1e6,
        tokens / forward,
        peakRssMebibytes(),
        state.get("loss").toFloats()[0],
        step);
  }

  /** The next token of each; none for the last of a sequence. */
  static long[] labels(long[] ids, int length) {
    long[] labels = new long[ids.length];
    for (int i = 0; i < labels.length; i++) {
      labels[i] = i % length == length - 1 ? -100 : ids[i + 1];
    }
    return labels;
  }

  private static float[] settings(int step) {
    return new float[] {
      (float) LEARNING_RATE,
      (float) BETA1,
      (float) BETA2,
      (float) EPSILON,
      (float) DECAY,
      (float) (1 - Math.pow(BETA1, step)),
      (float) (1 - Math.pow(BETA2, step))
    };
  }

  private static Map<String, TensorType> types(Graph training, Graph forward) {
    Map<String, TensorType> types = types(training);
    forward.outputs().forEach(output -> types.put(output.name(), output.type()));
    return types;
  }

  private static Map<String, TensorType> types(Graph training) {
    Map<String, TensorType> types = new LinkedHashMap<>();
    training.inputs().forEach(input -> types.put(input.name(), input.type()));
    training.outputs().stream()
        .filter(output -> output.name().equals("loss") || output.name().startsWith("norm."))
        .forEach(output -> types.put(output.name(), output.type()));
    return types;
  }

  static Graph model(StepRequest request) {
    return switch (request.model()) {
      case GPT2 -> gpt2(request);
      case GPT_NEO -> gptNeo(request);
      case MAMBA -> mamba(request);
      case MAMBA2 -> mamba2(request);
      case HYBRID -> {
        Component mamba = ComponentFinder.find("mamba", mamba(request));
        Component gptNeo = ComponentFinder.find("gpt-neo", gptNeo(request));
        SpliceOptions options =
            new SpliceOptions(
                1,
                SpliceOptions.Gates.TIED,
                SpliceOptions.ProjectorInitialisation.PAPER,
                SpliceOptions.Embeddings.FRESH,
                ImmutableList.of(),
                request.vocabulary(),
                SEED);
        yield Splicer.splice(List.of(mamba, gptNeo), options).graph();
      }
    };
  }

  /** Heads are of the width that published models have, where that divides the model's. */
  private static Graph gpt2(StepRequest request) {
    String config =
        """
        {"model_type": "gpt2", "vocab_size": %d, "n_embd": %d, "n_layer": %d, "n_head": %d,
         "n_positions": %d}
        """
            .formatted(
                request.vocabulary(),
                request.width(),
                request.layers(),
                request.width() / (request.width() % WIDE_HEAD == 0 ? WIDE_HEAD : HEAD_WIDTH),
                request.length());
    return Models.fresh("gpt2", ModelConfig.parse("the benchmark's GPT-2", config), SEED);
  }

  private static Graph gptNeo(StepRequest request) {
    String config =
        """
        {"model_type": "gpt_neo", "vocab_size": %d, "hidden_size": %d, "num_layers": %d,
         "num_heads": %d, "max_position_embeddings": %d, "window_size": %d}
        """
            .formatted(
                request.vocabulary(),
                request.width(),
                request.layers(),
                request.width() / HEAD_WIDTH,
                request.length(),
                WINDOW);
    return Models.fresh("gpt-neo", ModelConfig.parse("the benchmark's GPT-Neo", config), SEED);
  }

  private static Graph mamba(StepRequest request) {
    String config =
        """
        {"model_type": "mamba", "vocab_size": %d, "hidden_size": %d, "num_hidden_layers": %d,
         "state_size": %d, "conv_kernel": %d, "expand": 2, "time_step_rank": %d}
        """
            .formatted(
                request.vocabulary(),
                request.width(),
                request.layers(),
                STATES,
                CONVOLUTION,
                request.width() / 16);
    return Models.fresh("mamba", ModelConfig.parse("the benchmark's Mamba", config), SEED);
  }

  private static Graph mamba2(StepRequest request) {
    String config =
        """
        {"model_type": "mamba2", "vocab_size": %d, "hidden_size": %d, "num_hidden_layers": %d,
         "state_size": %d, "conv_kernel": %d, "expand": 2, "head_dim": %d, "n_groups": 1,
         "tie_word_embeddings": true}
        """
            .formatted(
                request.vocabulary(),
                request.width(),
                request.layers(),
                DUAL_STATES,
                CONVOLUTION,
                2 * HEAD_WIDTH);
    return Models.fresh("mamba2", ModelConfig.parse("the benchmark's Mamba-2", config), SEED);
  }

  /** Mixture weights apart from all else; decay for matrices, tables and convolutions. */
  static ImmutableList<ParameterGroup> groups(Graph model) {
    ImmutableList.Builder<String> decayed = ImmutableList.builder();
    ImmutableList.Builder<String> plain = ImmutableList.builder();
    ImmutableList.Builder<String> mixture = ImmutableList.builder();
    for (Value parameter : model.parameters().keySet()) {
      String name = parameter.name();
      if (Hybrid.isAlpha(name)) {
        mixture.add(name);
      } else if (parameter.shape().rank() > 1 && !name.endsWith("A_log")) {
        decayed.add(name);
      } else {
        plain.add(name);
      }
    }
    ParameterGroup weights = new ParameterGroup("weights", decayed.build(), plain.build());
    ImmutableList<String> alphas = mixture.build();
    return alphas.isEmpty()
        ? ImmutableList.of(weights)
        : ImmutableList.of(weights, new ParameterGroup("mixture", ImmutableList.of(), alphas));
  }

  private static long peakRssMebibytes() {
    try {
      return Files.readAllLines(Path.of("/proc/self/status")).stream()
          .filter(line -> line.startsWith("VmHWM:"))
          .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) / 1024)
          .findFirst()
          .orElse(0);
    } catch (IOException e) {
      return 0;
    }
  }
}
