package dev.manticore.compiler.stages;

import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.hybrid.Vocabularies;
import dev.manticore.compiler.pipeline.StageInputs;
import dev.manticore.onnx.huggingface.Models;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/** Where a component's model is: a directory or a file of the user's, or the result of a stage. */
sealed interface ComponentSource {

  String name();

  /** Adds what the checkpoint depends on. */
  void describe(StageInputs.Builder inputs);

  /**
   * The checkpoint's directory, or the export's file.
   *
   * @param results gives the result of a stage
   */
  Path directory(Function<PretrainStage, Path> results);

  /** The stage that trains it, if there is one. */
  Optional<PretrainStage> stage();

  /** A model that the recipe names. */
  record Given(String name, Path path) implements ComponentSource {
    @Override
    public void describe(StageInputs.Builder inputs) {
      if (Files.isDirectory(path)) {
        inputs.directory("component." + name, path);
      } else {
        inputs.file("component." + name, path);
        // Its parameters may lie in other files.
        inputs.tensors(
            "component." + name + ".parameters", Models.parameters(ModelFiles.read(path)));
        // A directory's is among its files.
        Vocabularies.tokenizerOf(path)
            .ifPresent(file -> inputs.file("component." + name + ".tokenizer", file));
      }
    }

    @Override
    public Path directory(Function<PretrainStage, Path> results) {
      return path;
    }

    @Override
    public Optional<PretrainStage> stage() {
      return Optional.empty();
    }
  }

  /** A checkpoint that a stage trains. */
  record Trained(String name, PretrainStage training) implements ComponentSource {
    @Override
    public void describe(StageInputs.Builder inputs) {
      inputs.stage(training);
    }

    @Override
    public Path directory(Function<PretrainStage, Path> results) {
      return results.apply(training);
    }

    @Override
    public Optional<PretrainStage> stage() {
      return Optional.of(training);
    }
  }

  static List<Path> directories(
      List<ComponentSource> components, Function<PretrainStage, Path> results) {
    List<Path> directories = new ArrayList<>();
    components.forEach(component -> directories.add(component.directory(results)));
    return directories;
  }
}
