package dev.manticore.compiler.inspect;

import com.google.common.xml.XmlEscapers;
import dev.manticore.compiler.inspect.Diagram.Arrow;
import dev.manticore.compiler.inspect.Diagram.Box;
import dev.manticore.compiler.inspect.Diagram.Row;
import dev.manticore.compiler.inspect.LayeredLayout.Way;
import dev.manticore.ir.ManticoreException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Draws diagrams as SVG, in rows from top to bottom; hovering a box shows what is known of it. */
public final class SvgWriter {

  /** More boxes are neither drawn in time nor read. */
  static final int MOST_BOXES = 2000;

  private static final double MARGIN = 24;
  private static final double HEADER = 52;
  private static final double LINE = 16;
  private static final double ROW = 22;
  private static final double PADDING = 10;

  /** The widths of letters, on the safe side: what font is there is not known. */
  private static final double LETTER = 6.7;

  private static final double BOLD_LETTER = 7.7;
  private static final double ROW_GAP = 34;

  private SvgWriter() {}

  /**
   * The text of an SVG file.
   *
   * @throws ManticoreException {@code MNT-INSPECT} if there are too many boxes
   */
  public static String write(Diagram diagram) {
    List<Box> boxes = diagram.boxes();
    if (boxes.size() > MOST_BOXES) {
      throw new ManticoreException(
          "MNT-INSPECT",
          diagram.title()
              + " has "
              + boxes.size()
              + " nodes, and no more than "
              + MOST_BOXES
              + " are drawn: take a part of it with 'manticore extract', or write --dot for Graphviz");
    }
    double[] widths = boxes.stream().mapToDouble(SvgWriter::width).toArray();
    double[] heights = boxes.stream().mapToDouble(SvgWriter::height).toArray();
    List<int[]> ends = new ArrayList<>();
    diagram.arrows().forEach(arrow -> ends.add(new int[] {arrow.from(), arrow.to()}));
    // What is dashed reads along, and moves nothing.
    double[] pulls =
        diagram.arrows().stream().mapToDouble(arrow -> arrow.weight() == 0 ? 0.01 : 1).toArray();
    LayeredLayout layout = new LayeredLayout(widths, heights, ends, pulls, ROW_GAP);
    double titleWidth =
        LETTER * 1.2 * Math.max(diagram.title().length(), diagram.subtitle().length());
    double width = Math.max(layout.width(), titleWidth) + 2 * MARGIN;
    double height = layout.height() + HEADER + 2 * MARGIN;
    double left = (width - layout.width()) / 2;
    double top = MARGIN + HEADER;
    StringBuilder svg = new StringBuilder();
    svg.append(
        format(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\""
                + " font-family=\"Helvetica, Arial, sans-serif\" font-size=\"12\">\n",
            width, height, width, height));
    svg.append("<title>").append(escaped(diagram.title())).append("</title>\n");
    svg.append(
        "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\""
            + " markerHeight=\"7\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">"
            + "<path d=\"M0 0 L8 4 L0 8 z\" fill=\"#555\"/></marker></defs>\n");
    svg.append("<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n");
    text(
        svg,
        width / 2,
        MARGIN + 14,
        "middle",
        "font-size=\"17\" font-weight=\"bold\"",
        diagram.title());
    text(svg, width / 2, MARGIN + 34, "middle", "fill=\"#555\"", diagram.subtitle());
    svg.append(format("<g transform=\"translate(%.1f %.1f)\">\n", left, top));
    for (int i = 0; i < diagram.arrows().size(); i++) {
      arrow(svg, diagram.arrows().get(i), layout.way(i));
    }
    for (int i = 0; i < boxes.size(); i++) {
      box(svg, boxes.get(i), layout.left(i), layout.top(i), widths[i], heights[i]);
    }
    // Labels last, so that no line crosses them.
    for (int i = 0; i < diagram.arrows().size(); i++) {
      label(svg, diagram.arrows().get(i), layout.way(i));
    }
    return svg.append("</g>\n</svg>\n").toString();
  }

