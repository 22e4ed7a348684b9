package dev.manticore.compiler.report;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import com.google.common.io.Resources;
import dev.manticore.compiler.progress.MetricRecord.Split;
import dev.manticore.compiler.recipe.ResolvedRecipe.Explained;
import dev.manticore.compiler.report.LineChart.Line;
import dev.manticore.compiler.report.LineChart.Range;
import dev.manticore.compiler.report.LineChart.Weight;
import dev.manticore.compiler.report.LineChart.Xy;
import dev.manticore.compiler.report.ReportData.AlphaPoint;
import dev.manticore.compiler.report.ReportData.AlphaTrace;
import dev.manticore.compiler.report.ReportData.Curve;
import dev.manticore.compiler.report.ReportData.Model;
import dev.manticore.compiler.report.ReportData.ModelKind;
import dev.manticore.compiler.report.ReportData.Point;
import dev.manticore.compiler.statistics.Sample;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.io.AtomicFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;

/** Writes a report as one HTML file without scripts or links to anywhere. */
public final class ReportWriter {

  private static final int CHART_HEIGHT = 330;
  private static final int ALPHA_HEIGHT = 220;

  /** Batch losses are averaged over this share of a run, so that curves can be told apart. */
  private static final double SMOOTHING_SHARE = 0.02;

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
    page.line("<!doctype html>");
    page.line("<html lang=\"en\"><head><meta charset=\"utf-8\">");
    page.line("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">");
    page.line("<meta name=\"color-scheme\" content=\"light dark\">");
    page.line("<title>%s: Manticore report</title>", data.title());
    page.line("<style>").raw(style()).line("</style></head><body><main>");
    page.line("<p class=\"kicker\">Manticore report</p><h1>%s</h1>", data.title());
    Headline headline = Headline.of(data);
    page.line(
        "<p class=\"headline %s\">%s</p>",
        headline.verdict().name().toLowerCase(Locale.ROOT), headline.text());
    results(page, data);
    kinds(page, data);
    curves(page, data);
    alphas(page, data);
    configuration(page, data);
    provenance(page, data);
    page.line("</main></body></html>");
    return page.toString();
  }

  private static String style() {
    try {
      return Resources.toString(
          Resources.getResource(ReportWriter.class, "report.css"), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
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
        page.line("<td class=\"number\">%s</td>", loss == null ? "–" : number(loss, 4));
      }
      page.line("<td class=\"number mean\">%s</td>", number(sample.mean(), 4));
      page.line("<td class=\"number\">%s</td>", number(sample.standardDeviation(), 4));
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
            best ? " mean" : "", loss == null ? "–" : number(loss, 4));
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
    chart(page, data, Split.HELD_OUT, "Held-out loss");
    chart(page, data, Split.TRAIN, "Training loss, smoothed");
  }

  private static void chart(Html page, ReportData data, Split split, String title) {
    ImmutableList<String> names =
        data.models().stream().map(Model::name).collect(ImmutableList.toImmutableList());
    ImmutableList.Builder<Line> faint = ImmutableList.builder();
    ImmutableList.Builder<Line> strong = ImmutableList.builder();
    ImmutableSet<String> models =
        data.curves().stream()
            .filter(curve -> curve.split() == split && !curve.points().isEmpty())
            .map(Curve::model)
            .collect(ImmutableSet.toImmutableSet());
    if (models.isEmpty()) {
      return;
    }
    int unknown = names.size();
    for (String model : models) {
      int colour = names.contains(model) ? names.indexOf(model) : unknown++;
      ImmutableList<ImmutableList<Xy>> seeds =
          data.curves().stream()
              .filter(curve -> curve.split() == split && curve.model().equals(model))
              .map(curve -> split == Split.TRAIN ? smoothed(curve.points()) : exact(curve.points()))
              .collect(ImmutableList.toImmutableList());
      strong.add(new Line(model, colour, Weight.STRONG, mean(seeds)));
      if (seeds.size() > 1) {
        seeds.forEach(points -> faint.add(new Line(model, colour, Weight.FAINT, points)));
      }
    }
    ImmutableList<Line> lines =
        ImmutableList.<Line>builder().addAll(faint.build()).addAll(strong.build()).build();
    page.line("<figure>")
        .raw(new LineChart(title, "nats a token", CHART_HEIGHT, Range.OF_DATA, lines).svg())
        .line("</figure>");
  }

