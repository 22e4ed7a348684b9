package dev.manticore.compiler.report;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.experiment.Comparison.Extent;
import dev.manticore.compiler.experiment.Comparison.Parity;
import dev.manticore.compiler.experiment.Measure;
import dev.manticore.compiler.recipe.ResolvedRecipe.Explained;
import dev.manticore.compiler.report.ReportData.Difference;
import dev.manticore.compiler.report.ReportData.Model;
import dev.manticore.compiler.report.ReportData.ModelKind;
import dev.manticore.compiler.report.ReportData.Run;
import dev.manticore.compiler.statistics.PairedTest;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.io.AtomicFiles;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.TreeSet;

/** Writes a report as one HTML file without scripts or links to anywhere. */
public final class ReportWriter {

  private ReportWriter() {}

  /**
   * Writes the file; equal data give equal bytes.
   *
   * @throws ManticoreException {@code MNT-WRITE} when it cannot be written
   */
  public static void write(ReportData data, Path file) {
    AtomicFiles.writeString(file, html(data));
  }

  /** The page as text. */
  static String html(ReportData data) {
    Html page = new Html();
    Headline headline = Headline.of(data);
    page.line(
        "<p class=\"headline %s\">%s</p>",
        headline.verdict().name().toLowerCase(Locale.ROOT), headline.text());
    results(page, data);
    differences(page, data);
    kinds(page, data);
    curves(page, data);
    mixtures(page, data);
    configuration(page, data);
    provenance(page, data);
    return Page.of("Manticore report", data.title(), Page.Width.TEXT, page);
  }

  private static void results(Html page, ReportData data) {
    TreeSet<Integer> seeds = new TreeSet<>();
    data.models().forEach(model -> seeds.addAll(model.runs().keySet()));
    page.line("<h2>%s loss</h2>", title(data));
    page.line("<p>Mean cross-entropy in nats a token, lower is better. %s</p>", data.comparison());
    page.line("<div class=\"scroll\"><table class=\"dense\"><thead><tr><th>model</th>");
    seeds.forEach(seed -> page.line("<th class=\"number\">seed %d</th>", seed));
    page.line("<th class=\"number\">mean ± half its 95 %% interval</th>");
    data.shown().forEach(measure -> page.line("<th class=\"number\">%s</th>", measure));
    page.line("<th class=\"number\">parameters</th>");
    page.line("<th class=\"number\">steps</th><th class=\"number\">tokens</th>");
    page.line("</tr></thead><tbody>");
    for (Model model : data.models()) {
      page.line("<tr class=\"%s\">", model.kind() == ModelKind.HYBRID ? "hybrid" : "other");
      page.line("<th>%s</th>", model.name());
      for (int seed : seeds) {
        Run run = model.runs().get(seed);
        page.line(
            "<td class=\"number\">%s</td>",
            run == null ? Numbers.NONE : Numbers.number(run.loss()));
      }
      page.line("<td class=\"number mean\">%s</td>", Numbers.mean(model.losses()));
      for (Measure measure : data.shown()) {
        page.line("<td class=\"number\">%s</td>", Numbers.mean(model.values(measure)));
      }
      for (Extent extent : List.of(model.parameters(), model.steps(), model.tokens())) {
        page.line("<td class=\"number\">%s</td>", Numbers.extent(extent));
      }
      page.line("</tr>");
    }
    page.line("</tbody></table></div>");
    if (!data.remarks().isEmpty()) {
      page.line("<ul class=\"remarks\">");
      data.remarks().forEach(remark -> page.line("<li>%s</li>", remark));
      page.line("</ul>");
    }
  }

  private static String title(ReportData data) {
    return data.part() == ReportData.Part.TEST ? "Test" : "Held-out";
  }

  private static void differences(Html page, ReportData data) {
    if (data.differences().isEmpty()) {
      return;
    }
    page.line("<h2>The hybrid less each other model</h2>");
    page.line(
        "<p>Differences seed by seed: of a loss below 0, of a share above 0 where the hybrid is better;"
            + " p is two-sided,"
            + " of the paired t-test and of the exact sign-flip test, which with n seeds cannot be"
            + " below 2<sup>1−n</sup>. Each p stands alone. The last columns say how much of what"
            + " the other has the hybrid has.</p>");
    page.line("<div class=\"scroll\"><table class=\"dense\"><thead><tr><th>less</th>");
    page.line("<th>measure</th>");
    page.line("<th class=\"number\">seeds</th>");
    for (String head : DifferenceColumns.HEADS) {
      page.line("<th class=\"number\">%s</th>", head);
    }
    page.line("</tr></thead><tbody>");
    for (Difference difference : data.differences()) {
      difference.tests().forEach((measure, test) -> row(page, difference, measure, test));
    }
    page.line("</tbody></table></div>");
  }

