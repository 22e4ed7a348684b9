package dev.manticore.compiler.report;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.collect.ImmutableList;
import java.util.ArrayList;
import java.util.List;

/** A table in plain text, its columns as wide as what is in them. */
public final class TextTable {

  private static final String GAP = "  ";

  /** On which side of a column its texts stand. */
  private enum Side {
    LEFT,
    RIGHT
  }

  private record Column(String head, Side side) {}

  private final List<Column> columns = new ArrayList<>();
  private final List<ImmutableList<String>> rows = new ArrayList<>();

  /** Adds a column of words. */
  public TextTable words(String head) {
    columns.add(new Column(head, Side.LEFT));
    return this;
  }

  /** Adds a column of numbers. */
  public TextTable numbers(String head) {
    columns.add(new Column(head, Side.RIGHT));
    return this;
  }

  /**
   * Adds a row.
   *
   * @throws IllegalArgumentException if it has not one text a column
   */
  public TextTable row(List<String> texts) {
    checkArgument(
        texts.size() == columns.size(), "%s texts for %s columns", texts.size(), columns.size());
    rows.add(ImmutableList.copyOf(texts));
    return this;
  }

  /** Adds a row; see {@link #row(List)}. */
  public TextTable row(String... texts) {
    return row(ImmutableList.copyOf(texts));
  }

  /** The heads, then the rows. */
  public ImmutableList<String> lines() {
    List<ImmutableList<String>> all = new ArrayList<>();
    all.add(columns.stream().map(Column::head).collect(ImmutableList.toImmutableList()));
    all.addAll(rows);
    ImmutableList.Builder<String> lines = ImmutableList.builder();
    for (ImmutableList<String> texts : all) {
      List<String> cells = new ArrayList<>();
      for (int i = 0; i < columns.size(); i++) {
        int column = i;
        int width = all.stream().mapToInt(row -> length(row.get(column))).max().orElse(0);
        String space = " ".repeat(width - length(texts.get(i)));
        cells.add(columns.get(i).side() == Side.LEFT ? texts.get(i) + space : space + texts.get(i));
      }
      lines.add(String.join(GAP, cells).stripTrailing());
    }
    return lines.build();
  }

  private static int length(String text) {
    return text.codePointCount(0, text.length());
  }
}
