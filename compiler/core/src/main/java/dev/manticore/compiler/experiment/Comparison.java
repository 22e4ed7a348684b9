package dev.manticore.compiler.experiment;

import static com.google.common.collect.ImmutableList.toImmutableList;
import static com.google.common.collect.ImmutableSet.toImmutableSet;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Sets;
import dev.manticore.compiler.statistics.Interval;
import dev.manticore.compiler.statistics.PairedTest;
import dev.manticore.compiler.statistics.Sample;
import dev.manticore.ir.ManticoreException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;
import java.util.function.ToLongFunction;

/**
 * Models side by side, group by group, on test data; one of them, the reference, is compared with
 * each of the others over the seeds that both have. What was not run, or was not run alike, is said
 * and not made up for.
 *
 * @param reference the model that the others are compared with, such as {@code hybrid}
 * @param groups in the order of their first outcome
 */
public record Comparison(String reference, ImmutableList<Group> groups) {

  /** A difference with a smaller p is significant. */
  public static final double LEVEL = 0.05;

  private static final String CODE = "MNT-EXPERIMENT";

  /**
   * One task or data set.
   *
   * @param models the reference first, then in the order of their first outcome in any group
   * @param differences of the reference to each other model; empty where it was not run
   * @param missing models that other groups have and this one has not
   * @param bestComponent the component of the reference with the least mean loss on validation
   *     data, over the seeds that all of its components have; empty where there is none
   */
  public record Group(
      String name,
      ImmutableList<Row> models,
      ImmutableList<Difference> differences,
      ImmutableList<String> missing,
      Optional<String> bestComponent) {

    public Optional<Row> model(String model) {
      return models.stream().filter(row -> row.model().equals(model)).findFirst();
    }

    /** The difference of the reference to a model. */
    public Optional<Difference> difference(String other) {
      return differences.stream().filter(row -> row.other().equals(other)).findFirst();
    }

    /** What at least one of its models was measured by. */
    public ImmutableSet<Measure> measures() {
      return ImmutableSet.copyOf(Measure.values()).stream()
          .filter(measure -> models.stream().anyMatch(row -> row.sample(measure).size() > 0))
          .collect(toImmutableSet());
    }
  }

  /**
   * One model of a group.
   *
   * @param outcomes one a seed, in the order of seeds; at least one
   */
  public record Row(String model, ImmutableList<Outcome> outcomes) {

    public ImmutableList<Integer> seeds() {
      return outcomes.stream().map(Outcome::seed).collect(toImmutableList());
    }

    /** The values on test data, one a seed that has one. */
    public Sample sample(Measure measure) {
      return Sample.of(
          outcomes.stream()
              .map(outcome -> measure.of(outcome.test()))
              .flatMapToDouble(OptionalDouble::stream)
              .boxed()
              .toList());
    }

    public Extent parameters() {
      return Extent.of(outcomes, Outcome::parameters);
    }

    public Extent steps() {
      return Extent.of(outcomes, Outcome::steps);
    }

    public Extent tokens() {
      return Extent.of(outcomes, Outcome::tokens);
    }
  }

  /** The least and the greatest value over seeds, mostly one and the same. */
  public record Extent(long least, long greatest) {
    private static Extent of(List<Outcome> outcomes, ToLongFunction<Outcome> value) {
      return new Extent(
          outcomes.stream().mapToLong(value).min().orElseThrow(),
          outcomes.stream().mapToLong(value).max().orElseThrow());
    }
  }

  /** How a difference is to be read. */
  public enum Verdict {
    /** The reference is better, with p &lt; {@link #LEVEL} by the paired t-test. */
    SIGNIFICANTLY_BETTER("significantly better"),
    /**
     * The 95 % interval of the difference does not exclude 0 on the bad side: at least as good
     * within the interval, which says little where that is wide.
     */
    AT_LEAST_AS_GOOD("not worse within the interval"),
    /** The whole interval lies on the bad side. */
    WORSE("worse"),
    /** Fewer than two pairs, or a value that is not finite. */
    NOT_TESTED("not tested");

