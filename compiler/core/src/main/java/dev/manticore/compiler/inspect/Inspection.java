package dev.manticore.compiler.inspect;

import static java.util.Objects.requireNonNull;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.google.common.base.Strings;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.HybridFiles;
import dev.manticore.compiler.hybrid.SpliceOptions.LayerRange;
import dev.manticore.compiler.inspect.ModelSummary.Block;
import dev.manticore.compiler.inspect.ModelSummary.Cost;
import dev.manticore.compiler.inspect.ModelSummary.Kind;
import dev.manticore.compiler.inspect.ModelSummary.Part;
import dev.manticore.ir.Dim;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Value;
import dev.manticore.ir.lift.Lift;
import dev.manticore.ir.pass.Specialise;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.SortedMap;
import java.util.TreeMap;

/** Looks at a model without running it. */
public final class Inspection {

  private static final JsonMapper JSON = JsonMapper.builder().build();

  /** The length at which operations are counted, where none is asked for. */
  private static final long USUAL_LENGTH = 128;

  /**
   * What to count operations for.
   *
   * @param batch sequences
   * @param length tokens of each; if empty 128, or as many as the model takes
   * @param dims extents of other symbolic dimensions, by name
   */
  public record Extents(long batch, OptionalLong length, ImmutableMap<String, Long> dims) {

    public static final Extents USUAL = new Extents(1, OptionalLong.empty(), ImmutableMap.of());

    public Extents {
      requireNonNull(length, "length");
      requireNonNull(dims, "dims");
      if (batch < 1 || length.orElse(1) < 1 || dims.values().stream().anyMatch(dim -> dim < 1)) {
        throw new ManticoreException(
            "MNT-INSPECT", "batch, length and other extents must be 1 or more");
      }
    }
  }

  private final Kind kind;
  private final String name;
  private final Path place;
  private final Graph graph;
  private final Optional<Component> component;
  private final Optional<Hybrid> hybrid;
  private final ImmutableList<Section> sections;
  private final FlopCounter flops;
  private final long batch;
  private final long length;

  private Inspection(
      Kind kind,
      String name,
      Path place,
      Graph graph,
      Optional<Component> component,
      Optional<Hybrid> hybrid,
      Extents extents) {
    this.kind = kind;
    this.name = name;
    this.place = place;
    this.graph = graph;
    this.component = component;
    this.hybrid = hybrid;
    this.sections =
        hybrid
            .map(Sections::of)
            .orElseGet(
                () -> component.map(Sections::of).orElseGet(() -> Sections.of(lifted(graph))));
    this.batch = extents.batch();
    Optional<Value> ids = ids();
    if (ids.isEmpty()) {
      this.length = 0;
      this.flops = FlopCounter.of(Specialise.of(extents.dims()).run(counted()));
    } else {
      Counted counted = count(ids.get(), extents);
      this.length = counted.length();
      this.flops = counted.flops();
    }
  }

  private record Counted(long length, FlopCounter flops) {}

  private Counted count(Value ids, Extents extents) {
    long tried = extents.length().orElse(usualLength());
    if (longest() > 0 && tried > longest()) {
      throw new ManticoreException(
          "MNT-INSPECT",
          name + " takes no more than " + longest() + " tokens, so not length " + tried);
    }
    while (true) {
      Map<String, Long> bindings = new LinkedHashMap<>();
      bind(ids.shape().dim(0), batch, bindings);
      bind(ids.shape().dim(1), tried, bindings);
      bindings.putAll(extents.dims());
      try {
        return new Counted(tried, FlopCounter.of(Specialise.of(bindings).run(counted())));
      } catch (ManticoreException e) {
        // An export may have a mask, say, for so many positions and no more.
        if (extents.length().isPresent() || tried == 1) {
          throw new ManticoreException(
              "MNT-INSPECT",
              "the operations of "
                  + name
                  + " cannot be counted at batch "
                  + batch
                  + ", length "
                  + tried
                  + ": "
                  + e.getMessage(),
              e);
        }
        tried /= 2;
      }
    }
  }

