package dev.manticore.compiler.hybrid;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Maps;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.hybrid.SpliceOptions.Gates;
import dev.manticore.compiler.hybrid.SpliceOptions.LayerRange;
import dev.manticore.compiler.hybrid.SpliceOptions.ProjectorInitialisation;
import dev.manticore.compiler.pipeline.PrettyJson;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Copies;
import dev.manticore.ir.build.Ops;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import dev.manticore.onnx.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Hybrids as files: {@code hybrid.json} names the components in order, the number of blocks, the
 * vocabulary, the gating, the embeddings and the partition, and where not every block mixes all
 * components those that each mixes; what the hybrid adds to its components is in {@code
 * hybrid.safetensors} beside it; the components are checkpoints in directories of their names.
 */
public final class HybridFiles {

  /** The description's name in a directory that {@link #write} has written. */
  public static final String DESCRIPTION = "hybrid.json";

  /** The name of the directory of components there. */
  public static final String COMPONENTS = "components";

  private static final String MIXED = "mixed";
  private static final String TENSORS = "hybrid.safetensors";
  private static final long LARGEST_DESCRIPTION = 1 << 20;
  private static final ObjectMapper JSON = new ObjectMapper();

  private HybridFiles() {}

  /**
   * Reads a hybrid. Where the description does not say, gates are tied, embeddings fresh and cuts
   * even. How its projectors were initialised, and from which seed, is not kept.
   *
   * @param description the {@code hybrid.json}
   * @param components the directory that holds the components' directories
   * @throws ManticoreException if a file is missing or wrong
   */
  public static Hybrid read(Path description, Path components) {
    JsonNode json = parse(description);
    List<Component> parts = new ArrayList<>();
    for (JsonNode name : array(json, "components", description)) {
      Path directory = components.resolve(name.asText()).normalize();
      if (!directory.startsWith(components.normalize())) {
        throw failure(
            description + ": component '" + name.asText() + "' lies outside " + components);
      }
      parts.add(ModelFiles.component(name.asText(), directory));
    }
    ImmutableList.Builder<ImmutableList<LayerRange>> partition = ImmutableList.builder();
    if (json.has("partition")) {
      for (JsonNode cuts : array(json, "partition", description)) {
        ImmutableList.Builder<LayerRange> ranges = ImmutableList.builder();
        cuts.forEach(cut -> ranges.add(new LayerRange(cut.path(0).asInt(), cut.path(1).asInt())));
        partition.add(ranges.build());
      }
    }
    SpliceOptions options =
        new SpliceOptions(
            count(json, "blocks", description),
            choice(json, "gating", Gates.TIED, description),
            ProjectorInitialisation.IDENTITY,
            choice(json, "embeddings", Embeddings.FRESH, description),
            partition.build(),
            count(json, "vocab_size", description),
            0);
    if (json.has(MIXED)) {
      options = options.withMixed(mixed(json, description), count(json, "width", description));
    }
    Hybrid hybrid = Splicer.splice(parts, options);
    Path file = description.resolveSibling(TENSORS);
    ImmutableMap<String, Tensor> tensors = SafetensorsFile.open(file).tensors();
    List<String> missing =
        own(hybrid).keySet().stream().filter(name -> !tensors.containsKey(name)).toList();
    if (!missing.isEmpty()) {
      throw failure(
          file
              + " lacks the tensors "
              + missing
              + " of the hybrid that "
              + description
              + " describes");
    }
    return withParameters(hybrid, tensors);
  }

  /**
   * Writes a hybrid so that {@link #read} gives it back: {@code hybrid.json}, {@code
   * hybrid.safetensors}, and each component in {@code components/<name>} as a checkpoint of the
   * format that it came from (an export as {@code model.onnx}), with the parameters that it has in
   * the hybrid. A component's tables are those that the hybrid reads and predicts with: fresh ones
   * where those are fresh, and without the rows that only padded it; its own where the hybrid has
   * none of it. Layers in blocks that do not mix it are those that it came with.
   *
   * @param checkpoints the directories that the components came from, in order
   * @throws ManticoreException if a checkpoint cannot be read, is not the component's, or the files
   *     cannot be written
   */
  public static void write(Path directory, Hybrid hybrid, List<Path> checkpoints) {
    if (checkpoints.size() != hybrid.names().size()) {
      throw failure(
          hybrid.names().size()
              + " components need as many checkpoints, not "
              + checkpoints.size());
    }
    for (int k = 0; k < checkpoints.size(); k++) {
      String name = hybrid.names().get(k);
      if (!name.matches("[\\p{Alnum}_][\\p{Alnum}_.+ -]*") || hybrid.names().indexOf(name) != k) {
        throw failure(
            "component '"
                + name
                + "' cannot be written under its name: give it one of its own, of letters, digits and -_.+");
      }
      writeComponent(directory.resolve(COMPONENTS).resolve(name), hybrid, k, checkpoints.get(k));
    }
    SafetensorsWriter.write(directory.resolve(TENSORS), own(hybrid), ImmutableMap.of());
    AtomicFiles.writeString(directory.resolve(DESCRIPTION), PrettyJson.text(describe(hybrid)));
  }

