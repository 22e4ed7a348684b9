package dev.manticore.compiler.stages;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.pipeline.OutputDirectory;
import dev.manticore.compiler.pipeline.PrettyJson;
import dev.manticore.compiler.pipeline.StageRunner;
import dev.manticore.compiler.pipeline.StageStore;
import dev.manticore.compiler.pipeline.ToolVersion;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.training.TrainingRun;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.huggingface.Checkpoint;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.huggingface.WriteOptions;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.runtime.Device;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * Trains a model of a given configuration from scratch and writes it as a Hugging Face directory.
 *
 * <p>What is done is kept in a work directory beside the output until the output is there, so that
 * the same training, run again after an interruption, goes on; run again after its end, it finds
 * its result.
 */
public final class Pretraining {

  /** In every output: what the model was trained with and came to. */
  static final String RECORD = "pretraining.json";

  private static final String TOKENIZER = "tokenizer.json";
  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * What to train, on what, and how.
   *
   * @param config a Hugging Face {@code config.json}; the vocabulary is the tokenizer's where it
   *     names none
   * @param evaluateEvery steps between two evaluations
   * @param threads threads of a step, 0 for all cores
   * @param files how the model is written
   */
  public record Request(
      Path config,
      Recipe.Data data,
      Recipe.Training training,
      int evaluateEvery,
      int seed,
      int threads,
      WriteOptions files) {

    public Request {
      require("length", data.length(), 2);
      requireBetween("holdout", data.holdout(), 0, 1);
      require("steps", training.steps(), 0);
      require("batch", training.batch(), 1);
      require("accumulation", training.accumulation(), 1);
      requireBetween("learning-rate", training.learningRate(), 0, 10);
      requireFromZero("weight-decay", training.weightDecay());
      requireFromZero("clip", training.clip());
      require("warmup", training.warmup(), 0);
      require("evaluate-every", evaluateEvery, 1);
      require("threads", threads, 0);
    }

    private static void require(String name, int value, int least) {
      if (value < least) {
        throw wrong(name, Integer.toString(value), "at least " + least);
      }
    }

    private static void requireBetween(String name, double value, double above, double below) {
      if (!(value > above && value < below)) {
        throw wrong(name, Double.toString(value), "above " + above + " and below " + below);
      }
    }

    private static void requireFromZero(String name, double value) {
      if (!(value >= 0) || Double.isInfinite(value)) {
        throw wrong(name, Double.toString(value), "a number from 0 on");
      }
    }

    private static ManticoreException wrong(String name, String value, String allowed) {
      return new ManticoreException(
          "MNT-PRETRAIN", name + " is " + value + ", but should be " + allowed);
    }
  }

  /**
   * @param heldOutLoss over all held-out text after the last step, in nats a token; empty if no
   *     step was taken
   * @param tokens that were trained on, repetitions counted
   * @param parameters elements of all parameters
   */
  public record Result(OptionalDouble heldOutLoss, int steps, long tokens, long parameters) {}

  private final Request request;
  private final Path output;
  private final StageStore store;
  private final TokenizerStage tokenizer;
  private final PretrainStage training;

  /**
   * @param output the directory that the model becomes; one that holds an earlier result is
   *     replaced
   * @throws ManticoreException {@code MNT-CONFIG} or {@code MNT-DATA} when a file cannot be read
   */
  public Pretraining(Request request, Device device, Path output) {
    this.request = request;
    this.output = output.toAbsolutePath().normalize();
    this.store = new StageStore(OutputDirectory.sibling(this.output, "work"));
    Trainer trainer = Trainer.of(device, request.threads(), TrainingRun.CHECKPOINT_INTERVAL);
    Corpus corpus = new Corpus(request.data(), request.seed());
    this.tokenizer = new TokenizerStage(corpus, request.data().tokenizer());
    ModelConfig config = ModelConfig.read(request.config());
    this.training =
        new PretrainStage(
            trainer,
            corpus,
            tokenizer,
            new PretrainStage.Settings(
                config.json().path("model_type").asText("model"),
                config.toText(),
                request.training(),
                new Recipe.Evaluation(0, request.evaluateEvery()),
                request.seed(),
                values(config, request.training())));
  }

