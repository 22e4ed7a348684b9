package dev.manticore.compiler.report;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.experiment.Landscape;
import dev.manticore.compiler.experiment.Landscape.Cell;
import dev.manticore.compiler.experiment.Landscape.Point;
import dev.manticore.compiler.report.Charts.Bundle;
import dev.manticore.compiler.report.LineChart.Horizontal;
import dev.manticore.compiler.report.LineChart.Line;
import dev.manticore.compiler.report.LineChart.Range;
import dev.manticore.compiler.report.LineChart.Weight;
import dev.manticore.compiler.report.LineChart.Xy;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.io.AtomicFiles;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** A landscape as a figure: a curve for one block, a heat map for two. */
public final class LandscapePage {

  private LandscapePage() {}

  /**
   * Writes one HTML file without scripts or links to anywhere; equal landscapes give equal bytes.
   *
   * @param about a sentence on how the points were trained
   * @throws ManticoreException {@code MNT-WRITE} if it cannot be written
   */
  public static void write(Landscape landscape, String about, Path file) {
    Html page = new Html().line("<p>%s</p>", about);
    figure(page, landscape);
    AtomicFiles.writeString(
        file, Page.of("Manticore landscape", landscape.name(), Page.Width.TEXT, page));
  }

  /** Adds the figure to a page. */
  static void figure(Html page, Landscape landscape) {
    page.line("<figure>");
    page.raw(landscape.axes().size() == 1 ? curve(landscape).svg() : new HeatMap(landscape).svg());
    page.line("<figcaption>%s</figcaption></figure>", caption(landscape));
  }

  private static LineChart curve(Landscape landscape) {
    Bundle bundle = new Bundle();
    ImmutableSet<Integer> seeds =
        landscape.points().stream().map(Point::seed).collect(ImmutableSet.toImmutableSet());
    ImmutableList.Builder<ImmutableList<Xy>> lines = ImmutableList.builder();
    for (int seed : seeds) {
      lines.add(
          landscape.points().stream()
              .filter(point -> point.seed() == seed)
              .map(point -> new Xy(point.weights().get(0), point.loss()))
              .sorted((a, b) -> Double.compare(a.x(), b.x()))
              .collect(ImmutableList.toImmutableList()));
    }
    bundle.add("fixed", 0, lines.build());
    ImmutableList.Builder<Line> all = ImmutableList.<Line>builder().addAll(bundle.lines());
    landscape
        .lowest()
        .ifPresent(cell -> all.add(mark("lowest", 2, cell.weights().get(0), cell.losses().mean())));
    landscape
        .searched()
        .ifPresent(point -> all.add(mark("searched", 1, point.weights().get(0), point.loss())));
    return new LineChart(
        landscape.name(),
        "nats",
        Charts.HALF,
        new Horizontal("weight of " + landscape.axes().get(0), 0),
        Range.OF_DATA,
        all.build());
  }

  private static Line mark(String label, int colour, double x, double y) {
    return new Line(label, colour, Weight.STRONG, ImmutableList.of(new Xy(x, y)));
  }

  private static String caption(Landscape landscape) {
    Optional<Cell> lowest = landscape.lowest();
    if (lowest.isEmpty()) {
      return "No loss is finite.";
    }
    String text =
        String.format(
            "Lowest%s: %s at %s.",
            landscape.axes().size() == 2 ? " (framed)" : "",
            Numbers.number(lowest.get().losses().mean()),
            weights(lowest.get().weights()));
    return text
        + landscape
            .searched()
            .map(
                point ->
                    String.format(
                        " Searched%s: %s at %s, %s against the lowest.",
                        landscape.axes().size() == 2 ? " (ringed)" : "",
                        Numbers.number(point.loss()),
                        weights(point.weights()),
                        Numbers.signed(point.loss() - lowest.get().losses().mean())))
            .orElse("");
  }

  private static String weights(List<Double> weights) {
    return Numbers.list(weights.stream().map(weight -> Numbers.number(weight, 2)).toList());
  }
}
