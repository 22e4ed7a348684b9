package dev.manticore.compiler.report;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Maps;
import dev.manticore.compiler.experiment.Comparison.Extent;
import dev.manticore.compiler.experiment.Comparison.Parity;
import dev.manticore.compiler.experiment.Measure;
import dev.manticore.compiler.experiment.Measures;
import dev.manticore.compiler.progress.MetricRecord;
import dev.manticore.compiler.progress.MetricRecord.Split;
import dev.manticore.compiler.recipe.ResolvedRecipe.Explained;
import dev.manticore.compiler.statistics.PairedTest;
import dev.manticore.compiler.statistics.Sample;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToLongFunction;

/**
 * Everything that a report shows.
 *
 * @param title the recipe's name
 * @param comparison how the models were made comparable, one sentence
 * @param part what the models are measured on
 * @param models the hybrid first, then what it is compared with
 * @param shown what is reported beside the loss; every run has it
 * @param curves losses over steps
 * @param components names of the components, in the order of the mixture weights
 * @param alphas mixture weights over the steps of the search
 * @param configuration the resolved recipe
 * @param provenance facts such as versions, hashes and the machine, in order
 */
public record ReportData(
    String title,
    String comparison,
    Part part,
    ImmutableList<Model> models,
    ImmutableList<Measure> shown,
    ImmutableList<Curve> curves,
    ImmutableList<String> components,
    ImmutableList<AlphaTrace> alphas,
    ImmutableList<Explained> configuration,
    ImmutableMap<String, String> provenance) {

  public ReportData {
    requireNonNull(title, "title");
    requireNonNull(comparison, "comparison");
    requireNonNull(part, "part");
    checkArgument(!models.isEmpty(), "models: at least the hybrid is needed");
    checkArgument(models.get(0).kind() == ModelKind.HYBRID, "models: the hybrid comes first");
    requireNonNull(shown, "shown");
    requireNonNull(curves, "curves");
    requireNonNull(components, "components");
    requireNonNull(alphas, "alphas");
    requireNonNull(configuration, "configuration");
    requireNonNull(provenance, "provenance");
  }

  /** A part of the data that models are not trained on. */
  public enum Part {
    /** Seen along the way too: curves and choices are made by it. */
    HELD_OUT("held-out"),
    /** Seen once, at the end. */
    TEST("test");

    private final String text;

    Part(String text) {
      this.text = text;
    }

    @Override
    public String toString() {
      return text;
    }
  }

  /** What a model is in the comparison. */
  public enum ModelKind {
    HYBRID,
    /** A component tuned alone. */
    COMPONENT,
    /** The mean of the logits of all components, each tuned alone. */
    ENSEMBLE,
    /** For each seed the component of the lowest held-out loss. */
    BEST_OF
  }

  /**
   * A row of the result table.
   *
   * @param runs by seed
   */
  public record Model(String name, ModelKind kind, ImmutableMap<Integer, Run> runs) {
    public Model {
      requireNonNull(name, "name");
      requireNonNull(kind, "kind");
      checkArgument(!runs.isEmpty(), "%s has no loss", name);
    }

    /** Mean cross-entropy, one a seed, in nats a token. */
    public Sample losses() {
      return Sample.of(runs.values().stream().map(Run::loss).toList());
    }

    /** A measure, one value a seed. */
    public Sample values(Measure measure) {
      return Sample.of(runs.values().stream().map(run -> run.value(measure)).toList());
    }

    /** The mean over seeds of what choices are made by. */
    double heldOutLoss() {
      return Sample.of(runs.values().stream().map(Run::heldOutLoss).toList()).mean();
    }

    /** The mean loss on each kind of text over the seeds. */
    public ImmutableMap<String, Double> slices() {
      Map<String, Double> means = new LinkedHashMap<>();
      for (Run run : runs.values()) {
        run.slices().forEach((kind, loss) -> means.merge(kind, loss / runs.size(), Double::sum));
      }
      return ImmutableMap.copyOf(means);
    }

    public Extent parameters() {
      return extent(Run::parameters);
    }

    public Extent steps() {
      return extent(Run::steps);
    }

    public Extent tokens() {
      return extent(Run::tokens);
    }

    private Extent extent(ToLongFunction<Run> value) {
      return new Extent(
          runs.values().stream().mapToLong(value).min().orElseThrow(),
          runs.values().stream().mapToLong(value).max().orElseThrow());
    }
  }

  /**
   * What a model came to from one seed, and what that took.
   *
   * @param loss mean cross-entropy after training, in nats a token
   * @param heldOutLoss the same on what choices are made by; the same number where there is no data
   *     for tests alone
   * @param parameters number of parameters
   * @param steps of the optimizer, of all stages and of all models that had to be trained for it
   * @param tokens that these were trained on
   * @param slices the loss on each kind of text; may be empty
   * @param measures on the part that is reported on
   */
  public record Run(
      double loss,
      double heldOutLoss,
      long parameters,
      long steps,
      long tokens,
      ImmutableMap<String, Double> slices,
      Measures measures) {
    public Run {
      requireNonNull(slices, "slices");
      requireNonNull(measures, "measures");
    }

    private double value(Measure measure) {
      return measure.of(measures).orElse(Double.NaN);
    }
  }

  /**
   * The hybrid less another model, over the seeds that both have.
   *
   * @param test of the losses
   * @param measures tests of what is reported beside the loss
   * @param parameters whether both have as many, and so on
   */
  public record Difference(
      Model other,
      PairedTest test,
      ImmutableMap<Measure, PairedTest> measures,
      Parity parameters,
      Parity steps,
      Parity tokens) {

    /** Of the loss, and, where sequences have an answer each, of the share of right ones. */
    public ImmutableMap<Measure, PairedTest> tests() {
      ImmutableMap.Builder<Measure, PairedTest> tests = ImmutableMap.builder();
      tests.put(Measure.LOSS, test);
      PairedTest answers = measures.get(Measure.EXACT_MATCH);
      if (answers != null) {
        tests.put(Measure.EXACT_MATCH, answers);
      }
      return tests.buildOrThrow();
    }

    static Difference of(Model hybrid, Model other, List<Measure> shown) {
      List<Run> ours = new ArrayList<>();
      List<Run> theirs = new ArrayList<>();
      hybrid
          .runs()
          .forEach(
              (seed, run) -> {
                if (other.runs().containsKey(seed)) {
                  ours.add(run);
                  theirs.add(other.runs().get(seed));
                }
              });
      return new Difference(
          other,
          test(ours, theirs, Run::loss),
          Maps.toMap(shown, measure -> test(ours, theirs, run -> run.value(measure))),
          Parity.of(ours, theirs, Run::parameters),
          Parity.of(ours, theirs, Run::steps),
          Parity.of(ours, theirs, Run::tokens));
    }

    private static PairedTest test(List<Run> ours, List<Run> theirs, Function<Run, Double> value) {
      return PairedTest.of(ours.stream().map(value).toList(), theirs.stream().map(value).toList());
    }
  }

  /** The hybrid less each other model, in their order. */
  public ImmutableList<Difference> differences() {
    return models.stream()
        .skip(1)
        .map(other -> Difference.of(models.get(0), other, shown))
        .collect(ImmutableList.toImmutableList());
  }

  /** The kinds of text that any model was measured on, in order. */
  public ImmutableSet<String> slices() {
    return models.stream()
        .flatMap(model -> model.slices().keySet().stream())
        .collect(ImmutableSet.toImmutableSet());
  }

  /** How rows of some kinds of models are to be read, a sentence each; empty without such rows. */
  public ImmutableList<String> remarks() {
    ImmutableList.Builder<String> remarks = ImmutableList.builder();
    for (Model model : models) {
      if (model.kind() == ModelKind.ENSEMBLE) {
        remarks.add(
            String.format(
                "The %s is the mean of the logits of all components, each tuned alone: its"
                    + " parameters, steps and tokens are the sums of theirs.",
                model.name()));
      } else if (model.kind() == ModelKind.BEST_OF) {
        remarks.add(
            String.format(
                "The %s is for each seed the one of the lowest held-out loss; %s. All have to be"
                    + " trained to choose one: its steps and tokens are the sums of theirs.",
                model.name(),
                part == Part.HELD_OUT
                    ? "it is chosen on the same data as it is measured on, which favours it"
                    : "it is chosen on other data than it is measured on"));
      }
    }
    return remarks.build();
  }

  /** The loss of one run over its steps, in order. */
  public record Curve(String model, int seed, Split split, ImmutableList<Point> points) {
    public Curve {
      requireNonNull(model, "model");
      requireNonNull(split, "split");
      requireNonNull(points, "points");
    }
  }

  /** A loss, in nats a token, after so many optimizer steps. */
  public record Point(long step, double loss) {}

  /** The mixture weights of one search over its steps, in order. */
  public record AlphaTrace(int seed, ImmutableList<AlphaPoint> points) {
    public AlphaTrace {
      requireNonNull(points, "points");
    }
  }

  /**
   * Mixture weights after so many steps.
   *
   * @param weights after softmax, [block][component]
   */
  public record AlphaPoint(long step, ImmutableList<ImmutableList<Double>> weights) {}

  /** The loss curves of a stage, in the order of first appearance. */
  public static ImmutableList<Curve> curves(List<MetricRecord> metrics, String stage) {
    record Key(String model, int seed, Split split) {}
    Map<Key, ImmutableList.Builder<Point>> points = new LinkedHashMap<>();
    metrics.stream()
        .filter(entry -> entry.stage().equals(stage))
        .sorted(Comparator.comparingLong(MetricRecord::step))
        .forEach(
            entry ->
                points
                    .computeIfAbsent(
                        new Key(entry.run(), entry.seed(), entry.split()),
                        key -> ImmutableList.builder())
                    .add(new Point(entry.step(), entry.loss())));
    ImmutableList.Builder<Curve> curves = ImmutableList.builder();
    points.forEach(
        (key, builder) ->
            curves.add(new Curve(key.model(), key.seed(), key.split(), builder.build())));
    return curves.build();
  }

  /**
   * The mixture weights of a stage's training records, by seed in the order of first appearance.
   */
  public static ImmutableList<AlphaTrace> alphas(List<MetricRecord> metrics, String stage) {
    Map<Integer, ImmutableList.Builder<AlphaPoint>> points = new LinkedHashMap<>();
    metrics.stream()
        .filter(entry -> entry.stage().equals(stage) && !entry.alpha().isEmpty())
        .filter(entry -> entry.split() == Split.TRAIN)
        .sorted(Comparator.comparingLong(MetricRecord::step))
        .forEach(
            entry ->
                points
                    .computeIfAbsent(entry.seed(), key -> ImmutableList.builder())
                    .add(new AlphaPoint(entry.step(), entry.alpha())));
    ImmutableList.Builder<AlphaTrace> traces = ImmutableList.builder();
    points.forEach((seed, builder) -> traces.add(new AlphaTrace(seed, builder.build())));
    return traces.build();
  }
}
