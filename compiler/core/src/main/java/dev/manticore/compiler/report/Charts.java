package dev.manticore.compiler.report;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.progress.MetricRecord.Split;
import dev.manticore.compiler.report.LineChart.Horizontal;
import dev.manticore.compiler.report.LineChart.Line;
import dev.manticore.compiler.report.LineChart.Range;
import dev.manticore.compiler.report.LineChart.Size;
import dev.manticore.compiler.report.LineChart.Weight;
import dev.manticore.compiler.report.LineChart.Xy;
import dev.manticore.compiler.report.ReportData.AlphaPoint;
import dev.manticore.compiler.report.ReportData.AlphaTrace;
import dev.manticore.compiler.report.ReportData.Curve;
import dev.manticore.compiler.report.ReportData.Point;
import dev.manticore.compiler.statistics.Sample;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** The plots that reports have alike: means over seeds, and behind them the single seeds. */
final class Charts {

  static final Size WIDE = new Size(760, 330);
  static final Size WIDE_LOW = new Size(760, 220);

  /** Two beside each other. */
  static final Size HALF = new Size(560, 300);

  static final Size HALF_LOW = new Size(560, 220);

  /** Batch losses are averaged over this share of a run, so that curves can be told apart. */
  private static final double SMOOTHING_SHARE = 0.02;

  private Charts() {}

  /**
   * Adds the losses over steps, held-out and of training.
   *
   * @param names models in the order of their colours; any other comes after them
   */
  static void losses(
      Html page, ImmutableList<String> names, ImmutableList<Curve> curves, Size size) {
    losses(page, names, curves, size, Split.HELD_OUT, "Held-out loss");
    losses(page, names, curves, size, Split.TRAIN, "Training loss, smoothed");
  }

  private static void losses(
      Html page,
      ImmutableList<String> names,
      ImmutableList<Curve> curves,
      Size size,
      Split split,
      String title) {
    ImmutableSet<String> models =
        curves.stream()
            .filter(curve -> curve.split() == split && !curve.points().isEmpty())
            .map(Curve::model)
            .collect(ImmutableSet.toImmutableSet());
    if (models.isEmpty()) {
      return;
    }
    Bundle bundle = new Bundle();
    int unknown = names.size();
    for (String model : models) {
      int colour = names.contains(model) ? names.indexOf(model) : unknown++;
      bundle.add(
          model,
          colour,
          curves.stream()
              .filter(curve -> curve.split() == split && curve.model().equals(model))
              .map(curve -> split == Split.TRAIN ? smoothed(curve.points()) : exact(curve.points()))
              .collect(ImmutableList.toImmutableList()));
    }
    figure(
        page,
        new LineChart(
            title, "nats a token", size, Horizontal.STEPS, Range.SETTLED, bundle.lines()));
  }

  /**
   * Adds the mixture weights over steps, a plot a block.
   *
   * @param names models in the order of their colours, which components have too
   */
  static void mixtures(
      Html page,
      ImmutableList<String> names,
      ImmutableList<String> components,
      ImmutableList<AlphaTrace> traces,
      Size size) {
    int blocks =
        traces.stream()
            .flatMap(trace -> trace.points().stream())
            .mapToInt(point -> point.weights().size())
            .max()
            .orElse(0);
    for (int b = 0; b < blocks; b++) {
      int block = b;
      Bundle bundle = new Bundle();
      for (int k = 0; k < components.size(); k++) {
        int component = k;
        String name = components.get(k);
        // Where it is no model of its own, as one after the hybrid.
        int colour = names.contains(name) ? names.indexOf(name) : k + 1;
        bundle.add(
            name,
            colour,
            traces.stream()
                .map(trace -> weights(trace, block, component))
                .collect(ImmutableList.toImmutableList()));
      }
      figure(
          page,
          new LineChart(
              "Block " + (block + 1),
              "mixture weight",
              size,
              Horizontal.STEPS,
              Range.UNIT,
              bundle.lines()));
    }
  }

  static void figure(Html page, LineChart chart) {
    page.line("<figure>").raw(chart.svg()).line("</figure>");
  }

  /** Lines of single seeds, then the lines of their means, which lie above them. */
  static final class Bundle {

    private final ImmutableList.Builder<Line> faint = ImmutableList.builder();
    private final ImmutableList.Builder<Line> strong = ImmutableList.builder();

    /**
     * @param seeds the points of each seed
     */
    void add(String label, int colour, ImmutableList<ImmutableList<Xy>> seeds) {
      strong.add(new Line(label, colour, Weight.STRONG, mean(seeds)));
      if (seeds.size() > 1) {
        seeds.forEach(points -> faint.add(new Line(label, colour, Weight.FAINT, points)));
      }
    }

    ImmutableList<Line> lines() {
      return ImmutableList.<Line>builder().addAll(faint.build()).addAll(strong.build()).build();
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
}
