package dev.manticore.compiler.pipeline;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import dev.manticore.compiler.pipeline.StagePlan.Action;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.CancelledException;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.io.AtomicFiles;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;

/**
 * Runs stages in order, each unless its result is there. A stage works in its {@code .partial}
 * directory; when it is done, everything is flushed to the device, the manifest is written, and the
 * directory is renamed.
 */
public final class StageRunner {

  static final String CHECKPOINTS = "checkpoints";

  private final StageStore store;
  private final Progress progress;
  private final Cancellation cancellation;
  private final Clock clock;

  public StageRunner(StageStore store, Progress progress, Cancellation cancellation, Clock clock) {
    this.store = requireNonNull(store, "store");
    this.progress = requireNonNull(progress, "progress");
    this.cancellation = requireNonNull(cancellation, "cancellation");
    this.clock = requireNonNull(clock, "clock");
  }

  /**
   * Makes all results be there. Each stage comes after those that its inputs name.
   *
   * @throws ManticoreException {@code MNT-BUSY} when another run uses the work directory, {@code
   *     MNT-WRITE} when it cannot be written, and what the stages throw
   * @throws CancelledException when a stop was asked for; a later call goes on from there
   */
  public void run(List<? extends Stage<?>> stages) {
    WorkLock lock = WorkLock.take(store.work());
    try {
      int number = 1;
      for (Stage<?> stage : stages) {
        cancellation.throwIfRequested();
        run(stage, number, stages.size());
        number++;
      }
    } finally {
      lock.close();
    }
  }

  /**
   * The result of a stage that has run.
   *
   * @throws ManticoreException {@code MNT-STAGE} when it cannot be read
   */
  public <R> R result(Stage<R> stage) {
    Path directory = store.directoryOf(stage);
    try {
      return stage.result(directory);
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-STAGE",
          String.format(
              "the result of stage %s cannot be read (%s); remove %s and run again",
              stage.name(), WriteErrors.reason(e), directory),
          e);
    }
  }

  private void run(Stage<?> stage, int number, int of) {
    StagePlan plan = store.plan(stage);
    if (plan.action() == Action.REUSE) {
      progress.stageReused(stage.name(), number, of);
      return;
    }
    progress.stageStarted(
        stage.name(),
        number,
        of,
        plan.action() == Action.RESUME ? Progress.Beginning.RESUMED : Progress.Beginning.FRESH);
    Instant start = clock.instant();
    Path complete = store.directoryOf(stage);
    Path partial = store.partialOf(stage);
    try {
      // Whatever stands under the final name was found incomplete.
      StageStore.delete(complete);
      if (Manifest.read(partial).isEmpty()) {
        Files.createDirectories(partial.resolve(CHECKPOINTS));
        stage.run(new Context(stage, partial));
        Duration took = Duration.between(start, clock.instant());
        AtomicFiles.writeString(
            partial.resolve(Manifest.HOST_FILE), HostFacts.json(clock.instant(), took));
        flush(partial);
        AtomicFiles.writeString(
            partial.resolve(Manifest.FILE), Manifest.describe(stage, partial).json());
      }
      StageStore.delete(partial.resolve(CHECKPOINTS));
      Files.move(partial, complete, StandardCopyOption.ATOMIC_MOVE);
      flushDirectory(complete.getParent());
      progress.stageFinished(stage.name(), Duration.between(start, clock.instant()));
    } catch (IOException e) {
      throw failure(stage, partial, e);
    } catch (UncheckedIOException e) {
      throw failure(stage, partial, e.getCause());
    }
  }

  private static ManticoreException failure(Stage<?> stage, Path partial, IOException e) {
    return new ManticoreException(
        "MNT-WRITE",
        String.format(
            "stage %s cannot go on in %s: %s; make room there and run again, or give another"
                + " directory with --work",
            stage.name(), partial, WriteErrors.reason(e)),
        e);
  }

  private static void flush(Path directory) throws IOException {
    try (Stream<Path> entries = Files.walk(directory)) {
      List<Path> all = entries.toList();
      for (Path entry : all) {
        if (Files.isRegularFile(entry)) {
          try (FileChannel channel = FileChannel.open(entry, StandardOpenOption.WRITE)) {
            channel.force(true);
          }
        } else if (Files.isDirectory(entry)) {
          flushDirectory(entry);
        }
      }
    }
  }

  private static void flushDirectory(Path directory) {
    try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
      channel.force(true);
    } catch (IOException e) {
      // Some platforms cannot open a directory; its entries then reach the device when they do.
      return;
    }
  }

  private final class Context implements StageContext {

    private final Stage<?> stage;
    private final Path directory;

    Context(Stage<?> stage, Path directory) {
      this.stage = stage;
      this.directory = directory;
    }

    @Override
    public Path directory() {
      return directory;
    }

    @Override
    public Path checkpoints() {
      return directory.resolve(CHECKPOINTS);
    }

    @Override
    public Progress progress() {
      return progress;
    }

    @Override
    public Cancellation cancellation() {
      return cancellation;
    }

    @Override
    public <R> R result(Stage<R> earlier) {
      checkArgument(
          stage.inputs().entries().containsKey("stage." + earlier.name()),
          "stage %s reads %s but does not name it in its inputs",
          stage.name(),
          earlier.name());
      return StageRunner.this.result(earlier);
    }
  }
}
