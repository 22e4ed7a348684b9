package dev.manticore.compiler.training;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.base.Ticker;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Iterables;
import com.google.common.collect.Maps;
import com.google.common.hash.Hashing;
import com.google.common.primitives.Doubles;
import com.google.common.primitives.Floats;
import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.data.BatchSampler;
import dev.manticore.compiler.data.DatasetSplit;
import dev.manticore.compiler.data.TokenDataset;
import dev.manticore.compiler.pipeline.PrettyJson;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.MemoryReport;
import dev.manticore.compiler.progress.MetricRecord;
import dev.manticore.compiler.progress.MetricsWriter;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.progress.StepMeter;
import dev.manticore.compiler.search.Simplex;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import dev.manticore.onnx.safetensors.SafetensorsWriter;
import dev.manticore.runtime.Device;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Trains a model to the end of its plan, from wherever an interrupted run of the same plan left
 * off: the checkpoint holds parameters, moments, the place in the data and the step. On the CPU a
 * run that was interrupted ends with the same bytes as one that was not.
 */
public final class TrainingRun {

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String STATE = "state.json";

  /** The code of the exception of a loss that is not finite. */
  public static final String DIVERGED = "MNT-DIVERGED";

  /** Time between two checkpoints, unless told otherwise. */
  public static final Duration CHECKPOINT_INTERVAL = Duration.ofSeconds(15);

  private final Request request;
  private final Path directory;
  private final String configuration;

  /**
   * What a run needs.
   *
   * @param stage the stage, run and seed that its metrics name
   * @param model its parameters are the ones to start from
   * @param slices more data sets that the trained model is measured on, by name
   * @param alphas parameters whose softmax is recorded, one a block; may be empty
   * @param evaluateEvery steps between two evaluations; 0 for at the end only
   * @param evaluationBatches batches of an evaluation, 0 for all; the last one always takes all
   * @param enough the run ends once an evaluation on the way gives a loss below this; 0 for never
   * @param threads threads of a step
   */
  public record Request(
      String stage,
      String run,
      int seed,
      Graph model,
      TrainingPlan plan,
      DatasetSplit data,
      ImmutableMap<String, TokenDataset> slices,
      ImmutableList<String> alphas,
      int evaluateEvery,
      int evaluationBatches,
      double enough,
      Device device,
      int threads) {}

  /**
   * What hears of a run, what may stop it, and how often it is saved.
   *
   * @param checkpointInterval time between two checkpoints
   */
  public record Surroundings(
      Progress progress,
      Optional<MetricsWriter> metrics,
      Cancellation cancellation,
      Duration checkpointInterval) {}

  /**
   * @param steps that were taken; fewer than planned where an early end was asked for
   * @param heldOutLoss over all held-out data after the last step, in nats a token
   * @param slices the same over each of the request's slices
   */
  public record Result(int steps, double heldOutLoss, ImmutableMap<String, Double> slices) {}

  private TrainingRun(Request request, Path directory) {
    this.request = request;
    this.directory = directory;
    this.configuration =
        Hashing.sha256()
            .hashString(
                request.plan()
                    + types(request.model())
                    + request.run()
                    + request.seed()
                    + request.data().training().hash()
                    + request.threads(),
                StandardCharsets.UTF_8)
            .toString();
  }

  private static String types(Graph model) {
    return model.parameters().keySet().stream()
        .map(parameter -> parameter.name() + parameter.type())
        .collect(Collectors.joining(" "));
  }

  /** The number of steps that an interrupted run in this directory has done; 0 if there is none. */
  public static int stepsDone(Path directory) {
    return readState(directory).map(state -> state.path("step").asInt()).orElse(0);
  }

