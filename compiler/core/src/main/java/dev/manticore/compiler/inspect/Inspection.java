package dev.manticore.compiler.inspect;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.google.common.base.Strings;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.HybridFiles;
import dev.manticore.compiler.inspect.ModelSummary.Block;
import dev.manticore.compiler.inspect.ModelSummary.Kind;
import dev.manticore.compiler.inspect.ModelSummary.Part;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Value;
import dev.manticore.onnx.OnnxImporter;
import dev.manticore.onnx.huggingface.Models;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/** Looks at models without running them. */
public final class Inspection {

  private static final JsonMapper JSON = JsonMapper.builder().build();

  private Inspection() {}

  /**
   * Summarises an artifact, a checkpoint directory, an {@code .onnx} file or a {@code hybrid.json}.
   *
   * @param components the directory that holds a hybrid's components; if empty, {@code components}
   *     beside the description
   * @throws ManticoreException if it is none of them, or cannot be read
   */
  public static ModelSummary of(Path model, Optional<Path> components) {
    String name = String.valueOf(model.toAbsolutePath().normalize().getFileName());
    if (!Files.exists(model)) {
      throw new ManticoreException("MNT-INSPECT", "there is no model " + model);
    }
    if (Files.isDirectory(model) && Artifact.isArtifact(model)) {
      Artifact artifact = Artifact.open(model);
      return hybrid(Kind.ARTIFACT, artifact.manifest().name(), model, artifact.hybrid());
    }
    if (Files.isDirectory(model)) {
      return graph(Kind.CHECKPOINT, name, model, Models.load(model));
    }
    if (name.endsWith(".onnx")) {
      return graph(Kind.ONNX, name, model, OnnxImporter.read(model));
    }
    if (name.endsWith(".json")) {
      Path directory = components.orElse(model.resolveSibling(HybridFiles.COMPONENTS));
      if (!Files.isDirectory(directory)) {
        throw new ManticoreException(
            "MNT-INSPECT",
            model
                + " is a hybrid, but "
                + directory
                + " is no directory: name the directory of its components with --components");
      }
      return hybrid(Kind.HYBRID, name, model, HybridFiles.read(model, directory));
    }
    throw new ManticoreException(
        "MNT-INSPECT",
        model
            + " is neither an artifact nor a checkpoint directory nor an .onnx file nor a"
            + " hybrid.json");
  }

  /** One JSON object, on one line. */
  public static String toJson(ModelSummary summary) {
    try {
      return JSON.writeValueAsString(summary);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a record that cannot be written as JSON", e);
    }
  }

  /** Lines for a terminal, each with its end. */
  public static String toText(ModelSummary summary) {
    StringBuilder text = new StringBuilder();
    line(text, "model", summary.name() + " (" + lower(summary.kind()) + ")");
    line(text, "inputs", String.join(", ", summary.inputs()));
    line(text, "outputs", String.join(", ", summary.outputs()));
    line(text, "width", summary.width() == 0 ? "no residual stream found" : "" + summary.width());
    line(text, "vocabulary", summary.vocabulary() == 0 ? "unknown" : "" + summary.vocabulary());
    line(text, "longest input", summary.maxLength() == 0 ? "any" : summary.maxLength() + " tokens");
    line(text, "parameters", count(summary.parameters()));
    summary.parts().forEach(part -> line(text, "  " + part.name(), count(part.parameters())));
    for (ModelSummary.Component component : summary.components()) {
      line(
          text,
          "component",
          String.format(
              Locale.ROOT,
              "%s: %d layers of width %d, %s parameters",
              component.name(),
              component.layers(),
              component.width(),
              count(component.parameters())));
    }
    for (int i = 0; i < summary.blocks().size(); i++) {
      Block block = summary.blocks().get(i);
      List<String> branches = new ArrayList<>();
      for (int k = 0; k < block.layers().size(); k++) {
        branches.add(
            String.format(
                Locale.ROOT,
                "%.3f %s[%d..%d)",
                block.mixtureWeights().get(k),
                summary.components().get(k).name(),
                block.layers().get(k).get(0),
                block.layers().get(k).get(1)));
      }
      line(text, "block " + i, String.join(" + ", branches));
    }
    line(
        text,
        "operators",
        summary.operators().values().stream().mapToInt(Integer::intValue).sum() + " nodes");
    summary.operators().forEach((operator, count) -> line(text, "  " + operator, "" + count));
    return text.toString();
  }

