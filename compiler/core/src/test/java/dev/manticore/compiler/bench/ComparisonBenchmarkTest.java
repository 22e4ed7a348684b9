package dev.manticore.compiler.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.compiler.process.Subprocess;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class ComparisonBenchmarkTest {

  private static final String OBJECT = "{\"train_tokens_per_s\": 100, \"peak_rss_mb\": 20}";

  @TempDir Path directory;

  private Subprocess shell(String script) {
    return new Subprocess(List.of("sh", "-c", script), directory, Duration.ofMinutes(1));
  }

  @Test
  void bothSidesRunByTurns() throws IOException {
    List<String> log = new ArrayList<>();

    Comparison comparison =
        ComparisonBenchmark.run(
            shell("echo ours >> order; echo '" + OBJECT + "'"),
            shell("echo peer >> order; echo starting; echo '" + OBJECT + "'; echo done"),
            5,
            new Cancellation(),
            log::add);

    assertThat(Files.readAllLines(directory.resolve("order")))
        .containsExactly(
            "ours", "peer", "ours", "peer", "ours", "peer", "ours", "peer", "ours", "peer");
    assertThat(comparison.rows())
        .extracting(Comparison.Row::figure)
        .containsExactly(Figure.TRAINING, Figure.MEMORY);
    assertThat(comparison.rows().get(0).ours().values()).hasSize(5).containsOnly(100.0);
    assertThat(log)
        .hasSize(10)
        .contains("round 5 of 5, peer:  training 100 tokens/s  memory 20 MiB");
  }

  @Test
  void fewerThanFiveRoundsAreRefused() {
    assertThatThrownBy(
            () ->
                ComparisonBenchmark.run(
                    shell("echo '" + OBJECT + "'"),
                    shell("echo '" + OBJECT + "'"),
                    4,
                    new Cancellation(),
                    line -> {}))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("rounds must be at least 5, not 4");
  }

  @Test
  void aPeerWithNothingToCompareIsRefusedInTheFirstRound() {
    assertThatThrownBy(
            () ->
                ComparisonBenchmark.run(
                    shell("echo '" + OBJECT + "'"),
                    shell("echo once >> runs; echo '{\"loss\": 1}'"),
                    5,
                    new Cancellation(),
                    line -> {}))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("nothing to compare");
    assertThat(directory.resolve("runs")).hasContent("once");
  }

  private void assertFailure(Subprocess peer, String... parts) {
    assertThatThrownBy(() -> ComparisonBenchmark.measure("the peer", peer, new Cancellation()))
        .isInstanceOfSatisfying(
            ManticoreException.class,
            e -> {
              assertThat(e.code()).isEqualTo("MNT-BENCH");
              assertThat(e.getMessage()).contains(parts);
            });
  }

  @Test
  void aFailureComesWithTheLastLines() {
    assertFailure(
        shell("for i in $(seq 30); do echo line $i; done; echo no module >&2; exit 4"),
        "the peer ended with status 4",
        "line 30",
        "line 21\n",
        "no module");
    assertThatThrownBy(
            () ->
                ComparisonBenchmark.measure(
                    "the peer", shell("seq 30; exit 4"), new Cancellation()))
        .hasMessageNotContaining(" 20\n");
  }

  @Test
  void outputWithoutAnObjectIsAFailure() {
    assertFailure(
        shell("echo '[1]'; echo '{\"a\":'"),
        "the peer printed no line that is a JSON object",
        "[1]");
  }

  @Test
  void whatTakesTooLongIsAFailure() {
    assertFailure(
        shell("echo begun; sleep 100").within(Duration.ofSeconds(1)),
        "the peer took more than 1 seconds",
        "begun");
  }

  @Test
  void aProgramThatIsNotThereIsAFailure() {
    assertFailure(
        ComparisonBenchmark.peer(List.of("/no/such"), directory, Duration.ofMinutes(1)),
        "the peer [/no/such] cannot be run");
  }

  @Test
  void theLastObjectCounts() {
    assertThat(ComparisonBenchmark.lastObject("{\"a\":1}\n{\"a\":2}\n{ not\nend").orElseThrow())
        .hasToString("{\"a\":2}");
    assertThat(ComparisonBenchmark.lastObject("")).isEmpty();
  }

  @Test
  void variablesBeforeAPeersCommandAreItsEnvironment() {
    Subprocess peer =
        ComparisonBenchmark.peer(
            List.of("OMP_NUM_THREADS=2", "EMPTY=", "python3", "run.py", "a=b"),
            directory,
            Duration.ofMinutes(1));

    assertThat(peer.command()).containsExactly("python3", "run.py", "a=b");
    assertThat(peer.environment()).containsEntry("OMP_NUM_THREADS", "2").containsEntry("EMPTY", "");
    // Of our own launcher.
    assertThat(peer.without()).containsExactly("OMP_NUM_THREADS");
    assertThatThrownBy(
            () -> ComparisonBenchmark.peer(List.of("A=1"), directory, Duration.ofMinutes(1)))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("the peer's command is missing");
  }
}
