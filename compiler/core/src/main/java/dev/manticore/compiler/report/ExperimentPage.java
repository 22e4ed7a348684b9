package dev.manticore.compiler.report;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.experiment.Comparison;
import dev.manticore.compiler.experiment.Comparison.Difference;
import dev.manticore.compiler.experiment.Comparison.Group;
import dev.manticore.compiler.experiment.Comparison.Parity;
import dev.manticore.compiler.experiment.Comparison.Row;
import dev.manticore.compiler.experiment.Comparison.Verdict;
import dev.manticore.compiler.experiment.FinishedTrial;
import dev.manticore.compiler.experiment.Measure;
import dev.manticore.compiler.experiment.Outcome;
import dev.manticore.compiler.progress.MetricRecord;
import dev.manticore.compiler.report.ReportData.AlphaTrace;
import dev.manticore.compiler.report.ReportData.Curve;
import dev.manticore.compiler.statistics.PairedTest;
import dev.manticore.compiler.statistics.Sample;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/** The report of an experiment as one HTML file without scripts or links to anywhere. */
final class ExperimentPage {

  private final ExperimentReport report;
  private final Comparison comparison;
  private final String reference;
  private final ImmutableList<String> models;
  private final Html page = new Html();

  private ExperimentPage(ExperimentReport report) {
    this.report = report;
    this.comparison = report.comparison();
    this.reference = comparison.reference();
    this.models = report.models();
  }

  /** The page as text. */
  static String html(ExperimentReport report) {
    return new ExperimentPage(report).html();
  }

  private String html() {
    page.line("<p class=\"headline %s\">%s</p>", look(report.worst()), report.headline());
    for (String note : report.notes()) {
      page.line("<p>%s</p>", note);
    }
    howToRead();
    for (Measure measure : report.measures()) {
      overview(measure);
    }
    comparison.groups().forEach(this::group);
    landscapes();
    return Page.of("Manticore experiment", report.title(), Page.Width.TABLES, page);
  }

  /** The class of a verdict in the style sheet. */
  private static String look(Verdict verdict) {
    switch (verdict) {
      case SIGNIFICANTLY_BETTER:
        return "better";
      case AT_LEAST_AS_GOOD:
        return "unclear";
      case WORSE:
        return "worse";
      case NOT_TESTED:
        return "none";
    }
    throw new AssertionError(verdict);
  }

  private void howToRead() {
    long comparisons =
        comparison.groups().stream()
            .flatMap(group -> group.differences().stream())
            .mapToLong(difference -> difference.tests().size())
            .sum();
    page.line("<details><summary>How to read the numbers</summary><ul>");
    page.line(
        "<li>All are of test data. Only the best component is chosen by another part, by its mean"
            + " loss on validation data.</li>");
    page.line(
        "<li>After ± stands half the 95 %% confidence interval of the mean over seeds, by"
            + " Student&#39;s t. One seed has none.</li>");
    page.line(
        "<li>A difference is %s less the other model, over the seeds that both have; its p is that"
            + " of the two-sided paired t-test. Beside it is the exact sign-flip test, which"
            + " assumes less, and with n seeds cannot be below 2<sup>1−n</sup>.</li>",
        reference);
    page.line(
        "<li><b>%s</b>: better, with p &lt; %s. <b>%s</b>: the interval of the difference does not"
            + " lie wholly on the bad side of 0, which with few seeds says little. <b>%s</b>: it"
            + " does.</li>",
        Verdict.SIGNIFICANTLY_BETTER.toString(),
        Double.toString(Comparison.LEVEL),
        Verdict.AT_LEAST_AS_GOOD.toString(),
        Verdict.WORSE.toString());
    page.line(
        "<li>Each p stands alone: of the %d differences here, about one in twenty would have p below"
            + " 0.05 by chance if no two models differed.</li>",
        comparisons);
    page.line("</ul></details>");
  }

  private void overview(Measure measure) {
    ImmutableList<Group> groups = comparison.groups();
    page.line("<h2>Test %s</h2>", measure.toString());
    page.line(
        "<p>%s, %s is better. The best mean of a column is bold, † is the best component by"
            + " validation loss.</p>",
        sentence(measure.unit()), measure.better().name().toLowerCase(Locale.ROOT));
    page.line("<div class=\"scroll\"><table><thead><tr><th>model</th>");
    groups.forEach(group -> page.line("<th class=\"number\">%s</th>", group.name()));
    page.line("</tr></thead><tbody>");
    for (String model : models) {
      page.line("<tr class=\"%s\"><th>%s</th>", model.equals(reference) ? "hybrid" : "", model);
      for (Group group : groups) {
        boolean chosen = group.bestComponent().equals(Optional.of(model));
        page.line(
            "<td class=\"number%s\">%s%s</td>",
            isBest(group, model, measure) ? " mean" : "",
            ExperimentReport.mean(group, model, measure),
            chosen ? " †" : "");
      }
      page.line("</tr>");
    }
    if (groups.stream().anyMatch(group -> ExperimentReport.toBest(group).isPresent())) {
      page.line("<tr class=\"sum\"><th>%s less †</th>", reference);
      groups.forEach(group -> againstBest(group, measure));
      page.line("</tr>");
    }
    page.line("</tbody></table></div>");
  }

