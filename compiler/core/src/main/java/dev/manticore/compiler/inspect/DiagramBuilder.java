package dev.manticore.compiler.inspect;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.inspect.Diagram.Arrow;
import dev.manticore.compiler.inspect.Diagram.Box;
import dev.manticore.compiler.inspect.Diagram.Level;
import dev.manticore.compiler.inspect.Diagram.Row;
import dev.manticore.compiler.inspect.ModelSummary.Part;
import dev.manticore.compiler.inspect.Section.Kind;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.Value;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** Makes diagrams of models: of their blocks, or of every node. */
final class DiagramBuilder {

  /** Layers that are alike are drawn one by one up to so many. */
  private static final int LAYERS = 12;

  /** The longest text of a line, in characters. */
  private static final int LINE = 34;

  private final String title;
  private final ModelSummary summary;
  private final Level level;
  private final FlopCounter flops;
  private final ImmutableList.Builder<Box> boxes = ImmutableList.builder();
  private final ImmutableList.Builder<Arrow> arrows = ImmutableList.builder();
  private int count;

  DiagramBuilder(String title, ModelSummary summary, Level level, FlopCounter flops) {
    this.title = title;
    this.summary = summary;
    this.level = level;
    this.flops = flops;
  }

  /** The operations of a node of the graph that was counted. */
  static long flops(Node node, FlopCounter flops) {
    return node.presentOutputs().stream().findFirst().map(v -> flops.of(v.name())).orElse(0L);
  }

  Diagram of(Graph graph) {
    return nodes(graph, Sections.of(graph));
  }

  Diagram of(Component component, List<Section> sections) {
    if (level == Level.NODES) {
      return nodes(component.graph(), sections);
    }
    int before = text(Kind.OTHER, "token ids");
    List<Part> parts = summary.parts();
    int layers = component.layers().size();
    int shared = -1;
    for (Part part : parts) {
      if (part.kind().equals("shared") && part.flops() + part.parameters() > 0) {
        shared =
            add(
                new Box(
                    Kind.SHARED,
                    ImmutableList.of(
                        "shared by layers", sizes(part.parameters(), part.flopsPerToken()))));
      }
    }
    int drawnLayers = 0;
    for (Part part : parts) {
      if (part.kind().equals("shared") || part.kind().equals("other")) {
        continue;
      }
      boolean layer = part.kind().equals("layer");
      if (layer && layers > LAYERS && drawnLayers >= 2 && drawnLayers < layers - 1) {
        if (drawnLayers == 2) {
          long parameters = 0;
          long operations = 0;
          for (Part other : parts) {
            int index = other.kind().equals("layer") ? parts.indexOf(other) : -1;
            int place = index < 0 ? -1 : index - parts.indexOf(part) + 2;
            if (place >= 2 && place < layers - 1) {
              parameters += other.parameters();
              operations += other.flopsPerToken();
            }
          }
          int box =
              add(
                  new Box(
                      Kind.LAYER,
                      ImmutableList.of(
                          "layers 2 to " + (layers - 2),
                          (layers - 3) + " alike, together",
                          sizes(parameters, operations))));
          arrows.add(new Arrow(before, box));
          before = box;
        }
        drawnLayers++;
        continue;
      }
      int box = box(part);
      arrows.add(new Arrow(before, box));
      if (layer) {
        drawnLayers++;
        if (shared >= 0 && drawnLayers == 1) {
          arrows.add(new Arrow(shared, box, 0, ""));
        }
      }
      before = box;
    }
    int logits = text(Kind.OTHER, "logits");
    arrows.add(new Arrow(before, logits));
    return done();
  }

  Diagram of(Hybrid hybrid, List<Section> sections) {
    if (level == Level.NODES) {
      return nodes(hybrid.graph(), sections);
    }
    int ids = text(Kind.OTHER, "token ids");
    List<Integer> before = new ArrayList<>();
    for (int k : hybrid.mixed(0)) {
      int box =
          add(
              new Box(
                  Kind.EMBEDDING,
                  ImmutableList.of(
                      "embedding", hybrid.names().get(k), "width " + hybrid.width(k))));
      arrows.add(new Arrow(ids, box));
      before.add(box);
    }
    int stream = mixture("mixed embedding", hybrid, 0, before);
    for (int i = 0; i < hybrid.blocks(); i++) {
      before.clear();
      for (int k : hybrid.mixed(i)) {
        before.add(branch(hybrid, i, k, sections, stream));
      }
      stream = mixture("block " + i + " mixed", hybrid, i, before);
    }
    before.clear();
    for (int k : hybrid.mixed(0)) {
      int head = add(new Box(Kind.HEAD, ImmutableList.of("head", hybrid.names().get(k))));
      arrows.add(new Arrow(stream, head));
      before.add(head);
    }
    int mixed = mixture("mixed predictions", hybrid, 0, before);
    arrows.add(new Arrow(mixed, text(Kind.OTHER, "logits")));
    return done();
  }

  private int branch(Hybrid hybrid, int block, int k, List<Section> sections, int stream) {
    List<Integer> range = summary.blocks().get(block).layers().get(k);
    String name = hybrid.names().get(k);
    boolean projected = hybrid.isProjected(block);
    int in = projected ? projector(hybrid.width(), hybrid.width(k), stream) : stream;
    boolean one = range.get(1) - range.get(0) == 1;
    int layers =
        add(
            new Box(
                sections.stream()
                    .filter(section -> section.name().equals("component " + name))
                    .findFirst()
                    .map(section -> Sections.kind(section.nodes()))
                    .orElse(Kind.COMPONENT),
                ImmutableList.of(
                    name,
                    one
                        ? "layer " + range.get(0)
                        : "layers " + range.get(0) + " to " + (range.get(1) - 1))));
    arrows.add(new Arrow(in, layers));
    return projected ? projector(hybrid.width(k), hybrid.width(), layers) : layers;
  }