  private static List<List<Integer>> mixed(JsonNode json, Path description) {
    List<String> names = new ArrayList<>();
    array(json, "components", description).forEach(name -> names.add(name.asText()));
    List<List<Integer>> mixed = new ArrayList<>();
    for (JsonNode block : array(json, MIXED, description)) {
      List<Integer> components = new ArrayList<>();
      block.forEach(name -> components.add(names.indexOf(name.asText())));
      mixed.add(components);
    }
    return mixed;
  }

  /** What a hybrid is, its components by name. */
  static ObjectNode describe(Hybrid hybrid) {
    SpliceOptions options = hybrid.options();
    ObjectNode json = JSON.createObjectNode();
    ArrayNode names = json.putArray("components");
    hybrid.names().forEach(names::add);
    json.put("blocks", options.blocks());
    json.put("width", hybrid.width());
    json.put("vocab_size", options.vocabulary());
    json.put("gating", options.gates().name().toLowerCase(Locale.ROOT));
    json.put("embeddings", options.embeddings().name().toLowerCase(Locale.ROOT));
    ArrayNode partition = json.putArray("partition");
    for (List<LayerRange> ranges : options.partition()) {
      ArrayNode cuts = partition.addArray();
      ranges.forEach(range -> cuts.addArray().add(range.from()).add(range.to()));
    }
    if (hybrid.isPruned()) {
      ArrayNode blocks = json.putArray(MIXED);
      for (int i = 0; i < hybrid.blocks(); i++) {
        ArrayNode block = blocks.addArray();
        hybrid.mixed(i).forEach(k -> block.add(hybrid.names().get(k)));
      }
    }
    return json;
  }

  private static void writeComponent(Path directory, Hybrid hybrid, int k, Path checkpoint) {
    Component component = ModelFiles.component(hybrid.names().get(k), checkpoint);
    Map<String, Tensor> parameters = new LinkedHashMap<>();
    component
        .graph()
        .parameters()
        .forEach(
            (value, tensor) -> {
              Optional<Tensor> tuned = parameter(hybrid, Hybrid.component(k) + value.name());
              if (tuned.isEmpty() && component.isVocabularyTable(value)) {
                tuned =
                    parameter(hybrid, Hybrid.table(k))
                        .map(
                            table -> Tables.oriented(table, value.shape(), component.vocabulary()));
              }
              parameters.put(value.name(), tuned.orElse(tensor));
            });
    if (ModelFiles.isExport(checkpoint)) {
      writeExport(directory, withTensors(component.graph(), parameters));
      return;
    }
    int vocabulary = hybrid.options().vocabulary();
    ModelConfig config = ModelConfig.read(checkpoint.resolve("config.json"));
    // One that the hybrid neither reads nor predicts with keeps the tables that it came with.
    if (hybrid.mixed(0).contains(k) && component.vocabulary() != vocabulary) {
      config = config.with("vocab_size", vocabulary);
      if (!config.json().has("model_type")) {
        // The state-spaces layout, which would pad the table again.
        config = config.with("pad_vocab_size_multiple", 1);
      }
    }
    Models.write(directory, config, parameters);
  }