  private static String sentence(String words) {
    return words.substring(0, 1).toUpperCase(Locale.ROOT) + words.substring(1);
  }

  private static boolean isBest(Group group, String model, Measure measure) {
    OptionalDouble best =
        group.models().stream()
            .mapToDouble(row -> measure.advantage(row.sample(measure).mean()))
            .filter(Double::isFinite)
            .max();
    return best.isPresent()
        && group
            .model(model)
            .filter(row -> measure.advantage(row.sample(measure).mean()) == best.getAsDouble())
            .isPresent();
  }

  private void againstBest(Group group, Measure measure) {
    Optional<Difference> difference = ExperimentReport.toBest(group);
    Optional<PairedTest> test = difference.map(d -> d.tests().get(measure));
    if (test.isEmpty()) {
      page.line("<td class=\"number\">%s</td>", Numbers.NONE);
      return;
    }
    Verdict verdict = difference.get().verdict(measure);
    page.line(
        "<td class=\"number\">%s<br><span class=\"verdict %s\">%s</span></td>",
        Numbers.signed(test.get().differences().mean())
            + test.get().interval().map(i -> " ± " + Numbers.number(i.halfWidth())).orElse(""),
        look(verdict),
        verdict.toString());
  }

  private void group(Group group) {
    page.line("<h2>%s</h2>", group.name());
    statement(group);
    ImmutableList<String> remarks = report.remarks(group);
    if (!remarks.isEmpty()) {
      page.line("<ul class=\"remarks\">");
      for (String remark : remarks) {
        page.line("<li>%s</li>", remark.substring(group.name().length() + 2));
      }
      page.line("</ul>");
    }
    models(group);
    differences(group);
    mixtures(group);
    charts(group);
  }

  private void statement(Group group) {
    Optional<Difference> difference = ExperimentReport.toBest(group);
    if (difference.isEmpty()) {
      page.line("<p>There is no component of %s to compare it with here.</p>", reference);
      return;
    }
    Verdict verdict = difference.get().verdict(Measure.LOSS);
    PairedTest test = difference.get().tests().get(Measure.LOSS);
    page.line(
        "<p>By test loss, against %s, its best component by validation loss, %s is"
            + " <span class=\"verdict %s\">%s</span>%s.</p>",
        difference.get().other(),
        reference,
        look(verdict),
        verdict.toString(),
        test == null
            ? ""
            : String.format(
                Locale.ROOT,
                ": %s over %d %s%s",
                Numbers.signed(test.differences().mean()),
                test.size(),
                test.size() == 1 ? "seed" : "seeds",
                test.interval().isEmpty()
                    ? ""
                    : ", interval "
                        + Numbers.interval(test.interval())
                        + (test.tTest().isEmpty() ? "" : ", p = " + Numbers.p(test.tTest()))));
  }

  private void models(Group group) {
    page.line("<div class=\"scroll\"><table><thead><tr><th>model</th>");
    page.line("<th class=\"number\">seeds</th>");
    group
        .measures()
        .forEach(measure -> page.line("<th class=\"number\">%s</th>", measure.toString()));
    page.line("<th class=\"number\">parameters</th><th class=\"number\">steps</th>");
    page.line("<th class=\"number\">tokens</th></tr></thead><tbody>");
    for (Row row : group.models()) {
      page.line(
          "<tr class=\"%s\"><th>%s%s</th><td class=\"number\">%d</td>",
          row.model().equals(reference) ? "hybrid" : "",
          row.model(),
          group.bestComponent().equals(Optional.of(row.model())) ? " †" : "",
          row.outcomes().size());
      for (Measure measure : group.measures()) {
        page.line(
            "<td class=\"number%s\">%s</td>",
            isBest(group, row.model(), measure) ? " mean" : "", Numbers.mean(row.sample(measure)));
      }
      page.line(
          "<td class=\"number\">%s</td><td class=\"number\">%s</td><td class=\"number\">%s</td></tr>",
          Numbers.extent(row.parameters()),
          Numbers.extent(row.steps()),
          Numbers.extent(row.tokens()));
    }
    page.line("</tbody></table></div>");
  }

