package dev.manticore.compiler.report;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.experiment.Landscape;
import dev.manticore.compiler.experiment.Landscape.Cell;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * A landscape of two blocks as inline SVG: each place as a cell, coloured by its mean loss, with
 * the lowest cell framed and the searched point ringed. The colours are those of viridis, whose
 * lightness grows along the scale, so that it can be read without telling hues apart; what is low
 * is light.
 */
final class HeatMap {

  private static final int LEFT = 62;
  private static final int TOP = 34;
  private static final int PLOT = 430;
  private static final int BOTTOM = 52;
  private static final int BAR = 16;
  private static final int WIDTH = LEFT + PLOT + 110;
  private static final int HEIGHT = TOP + PLOT + BOTTOM;

  /** Cells that are narrower show no values. */
  private static final double READABLE = 36;

  /** viridis at equal distances, from dark to light. */
  private static final int[] VIRIDIS = {
    0x440154, 0x472d7b, 0x3b528b, 0x2c728e, 0x21918c, 0x28ae80, 0x5ec962, 0xaddc30, 0xfde725
  };

  private final Landscape landscape;
  private final ImmutableList<Cell> cells;
  private final double[] xEdges;
  private final double[] yEdges;
  private final ImmutableList<Double> xs;
  private final ImmutableList<Double> ys;
  private final double low;
  private final double high;

  HeatMap(Landscape landscape) {
    checkArgument(landscape.axes().size() == 2, "%s has not two axes", landscape.name());
    this.landscape = landscape;
    this.cells = landscape.cells();
    this.xs = weights(0);
    this.ys = weights(1);
    this.xEdges = edges(xs);
    this.yEdges = edges(ys);
    double[] finite =
        cells.stream().mapToDouble(cell -> cell.losses().mean()).filter(Double::isFinite).toArray();
    this.low = Arrays.stream(finite).min().orElse(0);
    this.high = Arrays.stream(finite).max().orElse(0);
  }

  private ImmutableList<Double> weights(int axis) {
    return cells.stream()
        .map(cell -> cell.weights().get(axis))
        .distinct()
        .sorted()
        .collect(ImmutableList.toImmutableList());
  }

  /** Cells reach halfway to their neighbours, and as far on the other side at the ends. */
  private static double[] edges(List<Double> places) {
    int n = places.size();
    double[] edges = new double[n + 1];
    for (int i = 1; i < n; i++) {
      edges[i] = (places.get(i - 1) + places.get(i)) / 2;
    }
    edges[0] = n == 1 ? places.get(0) - 0.5 : 2 * places.get(0) - edges[1];
    edges[n] = n == 1 ? places.get(0) + 0.5 : 2 * places.get(n - 1) - edges[n - 1];
    return edges;
  }

  String svg() {
    Html svg = new Html();
    svg.line(
        "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"loss on %s over mixture weights\">",
        WIDTH, HEIGHT, landscape.name());
    svg.line("<text class=\"title\" x=\"%d\" y=\"16\">%s</text>", LEFT, landscape.name());
    cells.forEach(cell -> draw(svg, cell));
    axes(svg);
    landscape.lowest().ifPresent(cell -> frame(svg, cell));
    landscape
        .searched()
        .ifPresent(
            point -> {
              double x = x(point.weights().get(0));
              double y = y(point.weights().get(1));
              svg.line("<circle class=\"ring under\" cx=\"%.1f\" cy=\"%.1f\" r=\"9\"/>", x, y);
              svg.line("<circle class=\"ring\" cx=\"%.1f\" cy=\"%.1f\" r=\"9\"/>", x, y);
            });
    legend(svg);
    svg.line("</svg>");
    return svg.toString();
  }

  private void draw(Html svg, Cell cell) {
    int column = xs.indexOf(cell.weights().get(0));
    int row = ys.indexOf(cell.weights().get(1));
    double left = x(xEdges[column]);
    double top = y(yEdges[row + 1]);
    double width = x(xEdges[column + 1]) - left;
    double height = y(yEdges[row]) - top;
    double loss = cell.losses().mean();
    boolean finite = Double.isFinite(loss);
    String text = finite ? String.format(Locale.ROOT, "%.3f", loss) : "diverged";
    svg.line(
        "<rect class=\"cell%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\""
            + " fill=\"%s\"><title>%s</title></rect>",
        finite ? "" : " diverged",
        left,
        top,
        width,
        height,
        finite ? colour(share(loss)) : "none",
        text);
    if (Math.min(width, height * 2) >= READABLE) {
      svg.line(
          "<text class=\"value %s\" text-anchor=\"middle\" x=\"%.1f\" y=\"%.1f\">%s</text>",
          !finite ? "none" : share(loss) > 0.45 ? "light" : "dark",
          left + width / 2,
          top + height / 2 + 3.5,
          finite ? text : "–");
    }
  }

