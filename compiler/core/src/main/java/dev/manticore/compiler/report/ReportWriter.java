package dev.manticore.compiler.report;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.recipe.ResolvedRecipe.Explained;
import dev.manticore.compiler.report.ReportData.Model;
import dev.manticore.compiler.report.ReportData.ModelKind;
import dev.manticore.compiler.statistics.Sample;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.io.AtomicFiles;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
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
    kinds(page, data);
    curves(page, data);
    mixtures(page, data);
    configuration(page, data);
    provenance(page, data);
    return Page.of("Manticore report", data.title(), Page.Width.TEXT, page);
  }

  private static void results(Html page, ReportData data) {
    TreeSet<Integer> seeds = new TreeSet<>();
    data.models().forEach(model -> seeds.addAll(model.heldOutLoss().keySet()));
    boolean speeds = data.models().stream().anyMatch(m -> !Double.isNaN(m.trainTokensPerSecond()));
    page.line("<h2>Held-out loss</h2>");
    page.line("<p>Mean cross-entropy in nats a token, lower is better. %s</p>", data.comparison());
    page.line("<div class=\"scroll\"><table><thead><tr><th>model</th>");
    seeds.forEach(seed -> page.line("<th class=\"number\">seed %d</th>", seed));
    page.line("<th class=\"number\">mean</th><th class=\"number\">std. dev.</th>");
    page.line("<th class=\"number\">parameters</th>");
    if (speeds) {
      page.line("<th class=\"number\">tokens/s, training</th>");
    }
    page.line("</tr></thead><tbody>");
    for (Model model : data.models()) {
      Sample sample = Sample.of(model.heldOutLoss().values());
      page.line("<tr class=\"%s\">", model.kind() == ModelKind.HYBRID ? "hybrid" : "other");
      page.line("<th>%s</th>", model.name());
      for (int seed : seeds) {
        Double loss = model.heldOutLoss().get(seed);
        page.line("<td class=\"number\">%s</td>", loss == null ? "–" : Numbers.number(loss, 4));
      }
      page.line("<td class=\"number mean\">%s</td>", Numbers.number(sample.mean(), 4));
      page.line("<td class=\"number\">%s</td>", Numbers.number(sample.standardDeviation(), 4));
      page.line("<td class=\"number\">%,d</td>", model.parameters());
      if (speeds) {
        double speed = model.trainTokensPerSecond();
        page.line(
            "<td class=\"number\">%s</td>",
            Double.isNaN(speed) ? "–" : String.format(Locale.ROOT, "%,.0f", speed));
      }
      page.line("</tr>");
    }
    page.line("</tbody></table></div>");
  }

  private static void kinds(Html page, ReportData data) {
    if (data.losses().isEmpty()) {
      return;
    }
    ImmutableSet<String> models = data.losses().columnKeySet();
    page.line("<h2>Held-out loss by kind of text</h2>");
    page.line("<p>Mean over seeds, in nats a token; the lowest of a row is bold.</p>");
    page.line("<div class=\"scroll\"><table><thead><tr><th>kind</th>");
    models.forEach(model -> page.line("<th class=\"number\">%s</th>", model));
    page.line("</tr></thead><tbody>");
    for (String kind : data.losses().rowKeySet()) {
      Map<String, Double> row = data.losses().row(kind);
      double lowest = row.values().stream().mapToDouble(Double::doubleValue).min().orElse(0);
      page.line("<tr><th>%s</th>", kind);
      for (String model : models) {
        Double loss = row.get(model);
        boolean best = loss != null && loss == lowest;
        page.line(
            "<td class=\"number%s\">%s</td>",
            best ? " mean" : "", loss == null ? "–" : Numbers.number(loss, 4));
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
