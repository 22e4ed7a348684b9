package dev.manticore.compiler.inspect;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Places boxes in rows so that arrows go down: rows by the longest way from a source, order within
 * rows by the mean place of neighbours, places by the least movement from there that leaves gaps
 * (after Sugiyama, Tagawa and Toda, 1981). Arrows over several rows bend at a point in each.
 */
final class LayeredLayout {

  private static final int ORDER_SWEEPS = 12;
  private static final int PLACE_SWEEPS = 40;

  /** A long arrow shall be straight rather than its boxes above each other. */
  private static final double STRAIGHT = 4;

  /** Boxes shall be above each other rather than the bends beside them near their arrow's ends. */
  private static final double BEND_WEIGHT = 0.1;

  private static final double COLUMN_GAP = 26;
  private static final double BEND_GAP = 14;

  /** A box, or a point where an arrow passes a row. */
  private static final class Item {
    final double width;
    final double height;
    int row;
    double order;
    double x;
    final List<Item> above = new ArrayList<>();
    final List<Item> below = new ArrayList<>();

    /** How strongly the item draws the others of its way to itself, by neighbour. */
    final Map<Item, Double> pulls = new LinkedHashMap<>();

    Item(double width, double height) {
      this.width = width;
      this.height = height;
    }

    boolean isBend() {
      return width == 0;
    }
  }

  /** An arrow's way: from the first box over bends to the last one. */
  record Way(double[] xs, double[] ys) {}

  private final List<Item> items = new ArrayList<>();
  private final List<List<Item>> rows = new ArrayList<>();
  private final List<List<Item>> ways = new ArrayList<>();
  private double[] tops;
  private double[] heights;
  private double width;

  /**
   * @param widths and heights of the boxes
   * @param arrows pairs of boxes, without cycles
   * @param pulls for each arrow how strongly it draws its ends above each other
   * @param rowGap the space between two rows
   */
  LayeredLayout(
      double[] widths, double[] heights, List<int[]> arrows, double[] pulls, double rowGap) {
    for (int i = 0; i < widths.length; i++) {
      items.add(new Item(widths[i], heights[i]));
    }
    assignRows(arrows);
    for (int i = 0; i < arrows.size(); i++) {
      route(items.get(arrows.get(i)[0]), items.get(arrows.get(i)[1]), pulls[i]);
    }
    order();
    place();
    this.heights = new double[rows.size()];
    this.tops = new double[rows.size()];
    double top = 0;
    for (int row = 0; row < rows.size(); row++) {
      tops[row] = top;
      this.heights[row] = rows.get(row).stream().mapToDouble(item -> item.height).max().orElse(0);
      top += this.heights[row] + rowGap;
    }
  }

  double width() {
    return width;
  }

  double height() {
    return tops.length == 0 ? 0 : tops[tops.length - 1] + heights[heights.length - 1];
  }

  /** The left edge of a box. */
  double left(int box) {
    return items.get(box).x - items.get(box).width / 2;
  }

  /** The upper edge of a box. */
  double top(int box) {
    Item item = items.get(box);
    return tops[item.row] + (heights[item.row] - item.height) / 2;
  }

  /** The way of an arrow, by its place in the list. */
  Way way(int arrow) {
    List<Item> way = ways.get(arrow);
    List<Double> xs = new ArrayList<>();
    List<Double> ys = new ArrayList<>();
    for (int i = 0; i < way.size(); i++) {
      Item item = way.get(i);
      double middle = tops[item.row] + heights[item.row] / 2;
      if (i > 0) {
        xs.add(item.x);
        ys.add(item.isBend() ? tops[item.row] : middle - item.height / 2);
      }
      if (i < way.size() - 1) {
        xs.add(item.x);
        ys.add(item.isBend() ? tops[item.row] + heights[item.row] : middle + item.height / 2);
      }
    }
    return new Way(
        xs.stream().mapToDouble(Double::doubleValue).toArray(),
        ys.stream().mapToDouble(Double::doubleValue).toArray());
  }

