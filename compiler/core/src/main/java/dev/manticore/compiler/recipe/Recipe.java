package dev.manticore.compiler.recipe;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import com.google.common.math.LongMath;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.hybrid.SpliceOptions.Gates;
import dev.manticore.compiler.hybrid.SpliceOptions.LayerRange;
import dev.manticore.compiler.hybrid.SpliceOptions.ProjectorInitialisation;
import dev.manticore.compiler.lower.DecodeLimits;
import dev.manticore.compiler.lower.Deployment;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.lower.Target;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * What to build: components, how they are spliced, data, training of projectors, search, tuning and
 * checks. All values are set and checked; paths are absolute.
 *
 * @param name names the hybrid and its output directory
 * @param seed base seed; repetition r uses {@code seed + r}
 * @param seeds repetitions of search and tuning
 * @param threads threads of a training step, 0 for all cores
 * @param device what the training runs on, {@code cpu} or {@code cuda:N}
 * @param components at least two, names distinct
 * @param projectors their training before the search, if there is one
 */
public record Recipe(
    String name,
    int seed,
    int seeds,
    int threads,
    String device,
    ImmutableList<Component> components,
    Splice splice,
    Data data,
    Optional<ProjectorTraining> projectors,
    Search search,
    Training tune,
    Evaluation evaluate,
    Comparison compare,
    Output output) {

  public Recipe {
    requireNonNull(name, "name");
    requireNonNull(device, "device");
    checkArgument(components.size() >= 2, "components: at least two are needed");
    requireNonNull(splice, "splice");
    requireNonNull(data, "data");
    requireNonNull(projectors, "projectors");
    requireNonNull(search, "search");
    requireNonNull(tune, "tune");
    requireNonNull(evaluate, "evaluate");
    requireNonNull(compare, "compare");
    requireNonNull(output, "output");
  }

  Recipe withThreads(int changed) {
    return new Recipe(
        name,
        seed,
        seeds,
        changed,
        device,
        components,
        splice,
        data,
        projectors,
        search,
        tune,
        evaluate,
        compare,
        output);
  }

  /** The steps that the recipe trains the hybrid for, those of its projectors included. */
  public int hybridSteps() {
    return projectors.map(ProjectorTraining::training).map(Training::steps).orElse(0)
        + search.training().steps()
        + tune.steps();
  }

  /** A model that takes part. */
  public record Component(String name, ComponentSource source) {
    public Component {
      requireNonNull(name, "name");
      requireNonNull(source, "source");
    }
  }

  /** Where a component's weights come from. */
  public sealed interface ComponentSource {}

  /**
   * A pretrained model.
   *
   * @param place a Hugging Face directory, or an exported model: an {@code .onnx} file
   */
  public record Pretrained(Path place) implements ComponentSource {
    public Pretrained {
      requireNonNull(place, "place");
    }

    /** Where the files lie that belong to it. */
    public Path directory() {
      return Files.isDirectory(place) ? place : place.toAbsolutePath().getParent();
    }
  }

  /**
   * A model to train from scratch on the recipe's data.
   *
   * @param configuration a Hugging Face {@code config.json} as JSON text; infinities are bare
   *     {@code Infinity} as Hugging Face writes them
   */
  public record FromScratch(String configuration, Training training) implements ComponentSource {
    public FromScratch {
      requireNonNull(configuration, "configuration");
      requireNonNull(training, "training");
    }
  }

  /**
   * How components are joined.
   *
   * @param partition for each component the layer range of each block; empty for even cuts
   */
  public record Splice(
      int blocks,
      Gates gates,
      Projector projector,
      Embeddings embeddings,
      ImmutableList<ImmutableList<LayerRange>> partition) {
    public Splice {
      requireNonNull(gates, "gates");
      requireNonNull(projector, "projector");
      requireNonNull(embeddings, "embeddings");
      requireNonNull(partition, "partition");
    }
  }

  /**
   * The maps between a component's width and the common width.
   *
   * @param from a directory of trained ones to start from, instead of the initialisation
   */
  public record Projector(
      ProjectorKind kind, ProjectorInitialisation initialisation, Optional<Path> from) {
    public Projector {
      requireNonNull(kind, "kind");
      requireNonNull(initialisation, "initialisation");
      requireNonNull(from, "from");
    }
  }

  /** The form of a projector. */
  public enum ProjectorKind {
    /** One matrix and a bias. */
    LINEAR
  }

  /**
   * Text, its tokenizer and its cut into sequences.
   *
   * @param length tokens of a sequence
   * @param holdout share of the text held out, between 0 and 1
   * @param test share of what is held out that is measured on only once, at the end; 0 for none
   */
  public record Data(
      DataSource source,
      TokenizerSource tokenizer,
      int length,
      int buckets,
      double holdout,
      double test) {
    public Data {
      requireNonNull(source, "source");
      requireNonNull(tokenizer, "tokenizer");
    }
  }

  /** Where text comes from. */
  public sealed interface DataSource {}

  /** Text of this project's generator of that name. */
  public record Generated(String generator, int characters, int seed) implements DataSource {
    public Generated {
      requireNonNull(generator, "generator");
    }
  }

  /** A UTF-8 text file. */
  public record TextFile(Path file) implements DataSource {
    public TextFile {
      requireNonNull(file, "file");
    }
  }

  /** A file of one JSON object a line, of which the string fields named are read in order. */
  public record JsonLines(Path file, ImmutableList<String> fields) implements DataSource {
    public JsonLines {
      requireNonNull(file, "file");
      checkArgument(!fields.isEmpty(), "fields is empty");
    }
  }

  /**
   * A file of one JSON object a line, of which a model learns to say the response to the prompt.
   */
  public record InstructionFile(Path file, String prompt, String response, String separator)
      implements DataSource {
    public InstructionFile {
      requireNonNull(file, "file");
      requireNonNull(prompt, "prompt");
      requireNonNull(response, "response");
      requireNonNull(separator, "separator");
    }
  }

  /** Where the tokenizer comes from. */
  public sealed interface TokenizerSource {}

  /** The {@code tokenizer.json} of the first component that is {@link Pretrained}. */
  public record TokenizerOfComponent(Path file) implements TokenizerSource {
    public TokenizerOfComponent {
      requireNonNull(file, "file");
    }
  }

  /** A {@code tokenizer.json} of the user's. */
  public record TokenizerFile(Path file) implements TokenizerSource {
    public TokenizerFile {
      requireNonNull(file, "file");
    }
  }

  /** A byte-level BPE tokenizer to be trained on the training part of the data. */
  public record TrainedTokenizer(int vocabulary) implements TokenizerSource {}

  /**
   * A run of the optimizer.
   *
   * @param memory the most bytes that values of a step may take at a time, 0 for any number
   */
  public record Training(
      int steps,
      int batch,
      int accumulation,
      double learningRate,
      double weightDecay,
      double clip,
      double beta1,
      double beta2,
      double epsilon,
      Schedule schedule,
      int warmup,
      Precision precision,
      long memory) {
    public Training {
      requireNonNull(schedule, "schedule");
      requireNonNull(precision, "precision");
    }

    /** The same for other steps; a warm-up is cut to them. */
    public Training withSteps(int changed) {
      return new Training(
          changed,
          batch,
          accumulation,
          learningRate,
          weightDecay,
          clip,
          beta1,
          beta2,
          epsilon,
          schedule,
          Math.min(warmup, changed),
          precision,
          memory);
    }
  }

  /** The learning rate after the warm-up. */
  public enum Schedule {
    LINEAR,
    COSINE,
    CONSTANT
  }

  /** The training of what a hybrid adds to its components, which are frozen. */
  public record ProjectorTraining(ProjectorMixture mixture, Training training) {
    public ProjectorTraining {
      requireNonNull(mixture, "mixture");
      requireNonNull(training, "training");
    }
  }

  /** What mixture weights are while projectors are trained. */
  public enum ProjectorMixture {
    /** Equal shares. */
    EQUAL,
    /** Trained along, and dropped afterwards. */
    TRAINED
  }

  /**
   * The search for the mixture weights.
   *
   * @param updates which steps move mixture weights, and on what
   * @param heldOut share of the training data that mixture weights alone see, or are judged on,
   *     where they are
   * @param alphaLearningRate step size of the mixture weights
   * @param alphaWarmup how all else is trained before mixture weights are moved
   * @param entropy what the entropy of each block's mixture weights adds to the loss, in nats of
   *     loss a nat of entropy
   * @param temperature of {@link SearchMethod#DASH}
   * @param settled the search ends once no mixture weight has changed by more than this over a
   *     tenth of its steps; 0 for never
   * @param weights of {@link SearchMethod#FIXED}, for each block one a component; empty for equal
   *     shares
   * @param sampling of {@link SearchMethod#GRID} and {@link SearchMethod#RANDOM}
   * @param discretisation what is made of the weights found
   */
  public record Search(
      SearchMethod method,
      SearchUpdates updates,
      double heldOut,
      double alphaLearningRate,
      AlphaWarmup alphaWarmup,
      double entropy,
      Temperature temperature,
      double settled,
      ImmutableList<ImmutableList<Double>> weights,
      Sampling sampling,
      Discretisation discretisation,
      Training training) {
    public Search {
      requireNonNull(alphaWarmup, "alphaWarmup");
      requireNonNull(method, "method");
      requireNonNull(updates, "updates");
      requireNonNull(temperature, "temperature");
      requireNonNull(weights, "weights");
      requireNonNull(sampling, "sampling");
      requireNonNull(discretisation, "discretisation");
      requireNonNull(training, "training");
    }
  }

  /**
   * What is tried by searches that train at several mixture weights, one after the other.
   *
   * @param divisions of the whole, which a grid deals out to the components of a block
   * @param points that are drawn
   */
  public record Sampling(int divisions, int points) {
    /** As recipes have it that do not say. */
    public static final Sampling DEFAULT = new Sampling(4, 10);

    /** How many mixture weights a method tries; {@link Long#MAX_VALUE} for more than that. */
    public long count(SearchMethod method, int blocks, int components) {
      return switch (method) {
        case GRID ->
            LongMath.saturatedPow(
                LongMath.binomial(divisions + components - 1, components - 1), blocks);
        case RANDOM -> points;
        case DARTS, GAEA, DASH, FIXED -> 0;
      };
    }
  }

  /**
   * Which components a hybrid keeps after the search.
   *
   * @param threshold of {@link Keeping#THRESHOLD}
   */
  public record Discretisation(Keeping keeping, double threshold) {
    /** All of them. */
    public static final Discretisation NONE = new Discretisation(Keeping.NONE, 0.1);

    public Discretisation {
      requireNonNull(keeping, "keeping");
    }
  }

  /** What a block keeps of its components. */
  public enum Keeping {
    /** All of them, with the weights found. */
    NONE,
    /** The strongest. */
    ARGMAX,
    /** Those of some weight, and the strongest. */
    THRESHOLD
  }

  /** How mixture weights are found. */
  public enum SearchMethod {
    /** The softmax of logits, by Adam. */
    DARTS,
    /** By exponentiated gradient on the weights themselves. */
    GAEA,
    /** The softmax of logits with noise, one sample a step, at a falling temperature. */
    DASH,
    /** Not at all: they are given. */
    FIXED,
    /** The best of all on a grid, each tried by a training of its own. */
    GRID,
    /** The best of some that are drawn, each tried by a training of its own. */
    RANDOM
  }

  /** Which steps of a search move mixture weights. */
  public enum SearchUpdates {
    /** All, by the gradient that moves the weights too. */
    SIMULTANEOUS,
    /** Every second, which leaves the weights as they are. */
    ALTERNATING,
    /** All, before the weights, by the loss of batches that weights do not see. */
    BILEVEL,
    /** The same, by the loss after a step of the weights, differentiated through that step. */
    BILEVEL_SECOND_ORDER
  }

  /** What mixture weights are in the steps before they are searched. */
  public enum WarmupWeights {
    /** What the method begins with, which is equal shares. */
    EQUAL,
    /**
     * One component's in each block at each step, whichever it is in the others: uniform sampling
     * of single paths, as fair as in FairNAS (Chu et al. 2021). Each learns as if it were alone,
     * and those that follow each other learn together. The search then begins with more of those
     * that have come further.
     */
    PATHS
  }

  /**
   * The steps at the start of a search that do not move mixture weights.
   *
   * @param steps how many; 0 for none
   */
  public record AlphaWarmup(int steps, WarmupWeights weights) {
    public static final AlphaWarmup NONE = new AlphaWarmup(0, WarmupWeights.EQUAL);

    public AlphaWarmup {
      requireNonNull(weights, "weights");
    }
  }

  /** The temperature at the first and at the last step. */
  public record Temperature(double first, double last) {
    /** As recipes have it that do not say. */
    public static final Temperature DEFAULT = new Temperature(1, 0.05);
  }

  /**
   * Measuring the held-out loss.
   *
   * @param batches held-out batches of one evaluation, 0 for all
   * @param every steps between two evaluations
   */
  public record Evaluation(int batches, int every) {}

  /**
   * What the hybrid is compared with.
   *
   * @param components each component, tuned alone
   * @param ensemble the mean of their logits, where they are tuned alone
   */
  public record Comparison(boolean components, boolean ensemble) {}

  /**
   * The artifact and its checks.
   *
   * @param verifyBatches held-out batches to compare over
   * @param tolerance largest absolute difference of a logit, in float32
   * @param target the runtime that the deployed models are for
   * @param precision what they compute their products in
   * @param decode what decoders with a capacity are made for
   */
  public record Output(
      int verifyBatches,
      double tolerance,
      Target target,
      Precision precision,
      DecodeLimits decode) {
    /** What the deployed models are for. */
    public Deployment deployment() {
      return new Deployment(target, precision);
    }
  }
}
