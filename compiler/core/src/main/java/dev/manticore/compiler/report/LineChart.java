package dev.manticore.compiler.report;

import com.google.common.collect.ImmutableList;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A plot of lines as inline SVG. Colours are classes {@code c0} to {@code c5} of the page's style
 * sheet, so that the plot follows the page's light or dark scheme; further lines have the same
 * colours again, and are dashed.
 */
final class LineChart {

  private static final int LEFT = 62;
  private static final int BOTTOM = 46;
  private static final int COLOURS = 6;
  private static final int DASHES = 3;

  /** The share of a run whose steep fall would otherwise press everything after it flat. */
  private static final double FIRST_STEPS = 0.2;

  private final String title;
  private final String yLabel;
  private final int width;
  private final int height;
  private final Horizontal horizontal;
  private final int right;
  private final int top = 30;
  private final double xMax;
  private final double yMin;
  private final double yMax;
  private final double yTick;

  /** Width and height, in the units of its text. */
  record Size(int width, int height) {}

  /**
   * The horizontal axis, which begins at 0.
   *
   * @param finest the least distance of its ticks
   */
  record Horizontal(String label, double finest) {
    static final Horizontal STEPS = new Horizontal("optimizer steps", 1);
  }

  /** A point of a line. */
  record Xy(double x, double y) {}

  /** How a line looks. */
  enum Weight {
    /** A single run behind a mean. */
    FAINT,
    STRONG
  }

  /**
   * A line.
   *
   * @param label written at its end and in the legend; lines of one label share a colour
   * @param points in order; one alone is a mark
   */
  record Line(String label, int colour, Weight weight, ImmutableList<Xy> points) {}

  /** How the vertical axis is chosen. */
  enum Range {
    /** From the least to the greatest value. */
    OF_DATA,
    /** From the least to the greatest value after the first steps, which may lie above the plot. */
    SETTLED,
    /** From 0 to 1. */
    UNIT
  }

  private final ImmutableList<Line> lines;

  LineChart(
      String title,
      String yLabel,
      Size size,
      Horizontal horizontal,
      Range range,
      ImmutableList<Line> allLines) {
    this.title = title;
    this.yLabel = yLabel;
    this.width = size.width();
    this.height = size.height();
    this.horizontal = horizontal;
    this.lines = allLines.stream().map(LineChart::finite).collect(ImmutableList.toImmutableList());
    int longest =
        lines.stream()
            .filter(line -> line.weight() == Weight.STRONG)
            .mapToInt(line -> line.label().length())
            .max()
            .orElse(0);
    this.right = Math.min(200, 24 + 8 * longest);
    List<Xy> all = new ArrayList<>();
    lines.forEach(line -> all.addAll(line.points()));
    this.xMax = Math.max(horizontal.finest(), all.stream().mapToDouble(Xy::x).max().orElse(1));
    double low = all.stream().mapToDouble(Xy::y).min().orElse(0);
    double settled = range == Range.SETTLED ? xMax * FIRST_STEPS : 0;
    double high =
        all.stream().filter(point -> point.x() >= settled).mapToDouble(Xy::y).max().orElse(1);
    if (range == Range.UNIT) {
      low = 0;
      high = 1;
    }
    if (high - low < 1e-9) {
      high = low + 1;
    }
    this.yTick = tick(high - low, 5);
    this.yMin = Math.floor(low / yTick) * yTick;
    this.yMax = Math.ceil(high / yTick) * yTick;
  }

  private static Line finite(Line line) {
    return new Line(
        line.label(),
        line.colour(),
        line.weight(),
        line.points().stream()
            .filter(point -> Double.isFinite(point.y()))
            .collect(ImmutableList.toImmutableList()));
  }

  /** A step of 1, 2 or 5 times a power of ten that divides a span into about so many parts. */
  private static double tick(double span, int parts) {
    double rough = span / parts;
    double power = Math.pow(10, Math.floor(Math.log10(rough)));
    double factor = rough / power;
    return power * (factor <= 1 ? 1 : factor <= 2 ? 2 : factor <= 5 ? 5 : 10);
  }

