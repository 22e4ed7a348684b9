package dev.manticore.compiler.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.pipeline.StagePlan.Action;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.CancelledException;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StageRunnerTest {

  @TempDir Path work;

  private final List<String> ran = new ArrayList<>();
  private final Cancellation cancellation = new Cancellation();

  private StageStore store() {
    return new StageStore(work);
  }

  private StageRunner runner() {
    return new StageRunner(store(), Progress.quiet(), cancellation, Clock.systemUTC());
  }

  /** Does the work of a stage. */
  private interface Work {
    void run(StageContext context) throws IOException;
  }

  private final class TextStage implements Stage<String> {
    private final String name;
    private final StageInputs inputs;
    private final Work work;

    TextStage(String name, StageInputs inputs, Work work) {
      this.name = name;
      this.inputs = inputs;
      this.work = work;
    }

    @Override
    public String name() {
      return name;
    }

    @Override
    public int version() {
      return 1;
    }

    @Override
    public StageInputs inputs() {
      return inputs;
    }

    @Override
    public void run(StageContext context) throws IOException {
      ran.add(name);
      work.run(context);
    }

    @Override
    public String result(Path directory) throws IOException {
      return Files.readString(directory.resolve("result.txt"));
    }
  }

  private TextStage writing(String name, String value) {
    return new TextStage(
        name,
        StageInputs.builder().value("text", value).build(),
        context -> Files.writeString(context.directory().resolve("result.txt"), value));
  }

  private TextStage doubling(TextStage earlier) {
    return new TextStage(
        "double",
        StageInputs.builder().stage(earlier).build(),
        context ->
            Files.writeString(
                context.directory().resolve("result.txt"),
                context.result(earlier) + context.result(earlier)));
  }

  @Test
  void runsStagesOnceAndHandsResultsOn() {
    TextStage first = writing("first", "ab");
    TextStage second = doubling(first);

    runner().run(ImmutableList.of(first, second));
    runner().run(ImmutableList.of(first, second));

    assertThat(runner().result(second)).isEqualTo("abab");
    assertThat(ran).containsExactly("first", "double");
  }

  @Test
  void changedInputsRedoTheStageAndAllThatDependOnIt() {
    TextStage first = writing("first", "ab");
    runner().run(ImmutableList.of(first, doubling(first)));
    TextStage changed = writing("first", "cd");

    assertThat(store().plan(ImmutableList.of(changed, doubling(changed))))
        .extracting(StagePlan::action, StagePlan::why)
        .containsExactly(
            tuple(Action.RUN, "changed since it last ran: text"),
            tuple(Action.RUN, "changed since it last ran: stage.first"));
  }

  @Test
  void interruptedStageGoesOnInItsDirectory() {
    Work counting =
        context -> {
          Path state = context.checkpoints().resolve("count");
          int count = Files.exists(state) ? Integer.parseInt(Files.readString(state)) : 0;
          while (count < 4) {
            count++;
            Files.writeString(state, Integer.toString(count));
            if (count == 2) {
              cancellation.request();
            }
            context.cancellation().throwIfRequested();
          }
          Files.writeString(context.directory().resolve("result.txt"), "counted");
        };
    TextStage stage = new TextStage("count", StageInputs.builder().build(), counting);

    assertThatThrownBy(() -> runner().run(ImmutableList.of(stage)))
        .isInstanceOf(CancelledException.class);
    assertThat(store().plan(stage).action()).isEqualTo(Action.RESUME);

    new StageRunner(store(), Progress.quiet(), new Cancellation(), Clock.systemUTC())
        .run(ImmutableList.of(stage));
    assertThat(runner().result(stage)).isEqualTo("counted");
    assertThat(store().directoryOf(stage).resolve("checkpoints")).doesNotExist();
  }

  @Test
  void equalRunsWriteEqualManifests(@TempDir Path other) throws IOException {
    TextStage stage = writing("first", "ab");
    runner().run(ImmutableList.of(stage));
    StageStore second = new StageStore(other);
    new StageRunner(second, Progress.quiet(), cancellation, Clock.systemUTC())
        .run(ImmutableList.of(stage));

    assertThat(Files.readString(second.directoryOf(stage).resolve("manifest.json")))
        .isEqualTo(Files.readString(store().directoryOf(stage).resolve("manifest.json")))
        .contains("\"path\" : \"result.txt\"")
        .contains("fb8e20fc2e4c3f248c60c39bd652f3c1347298bb977b8b4d5903b85055620603");
  }

  @Test
  void damagedResultIsMadeAgain() throws IOException {
    TextStage stage = writing("first", "ab");
    runner().run(ImmutableList.of(stage));
    Files.writeString(store().directoryOf(stage).resolve("result.txt"), "a");

    assertThat(store().plan(stage).why()).contains("damaged: result.txt");
    runner().run(ImmutableList.of(stage));

    assertThat(runner().result(stage)).isEqualTo("ab");
  }

  @Test
  void stageKilledAfterItsManifestIsOnlyRenamed() throws IOException {
    TextStage stage = writing("first", "ab");
    runner().run(ImmutableList.of(stage));
    Files.move(store().directoryOf(stage), store().partialOf(stage));
    ran.clear();

    runner().run(ImmutableList.of(stage));

    assertThat(ran).isEmpty();
    assertThat(runner().result(stage)).isEqualTo("ab");
  }

  @Test
  void twoRunsAtOnceAreRefused() {
    TextStage nested =
        new TextStage(
            "outer",
            StageInputs.builder().build(),
            context -> runner().run(ImmutableList.of(writing("inner", "x"))));

    assertThatThrownBy(() -> runner().run(ImmutableList.of(nested)))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("another run (process " + ProcessHandle.current().pid() + ")")
        .hasMessageContaining(work + "; wait for it to end");
  }

  @Test
  void fullDiskIsOneMessageAndLeavesNoResult() {
    TextStage stage =
        new TextStage(
            "full",
            StageInputs.builder().build(),
            context -> {
              throw new IOException("No space left on device");
            });

    assertThatThrownBy(() -> runner().run(ImmutableList.of(stage)))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("stage full")
        .hasMessageContaining("No space left on device");
    assertThat(store().directoryOf(stage)).doesNotExist();
  }

  @Test
  void workDirectoryThatCannotBeMadeIsExplained() throws IOException {
    Path file = Files.writeString(work.resolve("file"), "");
    StageRunner runner =
        new StageRunner(new StageStore(file), Progress.quiet(), cancellation, Clock.systemUTC());

    assertThatThrownBy(() -> runner.run(ImmutableList.of(writing("first", "ab"))))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("is not a directory");
  }

  @Test
  void cleanRemovesWhatTheRunDoesNotUse() throws IOException {
    TextStage used = writing("first", "ab");
    TextStage unused = writing("first", "cd");
    runner().run(ImmutableList.of(used, unused));

    assertThat(store().clean(new StageStore.AllBut(ImmutableList.of(used))))
        .containsExactly(store().directoryOf(unused).getFileName().toString());
    assertThat(store().plan(used).action()).isEqualTo(Action.REUSE);

    assertThat(store().clean(new StageStore.Everything())).hasSize(1);
    try (Stream<Path> left = Files.list(work.resolve("stages"))) {
      assertThat(left).isEmpty();
    }
  }

  @Test
  void resultsOfStagesThatAreNotInputsAreRefused() {
    TextStage first = writing("first", "ab");
    TextStage careless =
        new TextStage("careless", StageInputs.builder().build(), context -> context.result(first));

    assertThatThrownBy(() -> runner().run(ImmutableList.of(first, careless)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("does not name it in its inputs");
  }
}
