package dev.manticore.compiler.verify;

import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.component.ParameterMatching;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.HybridFiles;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Value;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A model to be verified, with its inner values under the names that references have for them:
 * {@code hidden_states.i}, {@code mixture_weights.i}.
 */
public record Subject(Graph graph, ImmutableMap<String, Value> inner) {

  /**
   * Loads a checkpoint directory, an {@code .onnx} file or a {@code hybrid.json}.
   *
   * @param components the directory that holds a hybrid's components
   * @throws ManticoreException if it is none of them, or cannot be read
   */
  public static Subject load(Path model, Optional<Path> components) {
    return load(model, components, Optional.empty());
  }

  /**
   * The same for an export whose parameters shall be those of a checkpoint: under its names, in its
   * layout, and a tied table once, so that references made for the checkpoint can be compared with.
   *
   * @param parametersLike a model whose parameters hold the same numbers
   * @throws ManticoreException also if none of the export's parameters is one of these
   */
  public static Subject load(Path model, Optional<Path> components, Optional<Path> parametersLike) {
    String name = model.getFileName() == null ? "" : model.getFileName().toString();
    if (parametersLike.isPresent() && !ModelFiles.isExport(model)) {
      throw new ManticoreException(
          "MNT-VERIFY",
          model + " is no .onnx file: only exported graphs need the parameters of a checkpoint");
    }
    if (ModelFiles.isExport(model)) {
      Graph graph = ModelFiles.read(model);
      if (parametersLike.isPresent()) {
        Graph adopted = ParameterMatching.adopt(graph, ModelFiles.read(parametersLike.get()));
        if (adopted == graph) {
          throw new ManticoreException(
              "MNT-VERIFY",
              "no parameter of "
                  + model
                  + " holds the numbers of one of "
                  + parametersLike.get()
                  + ": they are not the same model");
        }
        graph = adopted;
      }
      try {
        return of(ComponentFinder.find(name, graph));
      } catch (ManticoreException e) {
        // A hybrid, or any other graph: its logits can be compared all the same.
        return new Subject(graph, byName(graph));
      }
    }
    if (Files.isDirectory(model)) {
      return of(ModelFiles.component(name, model));
    }
    if (name.endsWith(".json")) {
      return of(
          HybridFiles.read(
              model,
              components.orElseThrow(
                  () ->
                      new ManticoreException(
                          "MNT-VERIFY",
                          model
                              + " is a hybrid: name the directory of its components with --components"))));
    }
    throw new ManticoreException(
        "MNT-VERIFY",
        model + " is neither a checkpoint directory nor an .onnx file nor a hybrid.json");
  }

  static Subject of(Component component) {
    return new Subject(component.graph(), numbered("hidden_states.", component.hiddenStates()));
  }

  static Subject of(Hybrid hybrid) {
    Map<String, Value> inner =
        new LinkedHashMap<>(numbered("hidden_states.", hybrid.hiddenStates()));
    hybrid
        .mixtureWeights()
        .forEach((block, weights) -> inner.put("mixture_weights." + block, weights));
    return new Subject(hybrid.graph(), ImmutableMap.copyOf(inner));
  }

  private static ImmutableMap<String, Value> numbered(String prefix, List<Value> values) {
    ImmutableMap.Builder<String, Value> named = ImmutableMap.builder();
    for (int i = 0; i < values.size(); i++) {
      named.put(prefix + i, values.get(i));
    }
    return named.buildOrThrow();
  }

  private static ImmutableMap<String, Value> byName(Graph graph) {
    ImmutableMap.Builder<String, Value> named = ImmutableMap.builder();
    graph.nodes().stream()
        .flatMap(node -> node.presentOutputs().stream())
        .filter(value -> value.name().matches("(hidden_states|mixture_weights)\\.\\d+"))
        .forEach(value -> named.put(value.name(), value));
    return named.buildOrThrow();
  }
}