  String svg() {
    Html svg = new Html();
    svg.line("<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">", width, height, title);
    svg.line("<text class=\"title\" x=\"%d\" y=\"16\">%s</text>", LEFT, title);
    axes(svg);
    svg.line(
        "<svg x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" viewBox=\"%d %d %d %d\">",
        LEFT,
        top,
        width - right - LEFT + 4,
        height - BOTTOM - top + 4,
        LEFT,
        top,
        width - right - LEFT + 4,
        height - BOTTOM - top + 4);
    for (Line line : lines) {
      draw(svg, line);
    }
    svg.line("</svg>");
    labels(svg);
    svg.line("</svg>");
    return svg.toString();
  }

  private void axes(Html svg) {
    long rows = Math.round((yMax - yMin) / yTick);
    for (long row = 0; row <= rows; row++) {
      double value = yMin + row * yTick;
      double y = y(value);
      svg.line(
          "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>",
          LEFT, width - right, y, y);
      svg.line(
          "<text class=\"tick\" text-anchor=\"end\" x=\"%d\" y=\"%.1f\">%s</text>",
          LEFT - 8, y + 4, text(value, yTick));
    }
    double xTick = Math.max(horizontal.finest(), tick(xMax, 6));
    for (long column = 0; column * xTick <= xMax * (1 + 1e-9); column++) {
      double value = column * xTick;
      svg.line(
          "<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>",
          x(value), x(value), height - BOTTOM, height - BOTTOM + 4);
      svg.line(
          "<text class=\"tick\" text-anchor=\"middle\" x=\"%.1f\" y=\"%d\">%s</text>",
          x(value), height - BOTTOM + 18, text(value, xTick));
    }
    svg.line(
        "<line class=\"axis\" x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>",
        LEFT, width - right, height - BOTTOM, height - BOTTOM);
    svg.line(
        "<text class=\"label\" text-anchor=\"middle\" x=\"%d\" y=\"%d\">%s</text>",
        (LEFT + width - right) / 2, height - 8, horizontal.label());
    int middle = (top + height - BOTTOM) / 2;
    svg.line(
        "<text class=\"label\" text-anchor=\"middle\" x=\"14\" y=\"%d\""
            + " transform=\"rotate(-90 14 %d)\">%s</text>",
        middle, middle, yLabel);
  }

  /** A value of an axis, with as many decimals as its ticks need. */
  private static String text(double value, double tick) {
    int decimals = Math.max(0, (int) Math.ceil(-Math.log10(tick) - 1e-9));
    return String.format(Locale.ROOT, "%." + decimals + "f", value);
  }

  private static String look(int colour) {
    int round = colour / COLOURS % DASHES;
    return "c" + colour % COLOURS + (round == 0 ? "" : " d" + round);
  }

  private void draw(Html svg, Line line) {
    if (line.points().isEmpty()) {
      return;
    }
    if (line.points().size() == 1) {
      Xy point = line.points().get(0);
      svg.line(
          "<circle class=\"dot mark %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"5.5\"/>",
          look(line.colour()), x(point.x()), y(point.y()));
      return;
    }
    StringBuilder path = new StringBuilder();
    for (Xy point : line.points()) {
      path.append(String.format(Locale.ROOT, "%.1f,%.1f ", x(point.x()), y(point.y())));
    }
    String weight = line.weight() == Weight.FAINT ? "faint" : "strong";
    svg.line(
        "<polyline class=\"line %s %s\" points=\"%s\"/>",
        weight, look(line.colour()), path.toString().strip());
    if (line.weight() == Weight.STRONG && line.points().size() <= 25) {
      for (Xy point : line.points()) {
        svg.line(
            "<circle class=\"dot %s\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>",
            look(line.colour()), x(point.x()), y(point.y()));
      }
    }
  }

  /** Names lines at their ends, pushed apart where they would overlap. */
  private void labels(Html svg) {
    record Label(String text, int colour, double y) {}
    List<Label> labels = new ArrayList<>();
    for (Line line : lines) {
      if (line.weight() == Weight.STRONG && !line.points().isEmpty()) {
        Xy last = line.points().get(line.points().size() - 1);
        labels.add(new Label(line.label(), line.colour(), y(last.y())));
      }
    }
    labels.sort((a, b) -> Double.compare(a.y(), b.y()));
    double gap = 16;
    double lowest = height - BOTTOM - gap * (labels.size() - 1);
    double free = top;
    for (Label label : labels) {
      double at = Math.max(free, Math.min(label.y(), lowest));
      if (label.colour() < COLOURS) {
        svg.line(
            "<circle class=\"dot %s\" cx=\"%d\" cy=\"%.1f\" r=\"4\"/>",
            look(label.colour()), width - right + 10, at);
      } else {
        svg.line(
            "<line class=\"line strong %s\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>",
            look(label.colour()), width - right + 2, width - right + 15, at, at);
      }
      svg.line(
          "<text class=\"legend\" x=\"%d\" y=\"%.1f\">%s</text>",
          width - right + 18, at + 4, label.text());
      free = at + gap;
      lowest += gap;
    }
  }

  private double x(double value) {
    return LEFT + value / xMax * (width - right - LEFT);
  }

  private double y(double value) {
    double share = (value - yMin) / (yMax - yMin);
    return height - BOTTOM - share * (height - BOTTOM - top);
  }
}