    private final String text;

    Verdict(String text) {
      this.text = text;
    }

    @Override
    public String toString() {
      return text;
    }
  }

  /**
   * Whether two models had the same of something on every seed that both have.
   *
   * @param ratio of the reference's mean to the other's; NaN without common seeds
   */
  public record Parity(boolean equal, double ratio) {

    /**
     * @param references what is compared, one a common seed
     * @param others what it is compared with, in the same order
     */
    public static <T> Parity of(List<T> references, List<T> others, ToLongFunction<T> value) {
      double ratio =
          references.stream().mapToDouble(value::applyAsLong).sum()
              / others.stream().mapToDouble(value::applyAsLong).sum();
      boolean equal =
          Arrays.equals(
              references.stream().mapToLong(value).toArray(),
              others.stream().mapToLong(value).toArray());
      return new Parity(equal && !references.isEmpty(), ratio);
    }
  }

  private record Pair(Outcome reference, Outcome other) {}

  /**
   * The reference less another model, pair by pair.
   *
   * @param seeds that both have
   * @param onlyReference seeds that the other lacks
   * @param onlyOther seeds that the reference lacks
   * @param tests by measure, of those that both have
   */
  public record Difference(
      String other,
      ImmutableList<Integer> seeds,
      ImmutableList<Integer> onlyReference,
      ImmutableList<Integer> onlyOther,
      Parity parameters,
      Parity steps,
      Parity tokens,
      ImmutableMap<Measure, PairedTest> tests) {

    /** What may be said by a measure; {@link Verdict#NOT_TESTED} by one that both lack. */
    public Verdict verdict(Measure measure) {
      PairedTest test = tests.get(measure);
      if (test == null || test.interval().isEmpty()) {
        return Verdict.NOT_TESTED;
      }
      boolean better = measure.advantage(test.differences().mean()) > 0;
      if (better && test.tTest().isPresent() && test.tTest().getAsDouble() < LEVEL) {
        return Verdict.SIGNIFICANTLY_BETTER;
      }
      Interval interval = test.interval().get();
      double most = Math.max(measure.advantage(interval.low()), measure.advantage(interval.high()));
      return most >= 0 ? Verdict.AT_LEAST_AS_GOOD : Verdict.WORSE;
    }
  }

  /**
   * Compares.
   *
   * @throws ManticoreException {@code MNT-EXPERIMENT} if there is nothing to compare, or a group
   *     has two outcomes of a model and a seed
   */
  public static Comparison of(List<Outcome> outcomes, String reference) {
    if (outcomes.isEmpty()) {
      throw new ManticoreException(CODE, "there are no outcomes to compare: run trials first");
    }
    if (outcomes.stream().noneMatch(outcome -> outcome.model().equals(reference))) {
      throw new ManticoreException(
          CODE,
          "there is no outcome of '" + reference + "', with which the others are to be compared");
    }
    ImmutableSet<String> models =
        ImmutableSet.<String>builder()
            .add(reference)
            .addAll(outcomes.stream().map(Outcome::model).toList())
            .build();
    Map<String, List<Outcome>> byGroup = new LinkedHashMap<>();
    for (Outcome outcome : outcomes) {
      byGroup.computeIfAbsent(outcome.group(), group -> new ArrayList<>()).add(outcome);
    }
    ImmutableList.Builder<Group> groups = ImmutableList.builder();
    byGroup.forEach((name, own) -> groups.add(group(name, own, models, reference)));
    return new Comparison(reference, groups.build());
  }

