package dev.manticore.compiler.stages;

import dev.manticore.compiler.hybrid.ProjectorFiles;
import dev.manticore.compiler.pipeline.StageInputs;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Function;

/** Where trained projectors are that a hybrid starts from, if it starts from any. */
sealed interface ProjectorSource {

  /** Adds what they depend on. */
  void describe(StageInputs.Builder inputs);

  /**
   * The directory of {@link ProjectorFiles}; empty if they are initialised.
   *
   * @param results gives the result of a stage
   */
  Optional<Path> directory(Function<ProjectorStage, ProjectorPretraining.Result> results);

  /** The stage that trains them, if there is one. */
  Optional<ProjectorStage> stage();

  /** A directory that the recipe names; initialised where it names none. */
  record Given(Optional<Path> directory) implements ProjectorSource {
    @Override
    public void describe(StageInputs.Builder inputs) {
      directory.ifPresent(
          place -> ProjectorFiles.FILES.forEach(name -> inputs.file(name, place.resolve(name))));
    }

    @Override
    public Optional<Path> directory(Function<ProjectorStage, ProjectorPretraining.Result> results) {
      return directory;
    }

    @Override
    public Optional<ProjectorStage> stage() {
      return Optional.empty();
    }
  }

  /** Those that a stage trains. */
  record Trained(ProjectorStage training) implements ProjectorSource {
    @Override
    public void describe(StageInputs.Builder inputs) {
      inputs.stage(training);
    }

    @Override
    public Optional<Path> directory(Function<ProjectorStage, ProjectorPretraining.Result> results) {
      return Optional.of(results.apply(training).directory());
    }

    @Override
    public Optional<ProjectorStage> stage() {
      return Optional.of(training);
    }
  }
}
