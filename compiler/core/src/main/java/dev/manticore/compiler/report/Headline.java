package dev.manticore.compiler.report;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.report.ReportData.Difference;
import dev.manticore.compiler.report.ReportData.Model;
import dev.manticore.compiler.report.ReportData.ModelKind;
import dev.manticore.compiler.statistics.Interval;
import dev.manticore.compiler.statistics.Sample;
import java.util.Comparator;
import java.util.Locale;
import java.util.Optional;

/**
 * The result in a sentence or two, made from the numbers.
 *
 * @param verdict the outcome against the best component and, where there is one, the ensemble: the
 *     less good one
 */
public record Headline(Verdict verdict, String text) {

  /** With fewer pairs nothing is claimed. */
  private static final int FEWEST_SEEDS = 3;

  /** How the hybrid did. */
  public enum Verdict {
    BETTER,
    /** The difference is within what the seeds alone bring about, or there are too few seeds. */
    UNCLEAR,
    WORSE,
    /** There is no component to compare with, or a loss is not finite. */
    NONE
  }

  /** Decides by the 95 % confidence interval of the mean of the differences over seeds. */
  public static Headline of(ReportData data) {
    Model hybrid = data.models().get(0);
    if (!Double.isFinite(hybrid.losses().mean())) {
      return new Headline(
          Verdict.NONE,
          String.format("The hybrid's training did not end with a finite %s loss.", data.part()));
    }
    Optional<Model> best = lowest(data, ModelKind.COMPONENT);
    if (best.isEmpty()) {
      return new Headline(
          Verdict.NONE,
          String.format(
              "The hybrid reaches a %s loss of %s nats a token.",
              data.part(), text(hybrid.losses())));
    }
    Headline component = againstBest(data, hybrid, best.get());
    Optional<Headline> ensemble =
        lowest(data, ModelKind.ENSEMBLE).map(other -> againstEnsemble(hybrid, other));
    if (ensemble.isEmpty()) {
      return component;
    }
    Verdict worse =
        component.verdict().compareTo(ensemble.get().verdict()) > 0
            ? component.verdict()
            : ensemble.get().verdict();
    return new Headline(worse, component.text() + " " + ensemble.get().text());
  }

  private static Optional<Model> lowest(ReportData data, ModelKind kind) {
    return data.models().stream()
        .filter(model -> model.kind() == kind)
        .filter(model -> Double.isFinite(model.losses().mean()))
        .min(Comparator.comparingDouble(Model::heldOutLoss));
  }

  private static Verdict verdict(Difference difference) {
    Optional<Interval> interval = difference.test().interval();
    if (interval.isEmpty() || difference.test().size() < FEWEST_SEEDS) {
      return Verdict.UNCLEAR;
    }
    return interval.get().high() < 0
        ? Verdict.BETTER
        : interval.get().low() > 0 ? Verdict.WORSE : Verdict.UNCLEAR;
  }

  private static Headline againstBest(ReportData data, Model hybrid, Model best) {
    Difference difference = Difference.of(hybrid, best, ImmutableList.of());
    Verdict verdict = verdict(difference);
    String losses =
        String.format(
            "%s loss %s nats a token, against %s for %s, the best component; ",
            data.part(), text(hybrid.losses()), text(best.losses()), best.name());
    int seeds = difference.test().size();
    String claim =
        switch (verdict) {
          case BETTER ->
              "The hybrid is better than every component, in the mean and beyond the spread over"
                  + " seeds: ";
          case WORSE ->
              "The hybrid is worse than the best component, in the mean and beyond the spread over"
                  + " seeds: ";
          case UNCLEAR, NONE ->
              seeds < FEWEST_SEEDS
                  ? String.format(
                      "With %s there is no telling whether it is chance: ",
                      seeds == 1 ? "a single seed" : "only " + seeds + " seeds")
                  : "No clear difference between the hybrid and the best component: ";
        };
    return new Headline(verdict, claim + losses + "the hybrid is " + amount(difference) + ".");
  }

  private static Headline againstEnsemble(Model hybrid, Model ensemble) {
    Difference difference = Difference.of(hybrid, ensemble, ImmutableList.of());
    Verdict verdict = verdict(difference);
    return new Headline(
        verdict,
        String.format(
            "Against the %s, with %s, it is %s%s.",
            ensemble.name(),
            text(ensemble.losses()),
            amount(difference),
            verdict == Verdict.UNCLEAR ? ", which is no clear difference" : ""));
  }

  /** How much lower or higher the hybrid's loss is, with the interval where there is one. */
  private static String amount(Difference difference) {
    double mean = difference.test().differences().mean();
    return String.format(
            Locale.ROOT,
            "%s by %.4f (%.1f %%)",
            mean < 0 ? "lower" : "higher",
            Math.abs(mean),
            100 * Math.abs(mean) / difference.other().losses().mean())
        + difference
            .test()
            .interval()
            .map(
                interval ->
                    String.format(
                        Locale.ROOT,
                        ", 95 %% interval of the paired difference ±%.4f",
                        interval.halfWidth()))
            .orElse("");
  }

  private static String text(Sample losses) {
    return Numbers.mean(losses)
        + (losses.size() < 2 ? "" : String.format(" (%d seeds)", losses.size()));
  }
}
