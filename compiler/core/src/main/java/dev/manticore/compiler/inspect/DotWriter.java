package dev.manticore.compiler.inspect;

import dev.manticore.compiler.inspect.Diagram.Arrow;
import dev.manticore.compiler.inspect.Diagram.Box;
import dev.manticore.compiler.inspect.Diagram.Row;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Writes diagrams in the language of Graphviz; sections become clusters. */
public final class DotWriter {

  private DotWriter() {}

  /** The text of a file for {@code dot}. */
  public static String write(Diagram diagram) {
    StringBuilder text = new StringBuilder();
    text.append("digraph ").append(quoted(diagram.title())).append(" {\n");
    text.append("  label=")
        .append(quoted(diagram.title() + "\n" + diagram.subtitle()))
        .append("; labelloc=t;\n");
    text.append("  node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\"];\n");
    text.append("  edge [fontname=\"Helvetica\", fontsize=10];\n");
    Map<String, List<Integer>> groups = new LinkedHashMap<>();
    for (int i = 0; i < diagram.boxes().size(); i++) {
      groups.computeIfAbsent(diagram.boxes().get(i).group(), key -> new ArrayList<>()).add(i);
    }
    int cluster = 0;
    for (Map.Entry<String, List<Integer>> group : groups.entrySet()) {
      boolean named = !group.getKey().isEmpty();
      if (named) {
        text.append("  subgraph cluster_").append(cluster++).append(" {\n");
        text.append("    label=").append(quoted(group.getKey())).append(";\n");
      }
      for (int index : group.getValue()) {
        box(text, named ? "    " : "  ", index, diagram.boxes().get(index));
      }
      if (named) {
        text.append("  }\n");
      }
    }
    for (Arrow arrow : diagram.arrows()) {
      text.append("  n").append(arrow.from()).append(" -> n").append(arrow.to()).append(" [");
      if (!arrow.label().isEmpty()) {
        text.append("label=").append(quoted(arrow.label())).append(", ");
      }
      text.append(String.format(Locale.ROOT, "penwidth=%.2f", 0.6 + 2.4 * arrow.weight()));
      text.append(arrow.weight() == 0 ? ", style=dashed];\n" : "];\n");
    }
    return text.append("}\n").toString();
  }

  private static void box(StringBuilder text, String indent, int index, Box box) {
    List<String> lines = new ArrayList<>(box.lines());
    box.rows().stream().map(Row::text).forEach(lines::add);
    text.append(indent)
        .append('n')
        .append(index)
        .append(" [label=")
        .append(quoted(String.join("\n", lines)))
        .append(", fillcolor=")
        .append(quoted(Palette.fill(box.kind())))
        .append(", color=")
        .append(quoted(Palette.stroke(box.kind())));
    if (!box.tooltip().isEmpty()) {
      text.append(", tooltip=").append(quoted(box.tooltip()));
    }
    text.append("];\n");
  }

  private static String quoted(String text) {
    return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + '"';
  }
}