  /**
   * @param directory where checkpoints are kept; it may hold those of an interrupted run
   * @param parameters where the trained parameters are written, a safetensors file
   * @throws ManticoreException if the loss is not finite, or the checkpoint belongs to another run
   */
  public static Result run(
      Request request, Path directory, Path parameters, Surroundings surroundings) {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-WRITE", directory + " cannot be made: " + e.getMessage(), e);
    }
    return new TrainingRun(request, directory).run(parameters, surroundings);
  }

  private Result run(Path parameters, Surroundings around) {
    TrainingPlan plan = request.plan();
    int steps = plan.schedule().steps();
    try (TrainingSession session =
        TrainingSession.open(request.device(), request.model(), plan, request.threads())) {
      String run = request.run() + ", seed " + request.seed();
      session
          .memory()
          .ifPresent(
              memory ->
                  around
                      .progress()
                      .memoryPlanned(
                          new MemoryReport(
                              run,
                              memory.bytes(),
                              memory.keptBytes(),
                              memory.recomputed(),
                              memory.recomputation())));
      Optional<SearchSteps> search =
          plan.search().map(mixtures -> new SearchSteps(plan, request.seed()));
      Resumed resumed = restore(session, search);
      List<BatchSampler> samplers = samplers(resumed);
      StepMeter meter = new StepMeter(Ticker.systemTicker(), run, resumed.step(), steps);
      long tokens = tokens(samplers);
      if (resumed.step() == 0) {
        evaluate(session, search, samplers, 0, request.evaluationBatches(), around);
      }
      long saved = System.nanoTime();
      int end = resumed.step();
      for (int step = end; step < steps && !isSettled(search, step); step++) {
        if (around.cancellation().isRequested()) {
          save(session, search, samplers, step);
          around.cancellation().throwIfRequested();
        }
        if (System.nanoTime() - saved > around.checkpointInterval().toNanos()
            && step > resumed.step()) {
          save(session, search, samplers, step);
          saved = System.nanoTime();
        }
        double loss = step(session, search, samplers, step);
        if (!Double.isFinite(loss)) {
          throw diverged(step, loss);
        }
        int done = step + 1;
        end = done;
        long before = tokens;
        tokens = tokens(samplers);
        around.progress().step(meter.step(done, loss, tokens - before));
        record(session, search, samplers, done, MetricRecord.Split.TRAIN, loss, around);
        if (done < steps && request.evaluateEvery() > 0 && done % request.evaluateEvery() == 0) {
          meter.pause();
          double reached =
              evaluate(session, search, samplers, done, request.evaluationBatches(), around);
          meter.resume();
          if (reached < request.enough()) {
            break;
          }
        }
      }
      double heldOut = evaluate(session, search, samplers, end, 0, around);
      if (!Double.isFinite(heldOut)) {
        throw diverged(end, heldOut);
      }
      ImmutableMap.Builder<String, Double> slices = ImmutableMap.builder();
      request.slices().forEach((name, slice) -> slices.put(name, session.evaluate(slice, 0)));
      Map<String, Tensor> tensors = new LinkedHashMap<>(session.parameters());
      search.ifPresent(found -> tensors.putAll(found.alphas()));
      SafetensorsWriter.write(parameters, tensors, Map.of("format", "pt"));
      return new Result(end, heldOut, slices.buildOrThrow());
    }
  }

  /** All that was read, of data for the mixture weights alone too. */
  private static long tokens(List<BatchSampler> samplers) {
    return samplers.stream().mapToLong(BatchSampler::tokens).sum();
  }

  /** Of the data to train on; where mixture weights have data of their own, of that too. */
  private List<BatchSampler> samplers(Resumed resumed) {
    TrainingPlan plan = request.plan();
    TokenDataset training = request.data().training();
    List<TokenDataset> parts =
        plan.search()
            .filter(TrainingPlan.Mixtures::bilevel)
            .map(mixtures -> training.parts(mixtures.settings().heldOut()))
            .orElse(ImmutableList.of(training));
    List<BatchSampler> samplers = new ArrayList<>();
    for (int i = 0; i < parts.size(); i++) {
      BatchSampler.State state =
          i < resumed.samplers().size()
              ? resumed.samplers().get(i)
              : BatchSampler.State.start(request.seed());
      samplers.add(new BatchSampler(parts.get(i), plan.schedule().batch(), state));
    }
    return samplers;
  }

  private static boolean isSettled(Optional<SearchSteps> search, int done) {
    return search.filter(steps -> steps.isSettled(done)).isPresent();
  }

  private double step(
      TrainingSession session,
      Optional<SearchSteps> search,
      List<BatchSampler> samplers,
      int step) {
    if (search.isEmpty()) {
      return session.step(step, next(samplers.get(0)));
    }
    return search
        .get()
        .take(session, step, () -> next(samplers.get(0)), () -> next(Iterables.getLast(samplers)));
  }

  private List<Batch> next(BatchSampler sampler) {
    List<Batch> batches = new ArrayList<>();
    for (int i = 0; i < request.plan().schedule().accumulation(); i++) {
      batches.add(sampler.next());
    }
    return batches;
  }

  private ManticoreException diverged(int step, double loss) {
    int last = stepsDone(directory);
    return new ManticoreException(
        DIVERGED,
        "training of "
            + request.run()
            + " diverged: the loss is "
            + loss
            + " at step "
            + step
            + "; "
            + (last == 0
                ? "there is no checkpoint yet"
                : "the checkpoint of step " + last + " is kept in " + directory)
            + ". Lower the learning rate, or set clip");
  }

  private double evaluate(
      TrainingSession session,
      Optional<SearchSteps> search,
      List<BatchSampler> samplers,
      int step,
      int batches,
      Surroundings around) {
    search.ifPresent(steps -> steps.evaluateWith(session));
    double loss = session.evaluate(request.data().heldOut(), batches);
    record(session, search, samplers, step, MetricRecord.Split.HELD_OUT, loss, around);
    return loss;
  }

  private void record(
      TrainingSession session,
      Optional<SearchSteps> search,
      List<BatchSampler> samplers,
      int step,
      MetricRecord.Split split,
      double loss,
      Surroundings around) {
    if (around.metrics().isEmpty()) {
      return;
    }
    TrainingPlan plan = request.plan();
    ImmutableList.Builder<ImmutableList<Double>> alpha = ImmutableList.builder();
    if (search.isPresent()) {
      for (double[] weights : search.get().weights()) {
        alpha.add(ImmutableList.copyOf(Doubles.asList(weights)));
      }
    } else {
      request.alphas().forEach(name -> alpha.add(softmax(session.parameter(name))));
    }
    double rate =
        split == MetricRecord.Split.TRAIN
            ? plan.groups().get(0).learningRate() * plan.rateFactor(step - 1)
            : 0;
    around
        .metrics()
        .get()
        .write(
            new MetricRecord(
                request.stage(),
                request.run(),
                request.seed(),
                step,
                split,
                loss,
                alpha.build(),
                rate,
                tokens(samplers)));
  }

  /** Mixture weights of their logits. */
  public static ImmutableList<Double> softmax(float[] logits) {
    return ImmutableList.copyOf(
        Doubles.asList(
            Simplex.softmax(Floats.asList(logits).stream().mapToDouble(x -> x).toArray())));
  }

  private record Resumed(int step, List<BatchSampler.State> samplers) {}

  private Resumed restore(TrainingSession session, Optional<SearchSteps> search) {
    Optional<JsonNode> state = readState(directory);
    if (state.isEmpty()) {
      return new Resumed(0, List.of());
    }
    JsonNode json = state.get();
    if (!json.path("configuration").asText().equals(configuration)) {
      throw new ManticoreException(
          "MNT-RESUME",
          directory
              + " holds the checkpoint of another run (other settings, data, seed or threads); remove it to start anew");
    }
    Map<String, Tensor> tensors =
        SafetensorsFile.open(directory.resolve(json.path("tensors").asText())).tensors();
    session.restore(Maps.filterKeys(tensors, name -> !SearchSteps.isOfSearch(name)));
    search.ifPresent(steps -> steps.restore(tensors));
    List<BatchSampler.State> samplers = new ArrayList<>();
    for (JsonNode sampler : json.path("samplers")) {
      samplers.add(
          new BatchSampler.State(
              sampler.path("seed").asLong(),
              sampler.path("epoch").asLong(),
              sampler.path("cursor").asInt()));
    }
    return new Resumed(json.path("step").asInt(), samplers);
  }

  private static Optional<JsonNode> readState(Path directory) {
    Path file = directory.resolve(STATE);
    if (!Files.exists(file)) {
      return Optional.empty();
    }
    try {
      return Optional.of(JSON.readTree(Files.readAllBytes(file)));
    } catch (IOException e) {
      throw new ManticoreException("MNT-RESUME", file + " cannot be read: " + e.getMessage(), e);
    }
  }

  /**
   * Tensors first, then the state that names them: a kill in between leaves the checkpoint before.
   */
  private void save(
      TrainingSession session,
      Optional<SearchSteps> search,
      List<BatchSampler> samplers,
      int step) {
    String tensors = "checkpoint-" + step + ".safetensors";
    Map<String, Tensor> kept = new LinkedHashMap<>(session.checkpoint());
    search.ifPresent(steps -> kept.putAll(steps.checkpoint()));
    SafetensorsWriter.write(directory.resolve(tensors), kept, Map.of());
    ObjectNode state = JSON.createObjectNode();
    state.put("step", step);
    state.put("configuration", configuration);
    state.put("tensors", tensors);
    ArrayNode places = state.putArray("samplers");
    for (BatchSampler sampler : samplers) {
      places
          .addObject()
          .put("seed", sampler.state().seed())
          .put("epoch", sampler.state().epoch())
          .put("cursor", sampler.state().cursor());
    }
    AtomicFiles.writeString(directory.resolve(STATE), PrettyJson.text(state));
    try (Stream<Path> files = Files.list(directory)) {
      for (Path file : files.toList()) {
        String name = file.getFileName().toString();
        if (name.startsWith("checkpoint-") && !name.equals(tensors)) {
          Files.delete(file);
        }
      }
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-WRITE", "old checkpoints cannot be removed: " + e.getMessage(), e);
    }
  }
}