  private void frame(Html svg, Cell cell) {
    int column = xs.indexOf(cell.weights().get(0));
    int row = ys.indexOf(cell.weights().get(1));
    double left = x(xEdges[column]) + 1.5;
    double top = y(yEdges[row + 1]) + 1.5;
    double width = x(xEdges[column + 1]) - left - 1.5;
    double height = y(yEdges[row]) - top - 1.5;
    svg.line(
        "<rect class=\"frame\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
        left, top, width, height);
  }

  private void axes(Html svg) {
    int bottom = TOP + PLOT;
    for (double weight : ticks(xs)) {
      svg.line(
          "<text class=\"tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%d\">%s</text>",
          x(weight), bottom + 16, tick(weight));
    }
    for (double weight : ticks(ys)) {
      svg.line(
          "<text class=\"tick\" text-anchor=\"end\" x=\"%d\" y=\"%.1f\">%s</text>",
          LEFT - 7, y(weight) + 4, tick(weight));
    }
    svg.line(
        "<text class=\"label\" text-anchor=\"middle\" x=\"%d\" y=\"%d\">%s</text>",
        LEFT + PLOT / 2, HEIGHT - 10, landscape.axes().get(0));
    int middle = TOP + PLOT / 2;
    svg.line(
        "<text class=\"label\" text-anchor=\"middle\" x=\"14\" y=\"%d\""
            + " transform=\"rotate(-90 14 %d)\">%s</text>",
        middle, middle, landscape.axes().get(1));
  }

  private static String tick(double weight) {
    return BigDecimal.valueOf(weight)
        .setScale(2, RoundingMode.HALF_EVEN)
        .stripTrailingZeros()
        .toPlainString();
  }

  /** At most eleven of the places, at equal distances. */
  private static ImmutableList<Double> ticks(ImmutableList<Double> places) {
    int every = (places.size() + 10) / 11;
    ImmutableList.Builder<Double> ticks = ImmutableList.builder();
    for (int i = 0; i < places.size(); i += every) {
      ticks.add(places.get(i));
    }
    return ticks.build();
  }

  private void legend(Html svg) {
    int left = LEFT + PLOT + 26;
    int parts = 64;
    double step = PLOT / (double) parts;
    for (int i = 0; i < parts; i++) {
      svg.line(
          "<rect class=\"scale\" x=\"%d\" y=\"%.2f\" width=\"%d\" height=\"%.2f\" fill=\"%s\"/>",
          left, TOP + i * step, BAR, step + 0.5, colour(i / (parts - 1.0)));
    }
    for (int i = 0; i <= 4; i++) {
      double share = i / 4.0;
      svg.line(
          "<text class=\"tick\" x=\"%d\" y=\"%.1f\">%s</text>",
          left + BAR + 6,
          TOP + share * PLOT + (i == 0 ? 9 : i == 4 ? 0 : 4),
          String.format(Locale.ROOT, "%.3f", high - share * (high - low)));
    }
    svg.line(
        "<text class=\"label\" text-anchor=\"middle\" x=\"%d\" y=\"%d\">nats an answer</text>",
        left + BAR + 10, TOP - 10);
  }

  /** 1 at the lowest loss, 0 at the highest. */
  private double share(double loss) {
    return high > low ? (high - loss) / (high - low) : 1;
  }

  private static String colour(double share) {
    double place = share * (VIRIDIS.length - 1);
    int below = Math.min((int) place, VIRIDIS.length - 2);
    int colour = 0;
    for (int shift = 16; shift >= 0; shift -= 8) {
      int from = VIRIDIS[below] >> shift & 0xff;
      int to = VIRIDIS[below + 1] >> shift & 0xff;
      colour |= (int) Math.round(from + (place - below) * (to - from)) << shift;
    }
    return String.format("#%06x", colour);
  }

  private double x(double weight) {
    return LEFT + (weight - xEdges[0]) / (xEdges[xEdges.length - 1] - xEdges[0]) * PLOT;
  }

  private double y(double weight) {
    double share = (weight - yEdges[0]) / (yEdges[yEdges.length - 1] - yEdges[0]);
    return TOP + PLOT - share * PLOT;
  }
}