  private static ModelSummary graph(Kind kind, String name, Path model, Graph graph) {
    Optional<Component> found = component(name, graph);
    List<Part> parts = new ArrayList<>();
    List<ModelSummary.Component> components = new ArrayList<>();
    if (found.isPresent()) {
      Component component = found.get();
      parts.addAll(Parts.of(component));
      components.add(
          new ModelSummary.Component(
              component.name(), component.layers().size(), component.width(), elements(graph)));
    } else {
      parts.addAll(Parts.of(graph));
    }
    return new ModelSummary(
        kind,
        name,
        model.toString(),
        types(graph.inputs()),
        types(graph.outputs()),
        found.map(Component::width).orElse(0),
        vocabulary(graph),
        found.map(component -> component.maxLength().orElse(0)).orElse(0L),
        elements(graph),
        parts,
        components,
        List.of(),
        operators(graph));
  }

  private static ModelSummary hybrid(Kind kind, String name, Path model, Hybrid hybrid) {
    Graph graph = hybrid.graph();
    List<ModelSummary.Component> components = new ArrayList<>();
    for (int k = 0; k < hybrid.names().size(); k++) {
      components.add(
          new ModelSummary.Component(
              hybrid.names().get(k), hybrid.layers(k), hybrid.width(k), hybrid.parameters(k)));
    }
    List<Block> blocks = new ArrayList<>();
    for (int i = 0; i < hybrid.blocks(); i++) {
      int block = i;
      blocks.add(
          new Block(
              hybrid.options().partition().stream()
                  .map(ranges -> ranges.get(block))
                  .map(range -> List.of(range.from(), range.to()))
                  .toList(),
              hybrid.weights(i)));
    }
    return new ModelSummary(
        kind,
        name,
        model.toString(),
        types(graph.inputs()),
        types(graph.outputs()),
        hybrid.width(),
        vocabulary(graph),
        hybrid.maxLength(),
        elements(graph),
        Parts.of(hybrid),
        components,
        blocks,
        operators(graph));
  }

  private static Optional<Component> component(String name, Graph graph) {
    try {
      return Optional.of(ComponentFinder.find(name, graph));
    } catch (ManticoreException e) {
      // A hybrid, or no language model at all: it has no layers to tell of.
      return Optional.empty();
    }
  }

  private static long vocabulary(Graph graph) {
    return graph.outputs().stream()
        .map(Value::shape)
        .filter(shape -> shape.isRanked() && shape.rank() == 3 && shape.dim(-1).isKnown())
        .map(shape -> shape.dim(-1).extent())
        .findFirst()
        .orElse(0L);
  }

  private static long elements(Graph graph) {
    return graph.parameters().keySet().stream()
        .map(Value::shape)
        .mapToLong(Shape::elementCount)
        .sum();
  }

  private static ImmutableList<String> types(List<Value> values) {
    return values.stream()
        .map(value -> value.name() + ": " + value.type())
        .collect(ImmutableList.toImmutableList());
  }

  private static SortedMap<String, Integer> operators(Graph graph) {
    SortedMap<String, Integer> counts = new TreeMap<>();
    count(graph, counts);
    return counts;
  }

  private static void count(Graph graph, Map<String, Integer> counts) {
    for (Node node : graph.nodes()) {
      String domain = node.op().domain();
      counts.merge(
          domain.isEmpty() ? node.op().name() : domain + "." + node.op().name(), 1, Integer::sum);
      node.attributes().graphs().forEach(inner -> count(inner, counts));
    }
  }

  private static void line(StringBuilder text, String key, String value) {
    text.append(Strings.padEnd(key, 28, ' ')).append(' ').append(value).append('\n');
  }

  private static String count(long value) {
    return String.format(Locale.ROOT, "%,d", value);
  }

  private static String lower(Kind kind) {
    return kind.name().toLowerCase(Locale.ROOT);
  }
}
