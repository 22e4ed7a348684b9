package dev.manticore.compiler.pipeline;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Sets;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import dev.manticore.compiler.pipeline.StagePlan.Action;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The directories of stages under {@code <work>/stages}: {@code <name>-<hash>} when complete,
 * {@code <name>-<hash>.partial} while being made.
 */
public final class StageStore {

  private static final String PARTIAL = ".partial";

  private final Path work;
  private final Path stages;

  /**
   * @param work the work directory; made when something is first written
   */
  public StageStore(Path work) {
    this.work = requireNonNull(work, "work").toAbsolutePath().normalize();
    this.stages = this.work.resolve("stages");
  }

  public Path work() {
    return work;
  }

  /** Where the complete result of a stage is, or will be. */
  public Path directoryOf(Stage<?> stage) {
    return stages.resolve(StageId.of(stage).toString());
  }

  Path partialOf(Stage<?> stage) {
    return stages.resolve(StageId.of(stage) + PARTIAL);
  }

  /** What running these stages would do, without doing it. */
  public ImmutableList<StagePlan> plan(List<? extends Stage<?>> run) {
    return run.stream().map(this::plan).collect(ImmutableList.toImmutableList());
  }

  StagePlan plan(Stage<?> stage) {
    Path directory = directoryOf(stage);
    String name = directory.getFileName().toString();
    Optional<Manifest> manifest = Manifest.read(directory);
    if (manifest.isPresent()) {
      Optional<String> damage = manifest.get().damage(directory);
      return damage.isEmpty()
          ? new StagePlan(stage.name(), name, Action.REUSE, "its result is there")
          : new StagePlan(
              stage.name(),
              name,
              Action.RUN,
              String.format("its result is damaged: %s is missing or cut", damage.get()));
    }
    if (Files.isDirectory(partialOf(stage))) {
      return new StagePlan(stage.name(), name, Action.RESUME, "an earlier run was stopped");
    }
    return new StagePlan(stage.name(), name, Action.RUN, whyNew(stage));
  }

  private String whyNew(Stage<?> stage) {
    Optional<Manifest> latest = latest(stage.name());
    if (latest.isEmpty()) {
      return "it has not run before";
    }
    Manifest earlier = latest.get();
    if (!earlier.manticore().equals(ToolVersion.current())
        || earlier.version() != stage.version()) {
      return "Manticore has changed since it last ran";
    }
    ImmutableSet<String> changed =
        Sets.union(earlier.inputs().keySet(), stage.inputs().entries().keySet()).stream()
            .filter(
                key ->
                    !Optional.ofNullable(earlier.inputs().get(key))
                        .equals(Optional.ofNullable(stage.inputs().entries().get(key))))
            .sorted()
            .collect(ImmutableSet.toImmutableSet());
    return "changed since it last ran: " + String.join(", ", changed);
  }

  private Optional<Manifest> latest(String name) {
    return list().stream()
        .filter(path -> path.getFileName().toString().matches(name + "-[0-9a-f]{12}"))
        .max(Comparator.comparing(StageStore::modified).thenComparing(Path::toString))
        .flatMap(Manifest::read);
  }

  private static FileTime modified(Path path) {
    try {
      return Files.getLastModifiedTime(path.resolve(Manifest.FILE));
    } catch (IOException e) {
      return FileTime.fromMillis(0);
    }
  }

  /** All directories in the store, complete or not, in the order of their names. */
  private ImmutableList<Path> list() {
    if (!Files.isDirectory(stages)) {
      return ImmutableList.of();
    }
    try (Stream<Path> entries = Files.list(stages)) {
      return entries.filter(Files::isDirectory).sorted().collect(ImmutableList.toImmutableList());
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-STAGE", String.format("%s: cannot be listed: %s", stages, e.getMessage()), e);
    }
  }

  /** Which stages {@link #clean} removes. */
  public sealed interface CleanScope {}

  /** All of them. */
  public record Everything() implements CleanScope {}

  /** Those that do not belong to the run given, complete or not. */
  public record AllBut(ImmutableList<Stage<?>> run) implements CleanScope {}

  /**
   * Removes directories of stages.
   *
   * @return the names of those removed
   * @throws ManticoreException {@code MNT-BUSY} when a run is using the store, {@code MNT-STAGE}
   *     when something cannot be removed
   */
  public ImmutableList<String> clean(CleanScope scope) {
    Collection<Path> kept =
        scope instanceof AllBut but
            ? but.run().stream()
                .flatMap(stage -> Stream.of(directoryOf(stage), partialOf(stage)))
                .collect(ImmutableSet.toImmutableSet())
            : ImmutableSet.of();
    if (!Files.isDirectory(stages)) {
      return ImmutableList.of();
    }
    WorkLock lock = WorkLock.take(work);
    try {
      ImmutableList.Builder<String> removed = ImmutableList.builder();
      for (Path directory : list()) {
        if (!kept.contains(directory)) {
          delete(directory);
          removed.add(directory.getFileName().toString());
        }
      }
      return removed.build();
    } finally {
      lock.close();
    }
  }

  /** Removes the whole work directory, once what was kept there is not needed any more. */
  public void remove() {
    clean(new Everything());
    delete(work);
  }

  static void delete(Path directory) {
    try {
      if (Files.exists(directory)) {
        MoreFiles.deleteRecursively(directory, RecursiveDeleteOption.ALLOW_INSECURE);
      }
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-STAGE", String.format("%s: cannot be removed: %s", directory, e.getMessage()), e);
    }
  }
}
