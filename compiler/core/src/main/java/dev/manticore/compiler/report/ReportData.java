package dev.manticore.compiler.report;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableTable;
import dev.manticore.compiler.progress.MetricRecord;
import dev.manticore.compiler.progress.MetricRecord.Split;
import dev.manticore.compiler.recipe.ResolvedRecipe.Explained;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Everything that a report shows.
 *
 * @param title the recipe's name
 * @param comparison how the models were made comparable, one sentence
 * @param models the hybrid first, then what it is compared with
 * @param curves losses over steps
 * @param components names of the components, in the order of the mixture weights
 * @param alphas mixture weights over the steps of the search
 * @param losses held-out loss by kind of text (row) and model (column), mean over seeds; may be
 *     empty
 * @param configuration the resolved recipe
 * @param provenance facts such as versions, hashes and the machine, in order
 */
public record ReportData(
    String title,
    String comparison,
    ImmutableList<Model> models,
    ImmutableList<Curve> curves,
    ImmutableList<String> components,
    ImmutableList<AlphaTrace> alphas,
    ImmutableTable<String, String, Double> losses,
    ImmutableList<Explained> configuration,
    ImmutableMap<String, String> provenance) {

  public ReportData {
    requireNonNull(title, "title");
    requireNonNull(comparison, "comparison");
    checkArgument(!models.isEmpty(), "models: at least the hybrid is needed");
    checkArgument(models.get(0).kind() == ModelKind.HYBRID, "models: the hybrid comes first");
    requireNonNull(curves, "curves");
    requireNonNull(components, "components");
    requireNonNull(alphas, "alphas");
    requireNonNull(losses, "losses");
    requireNonNull(configuration, "configuration");
    requireNonNull(provenance, "provenance");
  }

  /** What a model is in the comparison. */
  public enum ModelKind {
    HYBRID,
    /** A component tuned alone. */
    COMPONENT,
    /** Anything else worth a row, such as a component before tuning. */
    OTHER
  }

  /**
   * A row of the result table.
   *
   * @param heldOutLoss final mean cross-entropy on the held-out text by seed, in nats a token
   * @param parameters number of parameters
   * @param trainTokensPerSecond training speed; NaN when not measured
   */
  public record Model(
      String name,
      ModelKind kind,
      ImmutableMap<Integer, Double> heldOutLoss,
      long parameters,
      double trainTokensPerSecond) {
    public Model {
      requireNonNull(name, "name");
      requireNonNull(kind, "kind");
      checkArgument(!heldOutLoss.isEmpty(), "%s has no loss", name);
    }
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
