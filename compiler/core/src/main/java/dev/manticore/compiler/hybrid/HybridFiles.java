package dev.manticore.compiler.hybrid;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.hybrid.SpliceOptions.Gates;
import dev.manticore.compiler.hybrid.SpliceOptions.LayerRange;
import dev.manticore.compiler.hybrid.SpliceOptions.ProjectorInitialisation;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Reads a hybrid described by {@code hybrid.json}: the names of its components in order, the number of blocks, the vocabulary,
 * the gating and the partition; its own tensors are in {@code hybrid.safetensors} beside it.
 */
public final class HybridFiles {

  private static final long LARGEST_DESCRIPTION = 1 << 20;

  private HybridFiles() {}

  /**
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
        throw new ManticoreException(
            "MNT-HYBRID", description + ": component '" + name.asText() + "' lies outside " + components);
      }
      parts.add(ComponentFinder.find(name.asText(), Models.load(directory)));
    }
    ImmutableList.Builder<ImmutableList<LayerRange>> partition = ImmutableList.builder();
    for (JsonNode cuts : array(json, "partition", description)) {
      ImmutableList.Builder<LayerRange> ranges = ImmutableList.builder();
      cuts.forEach(cut -> ranges.add(new LayerRange(cut.path(0).asInt(), cut.path(1).asInt())));
      partition.add(ranges.build());
    }
    SpliceOptions options =
        new SpliceOptions(
            json.path("blocks").asInt(),
            json.path("gating").asText("tied").equals("separate") ? Gates.SEPARATE : Gates.TIED,
            ProjectorInitialisation.IDENTITY,
            Embeddings.FRESH,
            partition.build(),
            json.path("vocab_size").asInt(),
            0);
    Hybrid hybrid = Splicer.splice(parts, options);
    return withParameters(
        hybrid, SafetensorsFile.open(description.resolveSibling("hybrid.safetensors")).tensors());
  }

  /**
   * The hybrid with other values for the parameters of these names.
   *
   * @throws ManticoreException if the hybrid has no such parameter, or of another shape
   */
  public static Hybrid withParameters(Hybrid hybrid, Map<String, Tensor> tensors) {
    return new Hybrid(
        withParameters(hybrid.graph(), tensors),
        hybrid.names(),
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
            "parameter '" + entry.getKey() + "' should be " + parameter.type() + " but is " + entry.getValue().type());
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
        throw new ManticoreException("MNT-HYBRID", file + " is too large for the description of a hybrid");
      }
      return new ObjectMapper().readTree(Files.readAllBytes(file));
    } catch (JsonProcessingException e) {
      throw new ManticoreException("MNT-HYBRID", file + " is not JSON: " + e.getOriginalMessage(), e);
    } catch (IOException e) {
      throw new ManticoreException("MNT-HYBRID", file + " cannot be read: " + e.getMessage(), e);
    }
  }

  private static JsonNode array(JsonNode json, String key, Path file) {
    JsonNode value = json.path(key);
    if (!value.isArray()) {
      throw new ManticoreException("MNT-HYBRID", file + ": '" + key + "' should be a list");
    }
    return value;
  }
}