  private static double width(Box box) {
    double longest = 0;
    for (String line : box.lines()) {
      longest = Math.max(longest, line.length() * LETTER);
    }
    longest = Math.max(longest, box.lines().get(0).length() * BOLD_LETTER);
    for (Row row : box.rows()) {
      longest = Math.max(longest, row.text().length() * LETTER * 0.92 + PADDING);
    }
    return longest + 2 * PADDING;
  }

  private static double height(Box box) {
    return box.lines().size() * LINE + box.rows().size() * ROW + PADDING;
  }

  private static void box(
      StringBuilder svg, Box box, double x, double y, double width, double height) {
    svg.append("<g>");
    if (!box.tooltip().isEmpty() || !box.group().isEmpty()) {
      svg.append("<title>")
          .append(escaped((box.group().isEmpty() ? "" : box.group() + "\n") + box.tooltip()))
          .append("</title>");
    }
    svg.append(
        format(
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"6\" fill=\"%s\" stroke=\"%s\"/>",
            x, y, width, height, Palette.fill(box.kind()), Palette.stroke(box.kind())));
    double line = y + PADDING / 2 + LINE - 4;
    for (int i = 0; i < box.lines().size(); i++) {
      String style = i == 0 ? "font-weight=\"bold\"" : "fill=\"#444\" font-size=\"11\"";
      text(svg, x + width / 2, line, "middle", style, box.lines().get(i));
      line += LINE;
    }
    double rowTop = y + PADDING / 2 + box.lines().size() * LINE;
    for (Row row : box.rows()) {
      svg.append(
          format(
              "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"4\" fill=\"%s\" stroke=\"%s\"/>",
              x + PADDING,
              rowTop + 1,
              width - 2 * PADDING,
              ROW - 4,
              Palette.fill(row.kind()),
              Palette.stroke(row.kind())));
      text(svg, x + width / 2, rowTop + 14, "middle", "font-size=\"11\"", row.text());
      rowTop += ROW;
    }
    svg.append("</g>\n");
  }

  private static void arrow(StringBuilder svg, Arrow arrow, Way way) {
    StringBuilder path = new StringBuilder();
    path.append(format("M%.1f %.1f", way.xs()[0], way.ys()[0]));
    for (int i = 1; i < way.xs().length; i++) {
      double middle = (way.ys()[i - 1] + way.ys()[i]) / 2;
      path.append(
          format(
              " C%.1f %.1f %.1f %.1f %.1f %.1f",
              way.xs()[i - 1], middle, way.xs()[i], middle, way.xs()[i], way.ys()[i]));
    }
    svg.append(
        format(
            "<path d=\"%s\" fill=\"none\" stroke=\"#555\" stroke-width=\"%.2f\"%s marker-end=\"url(#tip)\"/>\n",
            path,
            0.6 + 2.6 * arrow.weight(),
            arrow.weight() == 0 ? " stroke-dasharray=\"3 3\" stroke-opacity=\"0.6\"" : ""));
  }

  private static void label(StringBuilder svg, Arrow arrow, Way way) {
    if (arrow.label().isEmpty()) {
      return;
    }
    int last = way.xs().length - 1;
    double x = (way.xs()[0] + way.xs()[last]) / 2;
    double y = (way.ys()[0] + way.ys()[last]) / 2;
    double width = arrow.label().length() * LETTER * 0.9 + 6;
    svg.append(
        format(
            "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"14\" rx=\"3\" fill=\"#ffffff\" fill-opacity=\"0.9\"/>",
            x - width / 2, y - 7, width));
    text(svg, x, y + 4, "middle", "font-size=\"11\" fill=\"#b9405a\"", arrow.label());
    svg.append('\n');
  }

  private static void text(
      StringBuilder svg, double x, double y, String anchor, String style, String text) {
    svg.append(format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" %s>", x, y, anchor, style));
    svg.append(escaped(text)).append("</text>");
  }

  /** Escapes what XML reserves, and leaves out what it cannot hold. */
  private static String escaped(String text) {
    return XmlEscapers.xmlContentEscaper().escape(text);
  }

  private static String format(String pattern, Object... values) {
    return String.format(Locale.ROOT, pattern, values);
  }
}
