package dev.manticore.compiler.stages;

import dev.manticore.compiler.pipeline.StageContext;
import dev.manticore.compiler.pipeline.StageInputs;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Where a component's checkpoint is: a directory of the user's, or the result of a stage. */
sealed interface ComponentSource {

  String name();

  /** Adds what the checkpoint depends on. */
  void describe(StageInputs.Builder inputs);

  Path directory(StageContext context);

  /** A checkpoint that the recipe names. */
  record Given(String name, Path path) implements ComponentSource {
    @Override
    public void describe(StageInputs.Builder inputs) {
      inputs.directory("component." + name, path);
    }

    @Override
    public Path directory(StageContext context) {
      return path;
    }
  }

  /** A checkpoint that a stage trains. */
  record Trained(String name, PretrainStage stage) implements ComponentSource {
    @Override
    public void describe(StageInputs.Builder inputs) {
      inputs.stage(stage);
    }

    @Override
    public Path directory(StageContext context) {
      return context.result(stage);
    }
  }

  static List<Path> directories(List<ComponentSource> components, StageContext context) {
    List<Path> directories = new ArrayList<>();
    components.forEach(component -> directories.add(component.directory(context)));
    return directories;
  }
}