  private static ImmutableMap<String, String> values(ModelConfig config, Recipe.Training training) {
    ImmutableMap.Builder<String, String> values =
        ImmutableMap.<String, String>builder()
            .put("config", config.json().toString())
            .put("steps", Integer.toString(training.steps()))
            .put("batch", Integer.toString(training.batch()))
            .put("accumulation", Integer.toString(training.accumulation()))
            .put("learning_rate", Double.toString(training.learningRate()))
            .put("weight_decay", Double.toString(training.weightDecay()))
            .put("clip", Double.toString(training.clip()))
            .put("beta1", Double.toString(training.beta1()))
            .put("beta2", Double.toString(training.beta2()))
            .put("epsilon", Double.toString(training.epsilon()))
            .put("schedule", training.schedule().toString())
            .put("warmup", Integer.toString(training.warmup()));
    if (training.memory() > 0) {
      values.put("memory", Long.toString(training.memory()));
    }
    return values.buildOrThrow();
  }

  /**
   * Trains, or goes on training, and puts the model in its place.
   *
   * @throws ManticoreException {@code MNT-OUTPUT} when the output directory holds something else or
   *     cannot be written; {@code MNT-BUSY} when the same training is under way; {@code
   *     MNT-DIVERGED}; {@code MNT-VOCABULARY} when the tokenizer has more ids than the
   *     configuration; and what reading the data throws
   * @throws dev.manticore.compiler.progress.CancelledException when a stop was asked for
   */
  public Result run(Progress progress, Cancellation cancellation, Clock clock) {
    Optional<Result> earlier = earlier();
    if (earlier.isPresent()) {
      progress.stageReused(training.name(), 1, 1);
      return earlier.get();
    }
    Result result;
    try (OutputDirectory target = OutputDirectory.open(output, RECORD)) {
      StageRunner runner = new StageRunner(store, progress, cancellation, clock);
      runner.run(ImmutableList.of(tokenizer, training));
      result = publish(runner.result(training), target);
    }
    store.remove();
    return result;
  }

  private Result publish(Path trained, OutputDirectory target) {
    try {
      Checkpoint checkpoint = Checkpoint.read(trained);
      Models.write(target.staging(), checkpoint, checkpoint.tensors(), request.files());
      Files.copy(trained.resolve(TOKENIZER), target.staging().resolve(TOKENIZER));
      Recipe.Training schedule = request.training();
      Result result =
          new Result(
              Stages.heldOutLoss(trained.resolve(Stages.METRICS)),
              schedule.steps(),
              (long) schedule.steps()
                  * schedule.batch()
                  * schedule.accumulation()
                  * request.data().length(),
              checkpoint.tensors().values().stream()
                  .mapToLong(tensor -> tensor.shape().elementCount())
                  .sum());
      AtomicFiles.writeString(target.staging().resolve(RECORD), json(result));
      target.commit();
      return result;
    } catch (IOException e) {
      throw target.failure(e);
    }
  }

  private String identity() {
    String trained = String.valueOf(store.directoryOf(training).getFileName());
    return request.files().equals(WriteOptions.DEFAULT)
        ? trained
        : trained + " written with " + request.files();
  }

  private String json(Result result) {
    ObjectNode json = JSON.createObjectNode();
    json.put("manticore", ToolVersion.current());
    json.put("identity", identity());
    result.heldOutLoss().ifPresent(loss -> json.put("held_out_loss", loss));
    json.put("steps", result.steps());
    json.put("tokens", result.tokens());
    json.put("parameters", result.parameters());
    ObjectNode inputs = json.putObject("inputs");
    training.inputs().entries().forEach(inputs::put);
    return PrettyJson.text(json);
  }

  /** The result of the same training, when it is in its place. */
  private Optional<Result> earlier() {
    if (!Files.isRegularFile(output.resolve(TOKENIZER)) || !Checkpoint.isWholeIn(output)) {
      return Optional.empty();
    }
    try {
      JsonNode json = JSON.readTree(Files.readAllBytes(output.resolve(RECORD)));
      return json.path("identity").asText().equals(identity())
          ? Optional.of(
              new Result(
                  json.has("held_out_loss")
                      ? OptionalDouble.of(json.path("held_out_loss").asDouble())
                      : OptionalDouble.empty(),
                  json.path("steps").asInt(),
                  json.path("tokens").asLong(),
                  json.path("parameters").asLong()))
          : Optional.empty();
    } catch (IOException e) {
      // No record, or none that can be read: nothing is known of what is there.
      return Optional.empty();
    }
  }
}