  /**
   * Opens an artifact, a checkpoint directory, an {@code .onnx} or {@code .hir} file, or a {@code
   * hybrid.json} or the directory of one.
   *
   * @param components the directory that holds a hybrid's components; if empty, {@code components}
   *     beside the description
   * @throws ManticoreException if it is none of them, or cannot be read
   */
  public static Inspection open(Path model, Optional<Path> components, Extents extents) {
    String name = String.valueOf(model.toAbsolutePath().normalize().getFileName());
    if (!Files.exists(model)) {
      throw new ManticoreException("MNT-INSPECT", "there is no model " + model);
    }
    if (Files.isDirectory(model) && Artifact.isArtifact(model)) {
      Artifact artifact = Artifact.open(model);
      return of(Kind.ARTIFACT, artifact.manifest().name(), model, artifact.hybrid(), extents);
    }
    if (Files.isDirectory(model) && Files.isRegularFile(model.resolve(HybridFiles.DESCRIPTION))) {
      return open(model.resolve(HybridFiles.DESCRIPTION), components, extents);
    }
    if (Files.isDirectory(model) || ModelFiles.isExport(model) || ModelFiles.isText(model)) {
      Kind kind =
          ModelFiles.isExport(model)
              ? Kind.ONNX
              : ModelFiles.isText(model) ? Kind.HIR : Kind.CHECKPOINT;
      Graph graph = ModelFiles.read(model);
      return new Inspection(
          kind, name, model, graph, component(name, graph), Optional.empty(), extents);
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
      return of(Kind.HYBRID, name, model, HybridFiles.read(model, directory), extents);
    }
    throw new ManticoreException(
        "MNT-INSPECT",
        model
            + " is neither an artifact nor a checkpoint directory nor an .onnx or .hir file nor a"
            + " hybrid.json");
  }

  private static Inspection of(Kind kind, String name, Path place, Hybrid hybrid, Extents extents) {
    return new Inspection(
        kind, name, place, hybrid.graph(), Optional.empty(), Optional.of(hybrid), extents);
  }

  /** What the model is made of. */
  public ModelSummary summary() {
    List<Part> parts = sections.stream().map(this::part).toList();
    return new ModelSummary(
        kind,
        name,
        place.toString(),
        types(graph.inputs()),
        types(graph.outputs()),
        hybrid.map(Hybrid::width).or(() -> component.map(Component::width)).orElse(0),
        vocabulary(graph),
        longest(),
        graph.parameterCount(),
        new Cost(
            batch,
            length,
            parts.stream().mapToLong(Part::flops).sum(),
            perToken(parts.stream().mapToLong(Part::flops).sum()),
            flops.uncounted()),
        parts,
        components(),
        blocks(),
        operators(graph));
  }

  /**
   * The model as a diagram.
   *
   * @throws ManticoreException if it is too large to be drawn in such detail
   */
  public Diagram diagram(Diagram.Level level) {
    DiagramBuilder builder = new DiagramBuilder(name, summary(), level, flops);
    if (hybrid.isPresent()) {
      return builder.of(hybrid.get(), sections);
    }
    return component
        .map(found -> builder.of(found, sections))
        .orElseGet(() -> builder.of(lifted(graph)));
  }

  private Part part(Section section) {
    long count =
        section.nodes().stream().mapToLong(node -> DiagramBuilder.flops(node, flops)).sum();
    return new Part(
        section.name(),
        section.kind().name().toLowerCase(Locale.ROOT),
        section.parameters().stream().mapToLong(value -> value.shape().elementCount()).sum(),
        count,
        perToken(count),
        section.inner().stream().map(this::part).toList());
  }