  private void assignRows(List<int[]> arrows) {
    int count = items.size();
    int[] incoming = new int[count];
    List<List<Integer>> next = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      next.add(new ArrayList<>());
    }
    for (int[] arrow : arrows) {
      next.get(arrow[0]).add(arrow[1]);
      incoming[arrow[1]]++;
    }
    boolean[] source = new boolean[count];
    List<Integer> sorted = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      source[i] = incoming[i] == 0;
      if (source[i]) {
        sorted.add(i);
      }
    }
    for (int i = 0; i < sorted.size(); i++) {
      int box = sorted.get(i);
      for (int other : next.get(box)) {
        items.get(other).row = Math.max(items.get(other).row, items.get(box).row + 1);
        if (--incoming[other] == 0) {
          sorted.add(other);
        }
      }
    }
    // A source stands right above the first box that it leads to.
    for (int i = 0; i < count; i++) {
      if (source[i] && !next.get(i).isEmpty()) {
        int first = next.get(i).stream().mapToInt(other -> items.get(other).row).min().orElse(1);
        items.get(i).row = first - 1;
      }
    }
    for (Item item : items) {
      at(item.row).add(item);
    }
  }

  private List<Item> at(int row) {
    while (rows.size() <= row) {
      rows.add(new ArrayList<>());
    }
    return rows.get(row);
  }

  private void route(Item from, Item to, double pull) {
    List<Item> way = new ArrayList<>(List.of(from));
    Item before = from;
    for (int row = from.row + 1; row < to.row; row++) {
      Item bend = new Item(0, 0);
      bend.row = row;
      at(row).add(bend);
      link(before, bend, pull * (before.isBend() ? STRAIGHT : BEND_WEIGHT));
      way.add(bend);
      before = bend;
    }
    link(before, to, before.isBend() ? pull * BEND_WEIGHT : pull);
    way.add(to);
    ways.add(way);
  }

  private static void link(Item above, Item below, double pull) {
    above.below.add(below);
    below.above.add(above);
    above.pulls.merge(below, pull, Double::sum);
    below.pulls.merge(above, pull, Double::sum);
  }

  private void order() {
    for (List<Item> row : rows) {
      number(row);
    }
    for (int sweep = 0; sweep < ORDER_SWEEPS; sweep++) {
      boolean down = sweep % 2 == 0;
      for (int i = 0; i < rows.size(); i++) {
        List<Item> row = rows.get(down ? i : rows.size() - 1 - i);
        for (Item item : row) {
          item.x = mean(down ? item.above : item.below, item.order);
        }
        row.sort(Comparator.comparingDouble((Item item) -> item.x));
        number(row);
      }
    }
  }

  private static void number(List<Item> row) {
    for (int i = 0; i < row.size(); i++) {
      row.get(i).order = i;
    }
  }

  private static double mean(List<Item> neighbours, double otherwise) {
    return neighbours.stream().mapToDouble(item -> item.order).average().orElse(otherwise);
  }

  private void place() {
    for (List<Item> row : rows) {
      double x = 0;
      for (Item item : row) {
        item.x = x + item.width / 2;
        x += item.width + gap(item, item);
      }
    }
    for (int sweep = 0; sweep < PLACE_SWEEPS; sweep++) {
      boolean down = sweep % 2 == 0;
      for (int i = 0; i < rows.size(); i++) {
        spread(rows.get(down ? i : rows.size() - 1 - i), sweep == 0);
      }
    }
    double least = Double.POSITIVE_INFINITY;
    double most = 0;
    for (List<Item> row : rows) {
      for (Item item : row) {
        least = Math.min(least, item.x - item.width / 2);
        most = Math.max(most, item.x + item.width / 2);
      }
    }
    for (List<Item> row : rows) {
      for (Item item : row) {
        item.x -= least;
      }
    }
    width = Math.max(0, most - least);
  }

  /** Moves the items of a row to the mean of their neighbours, as far as gaps and order allow. */
  private static void spread(List<Item> row, boolean aboveOnly) {
    int count = row.size();
    double[] offset = new double[count];
    double[] wanted = new double[count];
    double[] weights = new double[count];
    for (int i = 0; i < count; i++) {
      Item item = row.get(i);
      if (i > 0) {
        Item left = row.get(i - 1);
        offset[i] = offset[i - 1] + left.width / 2 + gap(left, item) + item.width / 2;
      }
      double sum = 0;
      double pulled = 0;
      for (Map.Entry<Item, Double> pull : item.pulls.entrySet()) {
        if (!aboveOnly || pull.getKey().row < item.row) {
          sum += pull.getValue() * pull.getKey().x;
          pulled += pull.getValue();
        }
      }
      wanted[i] = (pulled > 0 ? sum / pulled : item.x) - offset[i];
      weights[i] = item.isBend() ? BEND_WEIGHT : 1;
    }
    // Nearest in squares without decreasing: neighbours that would are pooled.
    double[] sums = new double[count];
    double[] totals = new double[count];
    int[] sizes = new int[count];
    int pools = 0;
    for (int i = 0; i < count; i++) {
      sums[pools] = weights[i] * wanted[i];
      totals[pools] = weights[i];
      sizes[pools] = 1;
      pools++;
      while (pools > 1
          && sums[pools - 2] / totals[pools - 2] > sums[pools - 1] / totals[pools - 1]) {
        sums[pools - 2] += sums[pools - 1];
        totals[pools - 2] += totals[pools - 1];
        sizes[pools - 2] += sizes[pools - 1];
        pools--;
      }
    }
    double[] placed = new double[count];
    int next = 0;
    for (int pool = 0; pool < pools; pool++) {
      Arrays.fill(placed, next, next + sizes[pool], sums[pool] / totals[pool]);
      next += sizes[pool];
    }
    for (int i = 0; i < count; i++) {
      row.get(i).x = placed[i] + offset[i];
    }
  }

  private static double gap(Item left, Item right) {
    return left.isBend() || right.isBend() ? BEND_GAP : COLUMN_GAP;
  }
}
