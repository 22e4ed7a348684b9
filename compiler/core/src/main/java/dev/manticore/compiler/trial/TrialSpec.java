package dev.manticore.compiler.trial;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.hash.Hashing;
import dev.manticore.compiler.experiment.Trial;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.ir.ManticoreException;

/**
 * What a trial trains on what: all that its outcome depends on.
 *
 * @param mixing how mixture weights are searched; null where a model has none
 * @param seed of the samples, of the initial weights and of the order of the samples
 */
public record TrialSpec(
    TaskSpec task,
    Architecture model,
    ModelSize size,
    Schedule training,
    @JsonInclude(JsonInclude.Include.NON_NULL) Mixing mixing,
    int seed) {

  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.98;
  private static final double EPSILON = 1e-8;

  /** Of the training data, for updates that have data of their own. */
  private static final double HELD_OUT = 0.1;

  private static final JsonMapper JSON =
      JsonMapper.builder()
          .enable(SerializationFeature.WRITE_ENUMS_USING_TO_STRING)
          .enable(DeserializationFeature.READ_ENUMS_USING_TO_STRING)
          .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
          .build();

  /**
   * Steps of AdamW with the MAD benchmark's decay rates, 0.9 and 0.98 (paper.md §4.2).
   *
   * @param weightDecay never of norms, biases, A_log, D and mixture weights
   * @param schedule of the learning rate, after as many steps of linear warm-up
   * @param enough the training ends once it has a validation loss on the way that is below this; 0
   *     for never
   */
  public record Schedule(
      int steps,
      int batch,
      double learningRate,
      double weightDecay,
      double clip,
      Recipe.Schedule schedule,
      int warmup,
      @JsonInclude(JsonInclude.Include.NON_DEFAULT) double enough) {

    /**
     * @throws ManticoreException {@code MNT-TRIAL} for a number that is out of its range
     */
    public Schedule {
      require(steps >= 1, "steps", steps, "1 at least");
      require(batch >= 1, "batch", batch, "1 at least");
      require(learningRate > 0 && learningRate <= 10, "learning rate", learningRate, "in (0, 10]");
      require(weightDecay >= 0 && weightDecay <= 10, "weight decay", weightDecay, "in [0, 10]");
      require(clip >= 0 && clip <= 1e6, "clip", clip, "in [0, 1e6]");
      require(warmup >= 0, "warm-up", warmup, "0 at least");
      require(enough >= 0 && enough <= 100, "loss that is enough", enough, "in [0, 100]");
    }

    private static void require(boolean holds, String what, double value, String range) {
      if (!holds) {
        throw new ManticoreException(
            "MNT-TRIAL", "the " + what + " of a training is " + value + ", but should be " + range);
      }
    }

    Schedule with(int steps, double rate) {
      return new Schedule(steps, batch, rate, weightDecay, clip, schedule, warmup, enough);
    }
  }

  /**
   * A search for mixture weights.
   *
   * @param warmup steps at the start in which mixture weights are not moved
   * @param warmupWeights what they are in these
   * @param temperature of the noise of dash; null of other methods
   */
  public record Mixing(
      Recipe.SearchMethod method,
      Recipe.SearchUpdates updates,
      double learningRate,
      int warmup,
      Recipe.WarmupWeights warmupWeights,
      @JsonInclude(JsonInclude.Include.NON_NULL) Recipe.Temperature temperature) {

    /**
     * @throws ManticoreException {@code MNT-TRIAL} for a search that a trial cannot make
     */
    public Mixing {
      if (method != Recipe.SearchMethod.DASH) {
        temperature = null;
      } else {
        Schedule.require(temperature.first() > 0, "temperature", temperature.first(), "above 0");
        Schedule.require(temperature.last() > 0, "temperature", temperature.last(), "above 0");
      }
      Schedule.require(warmup >= 0, "mixture weights' warm-up", warmup, "0 at least");
      if (method == Recipe.SearchMethod.GRID || method == Recipe.SearchMethod.RANDOM) {
        throw new ManticoreException(
            "MNT-TRIAL",
            "a trial is one training, and "
                + method
                + " search takes many; choose darts, gaea, dash or fixed, or search with a recipe");
      }
    }

    Mixing with(int steps, Recipe.WarmupWeights weights) {
      return new Mixing(method, updates, learningRate, steps, weights, temperature);
    }
  }

  /**
   * {@code task-model-seed-}, and a few digits that tell it from trials of other settings: they can
   * be in one directory.
   */
  public String id() {
    String all = Hashing.sha256().hashString(JSON.valueToTree(this).toString(), UTF_8).toString();
    return task.name() + "-" + model + "-" + seed + "-" + all.substring(0, 8);
  }

  /** What {@link #of} reads. */
  public Trial trial() {
    return new Trial(id(), JSON.valueToTree(this));
  }

  /**
   * @throws ManticoreException {@code MNT-TRIAL} if it is not the spec of such a trial
   */
  public static TrialSpec of(ObjectNode json) {
    try {
      return JSON.treeToValue(json, TrialSpec.class);
    } catch (JsonProcessingException e) {
      throw new ManticoreException(
          "MNT-TRIAL", "this is not the spec of a trial: " + e.getOriginalMessage(), e);
    }
  }

  /** The training, as a recipe would have it. */
  Recipe.Search search() {
    Recipe.Training steps =
        new Recipe.Training(
            training.steps(),
            training.batch(),
            1,
            training.learningRate(),
            training.weightDecay(),
            training.clip(),
            BETA1,
            BETA2,
            EPSILON,
            training.schedule(),
            training.warmup(),
            Precision.FLOAT32,
            0);
    Mixing chosen =
        mixing == null
            ? new Mixing(
                Recipe.SearchMethod.FIXED,
                Recipe.SearchUpdates.SIMULTANEOUS,
                0,
                0,
                Recipe.WarmupWeights.EQUAL,
                null)
            : mixing;
    return new Recipe.Search(
        chosen.method(),
        chosen.updates(),
        HELD_OUT,
        chosen.learningRate(),
        new Recipe.AlphaWarmup(chosen.warmup(), chosen.warmupWeights()),
        0,
        chosen.temperature() == null ? Recipe.Temperature.DEFAULT : chosen.temperature(),
        0,
        ImmutableList.of(),
        Recipe.Sampling.DEFAULT,
        Recipe.Discretisation.NONE,
        steps);
  }
}
