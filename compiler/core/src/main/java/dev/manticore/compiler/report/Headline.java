package dev.manticore.compiler.report;

import dev.manticore.compiler.report.ReportData.Model;
import dev.manticore.compiler.report.ReportData.ModelKind;
import dev.manticore.compiler.statistics.Sample;
import java.util.Comparator;
import java.util.Locale;
import java.util.Optional;

/**
 * The result in a sentence or two, made from the numbers.
 *
 * @param verdict the outcome against the best component
 */
public record Headline(Verdict verdict, String text) {

  /** How the hybrid did against the component of the lowest mean loss. */
  public enum Verdict {
    BETTER,
    /** The difference is within what the seeds alone bring about, or there is but one seed. */
    UNCLEAR,
    WORSE,
    /** There is no component to compare with, or a loss is not finite. */
    NONE
  }

  /** Decides by the 95 % confidence interval of the difference of the means over seeds. */
  public static Headline of(ReportData data) {
    Model hybrid = data.models().get(0);
    Sample h = Sample.of(hybrid.heldOutLoss().values());
    if (!Double.isFinite(h.mean())) {
      return new Headline(
          Verdict.NONE, "The hybrid's training did not end with a finite held-out loss.");
    }
    Optional<Model> best =
        data.models().stream()
            .filter(model -> model.kind() == ModelKind.COMPONENT)
            .filter(model -> Double.isFinite(mean(model)))
            .min(Comparator.comparingDouble(Headline::mean));
    if (best.isEmpty()) {
      return new Headline(
          Verdict.NONE,
          String.format("The hybrid reaches a held-out loss of %s nats a token.", text(h)));
    }
    return compare(h, best.get());
  }

  private static Headline compare(Sample h, Model best) {
    Sample c = Sample.of(best.heldOutLoss().values());
    double difference = c.mean() - h.mean();
    double margin = Sample.differenceMargin(h, c);
    String losses =
        String.format(
            "held-out loss %s nats a token, against %s for %s, the best component",
            text(h), text(c), best.name());
    String amount =
        String.format(
            Locale.ROOT,
            "%.4f (%.1f %%)",
            Math.abs(difference),
            100 * Math.abs(difference) / c.mean());
    if (Double.isNaN(margin)) {
      return new Headline(
          Verdict.UNCLEAR,
          String.format(
              "With a single seed there is no telling whether it is chance: %s; the hybrid is %s %s.",
              losses, amount, difference > 0 ? "lower" : "higher"));
    }
    if (Math.abs(difference) <= margin) {
      return new Headline(
          Verdict.UNCLEAR,
          String.format(
              Locale.ROOT,
              "No clear difference between the hybrid and the best component: %s; the difference"
                  + " of %s is within the spread over seeds (95 %% interval: ±%.4f).",
              losses,
              amount,
              margin));
    }
    boolean better = difference > 0;
    return new Headline(
        better ? Verdict.BETTER : Verdict.WORSE,
        String.format(
            Locale.ROOT,
            "The hybrid is %s both in the mean and beyond the spread over seeds: %s; %s by %s ±%.4f"
                + " (95 %% interval).",
            better ? "better than every component," : "worse than the best component,",
            losses,
            better ? "lower" : "higher",
            amount,
            margin));
  }

  private static double mean(Model model) {
    return Sample.of(model.heldOutLoss().values()).mean();
  }

  private static String text(Sample sample) {
    return sample.size() < 2
        ? String.format(Locale.ROOT, "%.4f", sample.mean())
        : String.format(
            Locale.ROOT,
            "%.4f ± %.4f (%d seeds)",
            sample.mean(),
            sample.standardDeviation(),
            sample.size());
  }
}