  private static void writeExport(Path directory, Graph graph) {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-WRITE", directory + " cannot be made: " + e.getMessage(), e);
    }
    OnnxExporter.write(graph, directory.resolve(ModelFiles.EXPORT), OnnxExporter.Options.DEFAULT);
  }

  /** The graph with these parameters, whatever their extents; types are inferred anew. */
  static Graph withTensors(Graph graph, Map<String, Tensor> parameters) {
    GraphEditor editor = new GraphEditor(graph.name());
    Map<Value, Value> values = new HashMap<>();
    graph.inputs().forEach(input -> values.put(input, editor.input(input.name(), input.type())));
    graph
        .parameters()
        .keySet()
        .forEach(
            parameter ->
                values.put(
                    parameter,
                    editor.parameter(parameter.name(), parameters.get(parameter.name()))));
    graph.nodes().forEach(node -> Copies.copy(editor, node, values));
    Ops ops = new Ops(editor);
    graph.outputs().forEach(output -> editor.output(ops.named(output.name(), values.get(output))));
    return editor.freezeLive();
  }

  private static Optional<Tensor> parameter(Hybrid hybrid, String name) {
    return hybrid.graph().parameter(name).map(hybrid.graph().parameters()::get);
  }

  /** The parameters that are no component's. */
  static ImmutableMap<String, Tensor> own(Hybrid hybrid) {
    return ImmutableMap.copyOf(
        Maps.filterKeys(parameters(hybrid.graph()), name -> !Hybrid.isOfComponent(name)));
  }

  /**
   * The hybrid with other values for the parameters of these names.
   *
   * @throws ManticoreException if the hybrid has no such parameter, or of another shape
   */
  public static Hybrid withParameters(Hybrid hybrid, Map<String, Tensor> tensors) {
    return new Hybrid(
        withParameters(hybrid.graph(), tensors),
        hybrid.components(),
        hybrid.options(),
        hybrid.maxLength(),
        hybrid.hiddenStates(),
        hybrid.mixtureWeights());
  }

  /**
   * A graph with other values for the parameters of these names.
   *
   * @throws ManticoreException if the graph has no such parameter, or of another type
   */
  public static Graph withParameters(Graph graph, Map<String, Tensor> tensors) {
    GraphEditor editor = graph.edit();
    Set<String> unknown = new LinkedHashSet<>();
    for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
      Value parameter = graph.parameter(entry.getKey()).orElse(null);
      if (parameter == null) {
        unknown.add(entry.getKey());
      } else if (!parameter.type().equals(entry.getValue().type())) {
        throw new ManticoreException(
            "MNT-HYBRID",
            "parameter '"
                + entry.getKey()
                + "' should be "
                + parameter.type()
                + " but is "
                + entry.getValue().type());
      } else {
        editor.setParameter(parameter, entry.getValue());
      }
    }
    if (!unknown.isEmpty()) {
      throw new ManticoreException("MNT-HYBRID", graph + " has no parameters " + unknown);
    }
    return editor.freeze();
  }

  /** All parameters of a graph by name. */
  public static ImmutableMap<String, Tensor> parameters(Graph graph) {
    ImmutableMap.Builder<String, Tensor> parameters = ImmutableMap.builder();
    graph.parameters().forEach((value, tensor) -> parameters.put(value.name(), tensor));
    return parameters.buildOrThrow();
  }

  private static JsonNode parse(Path file) {
    try {
      if (Files.size(file) > LARGEST_DESCRIPTION) {
        throw new ManticoreException(
            "MNT-HYBRID", file + " is too large for the description of a hybrid");
      }
      return JSON.readTree(Files.readAllBytes(file));
    } catch (JsonProcessingException e) {
      throw new ManticoreException(
          "MNT-HYBRID", file + " is not JSON: " + e.getOriginalMessage(), e);
    } catch (IOException e) {
      throw new ManticoreException("MNT-HYBRID", file + " cannot be read: " + e.getMessage(), e);
    }
  }

  private static JsonNode array(JsonNode json, String key, Path file) {
    JsonNode value = json.path(key);
    if (!value.isArray()) {
      throw failure(file + ": '" + key + "' should be a list");
    }
    return value;
  }

  private static int count(JsonNode json, String key, Path file) {
    JsonNode value = json.path(key);
    if (!value.canConvertToInt() || value.asInt() < 1) {
      throw failure(file + ": '" + key + "' should be a number from 1 on");
    }
    return value.asInt();
  }

  private static <E extends Enum<E>> E choice(JsonNode json, String key, E otherwise, Path file) {
    if (!json.has(key)) {
      return otherwise;
    }
    Map<String, E> choices = new LinkedHashMap<>();
    for (E constant : otherwise.getDeclaringClass().getEnumConstants()) {
      choices.put(constant.name().toLowerCase(Locale.ROOT), constant);
    }
    E chosen = choices.get(json.get(key).asText());
    if (chosen == null) {
      throw failure(
          file
              + ": '"
              + key
              + "' is "
              + json.get(key)
              + ", but should be one of "
              + choices.keySet());
    }
    return chosen;
  }

  private static ManticoreException failure(String message) {
    return new ManticoreException("MNT-HYBRID", message);
  }
}