  private void differences(Group group) {
    if (group.differences().stream().allMatch(difference -> difference.tests().isEmpty())) {
      return;
    }
    page.line("<div class=\"scroll\"><table class=\"dense\"><thead><tr>");
    page.line("<th>%s less</th><th>measure</th>", reference);
    page.line("<th class=\"number\">seeds</th>");
    for (String head : DifferenceColumns.HEADS) {
      page.line("<th class=\"number\">%s</th>", head);
    }
    page.line("<th>verdict</th></tr></thead><tbody>");
    for (Difference difference : group.differences()) {
      boolean first = true;
      for (Map.Entry<Measure, PairedTest> entry : difference.tests().entrySet()) {
        PairedTest test = entry.getValue();
        Verdict verdict = difference.verdict(entry.getKey());
        page.line("<tr class=\"%s\">", first ? "first" : "next");
        if (first) {
          page.line("<th rowspan=\"%d\">%s</th>", difference.tests().size(), difference.other());
        }
        page.line(
            "<td>%s</td><td class=\"number\">%d</td><td class=\"number\">%s</td>",
            entry.getKey().toString(), test.size(), Numbers.signed(test.differences().mean()));
        page.line(
            "<td class=\"number\">%s</td><td class=\"number\">%s</td><td class=\"number\">%s</td>",
            Numbers.interval(test.interval()), Numbers.p(test.tTest()), Numbers.p(test.signFlip()));
        if (first) {
          for (Parity parity :
              List.of(difference.parameters(), difference.steps(), difference.tokens())) {
            page.line(
                "<td rowspan=\"%d\" class=\"number%s\">%s</td>",
                difference.tests().size(),
                parity.equal() ? "" : " verdict unclear",
                Numbers.parity(parity));
          }
        }
        page.line("<td class=\"verdict %s\">%s</td></tr>", look(verdict), verdict.toString());
        first = false;
      }
    }
    page.line("</tbody></table></div>");
  }

  /** The weights that models with a mixture were left with. */
  private void mixtures(Group group) {
    for (Row row : group.models()) {
      ImmutableList<Outcome> mixed =
          row.outcomes().stream()
              .filter(outcome -> !outcome.mixture().isEmpty())
              .collect(ImmutableList.toImmutableList());
      if (mixed.isEmpty()) {
        continue;
      }
      Outcome first = mixed.get(0);
      page.line("<p class=\"caption\">Mixture weights of %s after training.</p>", row.model());
      page.line("<div class=\"scroll\"><table class=\"dense narrow\"><thead><tr><th>block</th>");
      first.components().forEach(name -> page.line("<th class=\"number\">%s</th>", name));
      page.line("</tr></thead><tbody>");
      for (int block = 0; block < first.mixture().size(); block++) {
        page.line("<tr><th>%d</th>", block + 1);
        for (int k = 0; k < first.components().size(); k++) {
          List<Double> weights = new ArrayList<>();
          for (Outcome outcome : mixed) {
            if (outcome.components().equals(first.components())
                && block < outcome.mixture().size()) {
              weights.add(outcome.mixture().get(block).get(k));
            }
          }
          page.line("<td class=\"number\">%s</td>", Numbers.mean(Sample.of(weights)));
        }
        page.line("</tr>");
      }
      page.line("</tbody></table></div>");
    }
  }

  private void charts(Group group) {
    ImmutableList<FinishedTrial> trials =
        report.trials().stream()
            .filter(trial -> trial.outcome().group().equals(group.name()))
            .collect(ImmutableList.toImmutableList());
    ImmutableSet<String> stages =
        trials.stream()
            .flatMap(trial -> trial.metrics().stream())
            .map(MetricRecord::stage)
            .collect(ImmutableSet.toImmutableSet());
    for (String stage : stages) {
      if (stages.size() > 1) {
        page.line("<h3>%s</h3>", stage);
      }
      page.line("<div class=\"charts\">");
      ImmutableList.Builder<Curve> curves = ImmutableList.builder();
      for (FinishedTrial trial : trials) {
        for (Curve curve : ReportData.curves(trial.metrics(), stage)) {
          curves.add(
              new Curve(
                  trial.outcome().model(), trial.outcome().seed(), curve.split(), curve.points()));
        }
      }
      Charts.losses(page, models, curves.build(), Charts.HALF);
      page.line("</div>");
      for (String model : models) {
        trajectories(trials, stage, model);
      }
    }
  }

  private void trajectories(ImmutableList<FinishedTrial> trials, String stage, String model) {
    ImmutableList<FinishedTrial> own =
        trials.stream()
            .filter(trial -> trial.outcome().model().equals(model))
            .filter(trial -> !trial.outcome().components().isEmpty())
            .collect(ImmutableList.toImmutableList());
    ImmutableList<AlphaTrace> traces =
        own.stream()
            .flatMap(trial -> ReportData.alphas(trial.metrics(), stage).stream())
            .collect(ImmutableList.toImmutableList());
    if (traces.isEmpty()) {
      return;
    }
    page.line("<p class=\"caption\">Mixture weights of %s over the steps.</p>", model);
    page.line("<div class=\"charts\">");
    Charts.mixtures(page, models, own.get(0).outcome().components(), traces, Charts.HALF_LOW);
    page.line("</div>");
  }

  private void landscapes() {
    if (report.landscapes().isEmpty()) {
      return;
    }
    page.line("<h2>Loss over mixture weights</h2>");
    page.line("<p>Of hybrids that were trained with fixed weights; means over seeds.</p>");
    page.line("<div class=\"charts\">");
    report.landscapes().forEach(landscape -> LandscapePage.figure(page, landscape));
    page.line("</div>");
  }
}