  private static Group group(
      String name, List<Outcome> outcomes, ImmutableSet<String> models, String reference) {
    Map<String, TreeMap<Integer, Outcome>> byModel = new LinkedHashMap<>();
    for (Outcome outcome : outcomes) {
      Outcome other =
          byModel
              .computeIfAbsent(outcome.model(), model -> new TreeMap<>())
              .put(outcome.seed(), outcome);
      if (other != null) {
        throw new ManticoreException(
            CODE,
            String.format(
                "there are two outcomes of %s on %s with seed %d; compare one experiment at a time",
                outcome.model(), name, outcome.seed()));
      }
    }
    ImmutableList<Row> rows =
        models.stream()
            .filter(byModel::containsKey)
            .map(model -> new Row(model, ImmutableList.copyOf(byModel.get(model).values())))
            .collect(toImmutableList());
    Optional<Row> own = rows.stream().filter(row -> row.model().equals(reference)).findFirst();
    ImmutableList.Builder<Difference> differences = ImmutableList.builder();
    if (own.isPresent()) {
      rows.stream()
          .filter(row -> !row.model().equals(reference))
          .forEach(row -> differences.add(difference(own.get(), row)));
    }
    return new Group(
        name,
        rows,
        differences.build(),
        ImmutableList.copyOf(Sets.difference(models, byModel.keySet())),
        own.flatMap(row -> bestComponent(row, rows)));
  }

  private static Difference difference(Row reference, Row other) {
    ImmutableList<Integer> left = reference.seeds();
    ImmutableList<Integer> right = other.seeds();
    ImmutableList<Integer> seeds = left.stream().filter(right::contains).collect(toImmutableList());
    ImmutableList<Pair> pairs =
        seeds.stream()
            .map(
                seed ->
                    new Pair(
                        reference.outcomes().get(left.indexOf(seed)),
                        other.outcomes().get(right.indexOf(seed))))
            .collect(toImmutableList());
    ImmutableMap.Builder<Measure, PairedTest> tests = ImmutableMap.builder();
    for (Measure measure : Measure.values()) {
      List<Double> first = new ArrayList<>();
      List<Double> second = new ArrayList<>();
      for (Pair pair : pairs) {
        OptionalDouble ours = measure.of(pair.reference().test());
        OptionalDouble theirs = measure.of(pair.other().test());
        if (ours.isPresent() && theirs.isPresent()) {
          first.add(ours.getAsDouble());
          second.add(theirs.getAsDouble());
        }
      }
      if (!first.isEmpty()) {
        tests.put(measure, PairedTest.of(first, second));
      }
    }
    List<Outcome> references = pairs.stream().map(Pair::reference).toList();
    List<Outcome> others = pairs.stream().map(Pair::other).toList();
    return new Difference(
        other.model(),
        seeds,
        left.stream().filter(seed -> !right.contains(seed)).collect(toImmutableList()),
        right.stream().filter(seed -> !left.contains(seed)).collect(toImmutableList()),
        Parity.of(references, others, Outcome::parameters),
        Parity.of(references, others, Outcome::steps),
        Parity.of(references, others, Outcome::tokens),
        tests.buildOrThrow());
  }

  /** Chosen by validation data, so that what it reaches on test data is no choice among many. */
  private static Optional<String> bestComponent(Row reference, ImmutableList<Row> rows) {
    ImmutableSet<String> names =
        reference.outcomes().stream()
            .flatMap(outcome -> outcome.components().stream())
            .collect(toImmutableSet());
    ImmutableList<Row> components =
        rows.stream().filter(row -> names.contains(row.model())).collect(toImmutableList());
    return components.stream()
        .filter(row -> Double.isFinite(validationLoss(row, components)))
        .min(Comparator.comparingDouble(row -> validationLoss(row, components)))
        .map(Row::model);
  }

  private static double validationLoss(Row row, ImmutableList<Row> components) {
    return Sample.of(
            row.outcomes().stream()
                .filter(
                    outcome ->
                        components.stream()
                            .allMatch(other -> other.seeds().contains(outcome.seed())))
                .map(outcome -> outcome.validation().loss())
                .toList())
        .mean();
  }
}