  private static void row(Html page, Difference difference, Measure measure, PairedTest test) {
    page.line("<tr><th>%s</th><td>%s</td>", difference.other().name(), measure);
    page.line("<td class=\"number\">%d</td>", test.size());
    for (String number : DifferenceColumns.test(test)) {
      page.line("<td class=\"number\">%s</td>", number);
    }
    for (Parity parity :
        List.of(difference.parameters(), difference.steps(), difference.tokens())) {
      page.line(
          "<td class=\"number%s\">%s</td>",
          parity.equal() ? "" : " verdict unclear", Numbers.parity(parity));
    }
    page.line("</tr>");
  }

  private static void kinds(Html page, ReportData data) {
    if (data.slices().isEmpty()) {
      return;
    }
    page.line("<h2>Loss by kind of text</h2>");
    page.line("<p>Mean over seeds, in nats a token; the lowest of a row is bold.</p>");
    page.line("<div class=\"scroll\"><table><thead><tr><th>kind</th>");
    data.models().forEach(model -> page.line("<th class=\"number\">%s</th>", model.name()));
    page.line("</tr></thead><tbody>");
    for (String kind : data.slices()) {
      double lowest =
          data.models().stream()
              .map(model -> model.slices().get(kind))
              .filter(Objects::nonNull)
              .mapToDouble(Double::doubleValue)
              .min()
              .orElseThrow();
      page.line("<tr><th>%s</th>", kind);
      for (Model model : data.models()) {
        Double loss = model.slices().get(kind);
        boolean best = loss != null && loss == lowest;
        page.line(
            "<td class=\"number%s\">%s</td>",
            best ? " mean" : "", loss == null ? Numbers.NONE : Numbers.number(loss));
      }
      page.line("</tr>");
    }
    page.line("</tbody></table></div>");
  }

  private static void curves(Html page, ReportData data) {
    boolean any = data.curves().stream().anyMatch(curve -> !curve.points().isEmpty());
    if (!any) {
      return;
    }
    page.line("<h2>Loss over training</h2>");
    page.line(
        "<p>Thick lines are means over seeds, thin ones single seeds. The"
            + " first steps may lie above the plot.</p>");
    Charts.losses(page, names(data), data.curves(), Charts.WIDE);
  }

  private static ImmutableList<String> names(ReportData data) {
    return data.models().stream().map(Model::name).collect(ImmutableList.toImmutableList());
  }

  private static void mixtures(Html page, ReportData data) {
    if (data.alphas().stream().allMatch(trace -> trace.points().isEmpty())) {
      return;
    }
    page.line("<h2>Mixture weights over the search</h2>");
    page.line(
        "<p>The share of each component in each block. Thick lines are means over seeds, thin ones"
            + " single seeds.</p>");
    Charts.mixtures(page, names(data), data.components(), data.alphas(), Charts.WIDE_LOW);
  }

  private static void configuration(Html page, ReportData data) {
    if (data.configuration().isEmpty()) {
      return;
    }
    page.line("<h2>Configuration</h2>");
    page.line("<details><summary>%d values</summary>", data.configuration().size());
    page.line("<div class=\"scroll\"><table class=\"small\"><thead><tr><th>key</th>");
    page.line("<th>value</th></tr></thead><tbody>");
    // Not where each comes from: a result is the same, whichever file said so.
    for (Explained row : data.configuration()) {
      page.line(
          "<tr><td><code>%s</code></td><td><code>%s</code></td></tr>", row.path(), row.value());
    }
    page.line("</tbody></table></div></details>");
  }

  private static void provenance(Html page, ReportData data) {
    if (data.provenance().isEmpty()) {
      return;
    }
    page.line("<h2>Provenance</h2>");
    page.line("<div class=\"scroll\"><table class=\"small\"><tbody>");
    data.provenance()
        .forEach((key, value) -> page.line("<tr><th>%s</th><td>%s</td></tr>", key, value));
    page.line("</tbody></table></div>");
  }
}