  private int projector(long from, long to, int before) {
    int box = add(new Box(Kind.PROJECTORS, ImmutableList.of("project " + from + " \u2192 " + to)));
    arrows.add(new Arrow(before, box));
    return box;
  }

  /** What is mixed in a block, in which there may be but one part. */
  private int mixture(String text, Hybrid hybrid, int block, List<Integer> parts) {
    if (parts.size() == 1) {
      return parts.get(0);
    }
    int box = add(new Box(Kind.MIXTURE, ImmutableList.of(text)));
    for (int k = 0; k < parts.size(); k++) {
      float weight = hybrid.weights(block).get(hybrid.mixed(block).get(k));
      arrows.add(new Arrow(parts.get(k), box, weight, String.format(Locale.ROOT, "%.3f", weight)));
    }
    return box;
  }

  /** Every node but constants, those of subgraphs within the node that has them. */
  private Diagram nodes(Graph graph, List<Section> sections) {
    Map<Node, Section> places = new HashMap<>();
    Map<Node, String> groups = new HashMap<>();
    for (Section section : sections) {
      section
          .nodes()
          .forEach(
              node -> {
                places.put(node, section);
                groups.put(node, section.name());
              });
      for (Section inner : section.inner()) {
        inner
            .nodes()
            .forEach(
                node -> {
                  places.put(node, inner);
                  groups.put(node, section.name() + ": " + inner.name());
                });
      }
    }
    Map<Value, Integer> makers = new HashMap<>();
    for (Value input : graph.inputs()) {
      makers.put(input, text(Kind.OTHER, input.name(), input.valueType().toString()));
    }
    for (Node node : graph.nodes()) {
      if (node.op().isOnnx("Constant")) {
        continue;
      }
      ImmutableList.Builder<String> lines = ImmutableList.builder();
      lines.add(shortened(node.op().toString()));
      StringBuilder tooltip = new StringBuilder(node.toString());
      for (Value read : node.reads()) {
        if (graph.parameters().containsKey(read)) {
          lines.add(shortened(read.name()));
        }
        tooltip.append("\nreads ").append(read);
      }
      node.presentOutputs().forEach(output -> tooltip.append("\nmakes ").append(output));
      tooltip.append("\n").append(String.format(Locale.ROOT, "%,d FLOPs", flops(node, flops)));
      Section section = places.get(node);
      int box =
          add(
              new Box(
                  section == null ? Kind.OTHER : section.kind(),
                  lines.build(),
                  ImmutableList.of(),
                  groups.getOrDefault(node, ""),
                  tooltip.toString()));
      Set<Integer> from = new LinkedHashSet<>();
      node.reads().stream().filter(makers::containsKey).map(makers::get).forEach(from::add);
      from.forEach(maker -> arrows.add(new Arrow(maker, box)));
      node.presentOutputs().forEach(output -> makers.put(output, box));
    }
    for (Value output : graph.outputs()) {
      int box = text(Kind.OTHER, output.name(), output.valueType().toString());
      if (makers.containsKey(output)) {
        arrows.add(new Arrow(makers.get(output), box));
      }
    }
    return done();
  }

  private int box(Part part) {
    ImmutableList.Builder<Row> rows = ImmutableList.builder();
    for (Part inner : part.parts()) {
      Kind kind = Kind.valueOf(inner.kind().toUpperCase(Locale.ROOT));
      String what = kind == Kind.MLP || kind == Kind.MIXER ? inner.name() : lower(kind);
      rows.add(new Row(kind, what + "  " + sizes(inner.parameters(), inner.flopsPerToken())));
    }
    return add(
        new Box(
            Kind.valueOf(part.kind().toUpperCase(Locale.ROOT)),
            ImmutableList.of(part.name(), sizes(part.parameters(), part.flopsPerToken())),
            rows.build(),
            "",
            ""));
  }

  private static String lower(Kind kind) {
    return kind.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  private int text(Kind kind, String... lines) {
    List<String> shortened = new ArrayList<>();
    for (String line : lines) {
      shortened.add(shortened(line));
    }
    return add(new Box(kind, ImmutableList.copyOf(shortened)));
  }

  private int add(Box box) {
    boxes.add(box);
    return count++;
  }

  private Diagram done() {
    return new Diagram(
        title,
        quantity(summary.parameters())
            + " parameters, "
            + (summary.cost().length() == 0
                ? quantity(summary.cost().flops()) + "FLOP in a run"
                : quantity(summary.cost().flopsPerToken())
                    + "FLOP a token at length "
                    + summary.cost().length()),
        boxes.build(),
        arrows.build());
  }

  private static String sizes(long parameters, long operations) {
    return quantity(parameters) + " parameters, " + quantity(operations) + "FLOP";
  }

  /** A number of three digits with the letter of its thousands. */
  static String quantity(long number) {
    String[] letters = {"", "k", "M", "G", "T", "P"};
    double value = number;
    int thousands = 0;
    while (value >= 999.5 && thousands < letters.length - 1) {
      value /= 1000;
      thousands++;
    }
    String format = thousands == 0 || value >= 99.95 ? "%.0f %s" : "%.1f %s";
    return String.format(Locale.ROOT, format, value, letters[thousands]).strip()
        + (thousands == 0 ? " " : "");
  }

  private static String shortened(String text) {
    return text.length() <= LINE ? text : "\u2026" + text.substring(text.length() - LINE + 1);
  }
}