  private static void alphas(Html page, ReportData data) {
    int blocks =
        data.alphas().stream()
            .flatMap(trace -> trace.points().stream())
            .mapToInt(point -> point.weights().size())
            .max()
            .orElse(0);
    if (blocks == 0) {
      return;
    }
    page.line("<h2>Mixture weights over the search</h2>");
    page.line(
        "<p>The share of each component in each block. Thick lines are means over seeds, thin ones"
            + " single seeds.</p>");
    for (int block = 0; block < blocks; block++) {
      ImmutableList.Builder<Line> faint = ImmutableList.builder();
      ImmutableList.Builder<Line> strong = ImmutableList.builder();
      for (int k = 0; k < data.components().size(); k++) {
        String name = data.components().get(k);
        // The hybrid has the first colour everywhere.
        int colour = k + 1;
        ImmutableList.Builder<ImmutableList<Xy>> seeds = ImmutableList.builder();
        for (AlphaTrace trace : data.alphas()) {
          seeds.add(weights(trace, block, k));
        }
        strong.add(new Line(name, colour, Weight.STRONG, mean(seeds.build())));
        if (data.alphas().size() > 1) {
          seeds.build().forEach(p -> faint.add(new Line(name, colour, Weight.FAINT, p)));
        }
      }
      String title = "Block " + (block + 1);
      ImmutableList<Line> lines =
          ImmutableList.<Line>builder().addAll(faint.build()).addAll(strong.build()).build();
      page.line("<figure>")
          .raw(new LineChart(title, "mixture weight", ALPHA_HEIGHT, Range.UNIT, lines).svg())
          .line("</figure>");
    }
  }

  private static ImmutableList<Xy> weights(AlphaTrace trace, int block, int component) {
    ImmutableList.Builder<Xy> points = ImmutableList.builder();
    for (AlphaPoint point : trace.points()) {
      if (block < point.weights().size() && component < point.weights().get(block).size()) {
        points.add(new Xy(point.step(), point.weights().get(block).get(component)));
      }
    }
    return points.build();
  }

  private static ImmutableList<Xy> exact(List<Point> points) {
    return points.stream()
        .map(point -> new Xy(point.step(), point.loss()))
        .collect(ImmutableList.toImmutableList());
  }

  /** Averages each point with its neighbours, fewer of them at the ends. */
  private static ImmutableList<Xy> smoothed(List<Point> points) {
    int radius = (int) Math.ceil(points.size() * SMOOTHING_SHARE);
    ImmutableList.Builder<Xy> smoothed = ImmutableList.builder();
    for (int i = 0; i < points.size(); i++) {
      int reach = Math.min(radius, Math.min(i, points.size() - 1 - i));
      double mean =
          points.subList(i - reach, i + reach + 1).stream()
              .mapToDouble(Point::loss)
              .average()
              .orElse(Double.NaN);
      smoothed.add(new Xy(points.get(i).step(), mean));
    }
    return smoothed.build();
  }

  /** The mean over lines at every step that all of them have. */
  private static ImmutableList<Xy> mean(Collection<ImmutableList<Xy>> lines) {
    Map<Double, ImmutableList.Builder<Double>> byStep = new TreeMap<>();
    for (ImmutableList<Xy> line : lines) {
      for (Xy point : line) {
        byStep.computeIfAbsent(point.x(), x -> ImmutableList.builder()).add(point.y());
      }
    }
    ImmutableList.Builder<Xy> mean = ImmutableList.builder();
    byStep.forEach(
        (step, values) -> {
          Sample sample = Sample.of(values.build());
          if (sample.size() == lines.size()) {
            mean.add(new Xy(step, sample.mean()));
          }
        });
    return mean.build();
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

  private static String number(double value, int decimals) {
    return Double.isFinite(value)
        ? String.format(Locale.ROOT, "%." + decimals + "f", value)
        : Double.isNaN(value) ? "–" : "diverged";
  }
}
