package dev.manticore.compiler.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.google.common.base.Ticker;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.experiment.TrialRunner.Options;
import dev.manticore.compiler.pipeline.WorkLock;
import dev.manticore.compiler.process.OwnJvm;
import dev.manticore.compiler.process.Subprocess;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.CancelledException;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.ir.ManticoreException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class TrialRunnerTest {

  private static final int STEPS = 10;
  private static final Duration GRACE = Duration.ofMinutes(1);

  @TempDir Path directory;

  private final ByteArrayOutputStream told = new ByteArrayOutputStream();
  private final Cancellation cancellation = new Cancellation();

  @BeforeEach
  void makeOrders() throws IOException {
    Files.createDirectories(orders());
  }

  private Path orders() {
    return directory.resolve("orders");
  }

  private Path experiment() {
    return directory.resolve("experiment");
  }

  private static Trial trial(int seed) {
    return new Trial(
        "count-" + seed,
        JsonNodeFactory.instance.objectNode().put("steps", STEPS).put("seed", seed));
  }

  private static ImmutableList<Trial> trials(int... seeds) {
    return IntStream.of(seeds)
        .mapToObj(TrialRunnerTest::trial)
        .collect(ImmutableList.toImmutableList());
  }

  private static Options atOnce(int parallel) {
    return new Options(parallel, 1, 64 << 20, GRACE);
  }

  private ImmutableList<Path> run(Path experiment, Options options, List<Trial> trials) {
    return new TrialRunner(
            experiment,
            CountingTrial.class.getName(),
            List.of(orders().toString()),
            options,
            Progress.lines(
                new PrintStream(told, true, StandardCharsets.UTF_8), Ticker.systemTicker()),
            cancellation,
            Ticker.systemTicker())
        .run(trials);
  }

  private List<String> lines() {
    List<String> lines = told.toString(StandardCharsets.UTF_8).lines().toList();
    told.reset();
    return lines;
  }

  /** The steps that the processes of a trial have taken, all in all. */
  private List<String> steps(String trial) throws IOException {
    return Files.readAllLines(orders().resolve(trial + ".steps"));
  }

  private static List<String> allSteps() {
    return IntStream.range(0, STEPS).mapToObj(Integer::toString).toList();
  }

  @Test
  void outcomesDoNotDependOnTheOrderOrOnHowManyRunAtOnce() throws IOException {
    Path other = directory.resolve("other");

    List<Path> one = run(experiment(), atOnce(1), trials(1, 2, 3, 4));
    List<Path> three = run(other, atOnce(3), trials(4, 2, 1, 3));

    assertThat(one)
        .extracting(path -> path.getParent().getFileName().toString())
        .containsExactly("count-1", "count-2", "count-3", "count-4");
    assertThat(three)
        .extracting(path -> path.getParent().getFileName().toString())
        .containsExactly("count-4", "count-2", "count-1", "count-3");
    for (Path outcome : one) {
      for (String file : List.of("trial.json", "outcome.json", "done.json")) {
        Path here = outcome.resolveSibling(file);
        assertThat(other.resolve(experiment().relativize(here))).hasSameBinaryContentAs(here);
      }
    }
    assertThat(one.stream().map(TrialRunnerTest::read)).doesNotHaveDuplicates();
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aTrialHasTheThreadsThatItIsGiven() {
    Path outcome = run(experiment(), new Options(1, 3, 64 << 20, GRACE), trials(1)).get(0);

    assertThat(read(outcome))
        .contains("\"processors\" : 3")
        .contains("\"omp_num_threads\" : \"1\"");
  }

  @Test
  void whatIsDoneIsNotRunAgain() throws IOException {
    run(experiment(), atOnce(1), trials(1, 2));
    assertThat(lines())
        .hasSize(2)
        .allMatch(line -> line.matches("trial [12]/2 count-[12]: done, .* s( \\(0:.. left\\))?"));

    run(experiment(), atOnce(1), trials(1, 2, 3));

    assertThat(lines().subList(0, 2))
        .containsExactly("trial 1/3 count-1: done before", "trial 2/3 count-2: done before");
    assertThat(steps("count-1")).isEqualTo(allSteps());
  }

  @Test
  void failedTrialsAreListedAndTriedAgainWhileTheOthersGoOn() throws IOException {
    Files.createFile(orders().resolve("count-1.fail"));
    Files.createFile(orders().resolve("count-3.fail"));

    assertThatThrownBy(() -> run(experiment(), atOnce(2), trials(1, 2, 3, 4)))
        .isInstanceOf(ManticoreException.class)
        .hasMessageStartingWith("2 of 4 trials failed; a second run tries these again:")
        .hasMessageContaining(
            "\n  count-1: status 1, " + experiment().resolve("trials/count-1/trial.log"))
        .hasMessageContaining("\n  count-3: status 1, ")
        .hasMessageContaining("\n    java.lang.IllegalStateException: told to fail")
        .extracting(e -> ((ManticoreException) e).code())
        .isEqualTo("MNT-TRIAL");
    assertThat(lines()).filteredOn(line -> line.contains(": failed, ")).hasSize(2);

    Files.delete(orders().resolve("count-1.fail"));
    Files.delete(orders().resolve("count-3.fail"));
    run(experiment(), atOnce(2), trials(1, 2, 3, 4));

    assertThat(lines())
        .startsWith("trial 1/4 count-2: done before", "trial 2/4 count-4: done before");
    for (int seed = 1; seed <= 4; seed++) {
      assertThat(steps("count-" + seed)).isEqualTo(allSteps());
    }
  }

  @Test
  void aTrialOfAnotherSpecIsStartedAnew() throws IOException {
    Path kept = run(experiment(), atOnce(1), trials(1, 2)).get(0);
    Path stray = Files.createFile(kept.resolveSibling("stray"));
    String earlier = read(kept);
    Trial changed =
        new Trial(
            "count-1", JsonNodeFactory.instance.objectNode().put("steps", STEPS).put("seed", 7));
    lines();

    run(experiment(), atOnce(1), List.of(changed, trial(2)));

    assertThat(stray).doesNotExist();
    assertThat(read(kept)).isNotEqualTo(earlier);
    assertThat(lines().get(0)).isEqualTo("trial 1/2 count-2: done before");
    assertThat(steps("count-2")).isEqualTo(allSteps());
  }

  @Test
  void aTrialWithOtherThreadsIsStartedAnew() throws IOException {
    run(experiment(), atOnce(1), trials(1));

    run(experiment(), new Options(1, 2, 64 << 20, GRACE), trials(1));

    assertThat(steps("count-1")).hasSize(2 * STEPS);
  }

  private void stopWhenHeld(String... names) {
    whenHeld(cancellation::request, names);
  }

  private void whenHeld(Runnable action, String... names) {
    Thread stop =
        new Thread(
            () -> {
              for (String name : names) {
                while (!Files.exists(orders().resolve(name + ".held"))) {
                  LockSupport.parkNanos(1_000_000);
                }
              }
              action.run();
            });
    stop.setDaemon(true);
    stop.start();
  }

  @Test
  void stoppedTrialsSaveTheirStateAndGoOnFromThere() throws IOException {
    Files.createFile(orders().resolve("hold"));
    stopWhenHeld("count-1", "count-2");

    assertThatThrownBy(() -> run(experiment(), atOnce(2), trials(1, 2, 3)))
        .isInstanceOf(CancelledException.class);

    assertThat(experiment().resolve("trials/count-1/checkpoint")).exists();
    assertThat(experiment().resolve("trials/count-2/checkpoint")).exists();
    assertThat(experiment().resolve("trials/count-3")).doesNotExist();
    assertThat(steps("count-1")).hasSize(STEPS / 2);

    Files.delete(orders().resolve("hold"));
    List<Path> outcomes = goOn();

    assertThat(steps("count-1")).isEqualTo(allSteps());
    assertThat(steps("count-2")).isEqualTo(allSteps());
    List<Path> uninterrupted = goOn(directory.resolve("other"));
    for (int i = 0; i < 3; i++) {
      assertThat(outcomes.get(i)).hasSameBinaryContentAs(uninterrupted.get(i));
    }
  }

  private List<Path> goOn() {
    return goOn(experiment());
  }

  private List<Path> goOn(Path experiment) {
    return new TrialRunner(
            experiment,
            CountingTrial.class.getName(),
            List.of(orders().toString()),
            atOnce(2),
            Progress.quiet(),
            new Cancellation(),
            Ticker.systemTicker())
        .run(trials(1, 2, 3));
  }

  @Test
  void aStopThatTheTrialHearsFirstIsNoFailure() throws IOException {
    Files.createFile(orders().resolve("hold"));
    // As Ctrl-C does.
    whenHeld(
        () -> {
          cancellation.request();
          ProcessHandle.of(process("count-1")).ifPresent(ProcessHandle::destroy);
        },
        "count-1");

    assertThatThrownBy(() -> run(experiment(), atOnce(1), trials(1)))
        .isInstanceOf(CancelledException.class);

    assertThat(lines()).isEmpty();
    assertThat(experiment().resolve("trials/count-1/checkpoint")).exists();
  }

  @Test
  void aTrialThatDoesNotListenIsEnded() throws IOException {
    Files.createFile(orders().resolve("deaf"));
    stopWhenHeld("count-1");

    assertThatThrownBy(
            () -> run(experiment(), new Options(1, 1, 64 << 20, Duration.ofMillis(100)), trials(1)))
        .isInstanceOf(CancelledException.class);

    ProcessHandle.of(process("count-1")).ifPresent(handle -> handle.onExit().join());
    assertThat(ProcessHandle.of(process("count-1"))).isEmpty();
  }

  private long process(String trial) {
    return Long.parseLong(read(orders().resolve(trial + ".held")));
  }

  @Test
  void aTrialStopsWhenItsRunnerIsGone() throws IOException {
    Files.createFile(orders().resolve("hold"));
    TrialDirectory trial = new TrialDirectory(experiment(), trial(1), List.of(), 1);
    trial.prepare();

    // Its standard input has ended before it starts.
    Subprocess.Outcome outcome =
        new Subprocess(
                OwnJvm.command(
                    List.of(),
                    CountingTrial.class.getName(),
                    List.of(orders().toString(), trial.path().toString())),
                directory,
                GRACE)
            .run(new Cancellation());

    assertThat(outcome.status()).hasValue(1);
    assertThat(outcome.errors()).endsWith("stopped on request\n");
    assertThat(trial.path().resolve("checkpoint")).exists();
    assertThat(trial.outcome()).doesNotExist();
  }

  @Test
  void anExperimentIsRunByOneProcessAtATime() {
    WorkLock other = WorkLock.take(experiment());

    assertThatThrownBy(() -> run(experiment(), atOnce(1), trials(1)))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("is using " + experiment())
        .extracting(e -> ((ManticoreException) e).code())
        .isEqualTo("MNT-BUSY");
    other.close();
    assertThat(run(experiment(), atOnce(1), trials(1)).get(0)).exists();
  }

  @Test
  void aTrialThatAnEarlierRunLeftBehindIsNotRunTwice() {
    WorkLock other = WorkLock.take(experiment().resolve("trials/count-1"));

    assertThatThrownBy(() -> run(experiment(), atOnce(1), trials(1, 2)))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("1 of 2 trials failed")
        .hasMessageContaining("count-1: another run (process ");
    other.close();
    assertThat(run(experiment(), atOnce(1), trials(1, 2)).get(0)).exists();
  }
}