  private long perToken(long count) {
    long tokens = batch * Math.max(1, length);
    return Math.round((double) count / tokens);
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
    Cost cost = summary.cost();
    line(
        text,
        cost.length() == 0 ? "FLOPs" : "FLOPs per token",
        cost.length() == 0
            ? count(cost.flops()) + " in a run"
            : String.format(
                Locale.ROOT,
                "%,d at batch %d, length %d; %,d in a run",
                cost.flopsPerToken(),
                cost.batch(),
                cost.length(),
                cost.flops()));
    if (!cost.uncounted().isEmpty()) {
      line(text, "not counted", cost.uncounted().toString());
    }
    text.append(
        String.format(
            Locale.ROOT,
            "%-28s %15s %15s\n",
            "part",
            "parameters",
            cost.length() == 0 ? "FLOPs" : "FLOPs/token"));
    summary.parts().stream()
        .filter(part -> part.parameters() + part.flops() > 0)
        .forEach(part -> line(text, "  ", part));
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
        if (block.layers().get(k).isEmpty()) {
          continue;
        }
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

  private static void line(StringBuilder text, String indent, Part part) {
    text.append(
        String.format(
            Locale.ROOT,
            "%-28s %,15d %,15d%s\n",
            indent + part.name(),
            part.parameters(),
            part.flopsPerToken(),
            part.kind().equals("attention") || part.kind().equals("state_space")
                ? "  " + part.kind().replace('_', '-')
                : ""));
    part.parts().forEach(inner -> line(text, indent + "  ", inner));
  }

  private List<ModelSummary.Component> components() {
    List<ModelSummary.Component> components = new ArrayList<>();
    component.ifPresent(
        found ->
            components.add(
                new ModelSummary.Component(
                    found.name(), found.layers().size(), found.width(), graph.parameterCount())));
    hybrid.ifPresent(
        whole -> {
          for (int k = 0; k < whole.names().size(); k++) {
            components.add(
                new ModelSummary.Component(
                    whole.names().get(k), whole.layers(k), whole.width(k), whole.parameters(k)));
          }
        });
    return components;
  }

  private List<Block> blocks() {
    List<Block> blocks = new ArrayList<>();
    for (int i = 0; hybrid.isPresent() && i < hybrid.get().blocks(); i++) {
      List<List<Integer>> layers = new ArrayList<>();
      for (int k = 0; k < hybrid.get().names().size(); k++) {
        LayerRange range = hybrid.get().options().partition().get(k).get(i);
        layers.add(
            hybrid.get().mixed(i).contains(k) ? List.of(range.from(), range.to()) : List.of());
      }
      blocks.add(new Block(layers, hybrid.get().weights(i)));
    }
    return blocks;
  }

  private static Optional<Component> component(String name, Graph graph) {
    try {
      return Optional.of(ComponentFinder.find(name, lifted(graph)));
    } catch (ManticoreException e) {
      // A hybrid, or no language model at all: it has no layers to tell of.
      return Optional.empty();
    }
  }

  /** The form that operators are understood in, if the graph can be brought into it. */
  private static Graph lifted(Graph graph) {
    return Lift.attempt(graph).graph();
  }

  private Graph counted() {
    return hybrid
        .map(Hybrid::graph)
        .or(() -> component.map(Component::graph))
        .orElseGet(() -> lifted(graph));
  }

  private Optional<Value> ids() {
    return component
        .map(Component::ids)
        .or(
            () ->
                graph.inputs().stream()
                    .filter(Value::isTensor)
                    .filter(input -> input.elementType().isInteger())
                    .filter(input -> input.shape().isRanked() && input.shape().rank() == 2)
                    .findFirst());
  }

  private static void bind(Dim dim, long extent, Map<String, Long> bindings) {
    if (dim instanceof Dim.Symbolic symbol) {
      bindings.put(symbol.name(), extent);
    }
  }

  private long longest() {
    return hybrid
        .map(Hybrid::maxLength)
        .or(() -> component.map(found -> found.maxLength().orElse(0)))
        .orElse(0L);
  }

  private long usualLength() {
    return longest() == 0 ? USUAL_LENGTH : Math.min(USUAL_LENGTH, longest());
  }

  private static long vocabulary(Graph graph) {
    return graph.outputs().stream()
        .filter(Value::isTensor)
        .map(Value::shape)
        .filter(shape -> shape.isRanked() && shape.rank() == 3 && shape.dim(-1).isKnown())
        .map(shape -> shape.dim(-1).extent())
        .findFirst()
        .orElse(0L);
  }

  private static ImmutableList<String> types(List<Value> values) {
    return values.stream()
        .map(value -> value.name() + ": " + value.valueType())
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
