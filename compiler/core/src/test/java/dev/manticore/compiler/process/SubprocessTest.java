package dev.manticore.compiler.process;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.CancelledException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class SubprocessTest {

  private static final Duration LONG = Duration.ofMinutes(1);

  /** A shell with a child of its own, whose number it leaves in a file. */
  private static final String PARENT = "sleep 100 & echo $! > child.new; mv child.new child; wait";

  @TempDir Path directory;

  private Subprocess shell(String script, Duration limit) {
    return new Subprocess(List.of("sh", "-c", script), directory, limit);
  }

  @Test
  void tellsStatusAndWhatWasWritten() throws IOException {
    Subprocess.Outcome outcome = shell("pwd; echo no >&2; exit 3", LONG).run(new Cancellation());

    assertThat(outcome.status()).hasValue(3);
    assertThat(outcome.output()).isEqualTo(directory.toRealPath() + "\n");
    assertThat(outcome.errors()).isEqualTo("no\n");
  }

  @Test
  void standardInputIsEmpty() throws IOException {
    assertThat(shell("cat; echo end", LONG).run(new Cancellation()).output()).isEqualTo("end\n");
  }

  @Test
  void variablesAreTakenAndGiven() throws IOException {
    Subprocess process =
        new Subprocess(
            ImmutableList.of("sh", "-c", "echo ${PATH:-none} $GIVEN"),
            ImmutableSet.of("PATH"),
            ImmutableMap.of("PATH", "/only/here", "GIVEN", "a b"),
            directory,
            LONG);

    assertThat(process.run(new Cancellation()).output()).isEqualTo("/only/here a b\n");
    String first = System.getenv().keySet().iterator().next();
    Subprocess without =
        new Subprocess(
            ImmutableList.of("sh", "-c", "env"),
            ImmutableSet.of(first),
            ImmutableMap.of(),
            directory,
            LONG);
    assertThat(without.run(new Cancellation()).output().lines())
        .noneMatch(line -> line.startsWith(first + "="));
  }

  @Test
  void ofMuchTheLastIsKept() throws IOException {
    String output =
        shell("head -c 6000000 /dev/zero; echo end", LONG).run(new Cancellation()).output();

    assertThat(output).hasSize(4 << 20).endsWith("end\n");
  }

  @Test
  void whatTakesTooLongEndsWithAllThatItStarted() throws IOException {
    Subprocess.Outcome outcome = shell(PARENT, Duration.ofSeconds(1)).run(new Cancellation());

    assertThat(outcome.status()).isEmpty();
    assertThatChildEnds();
  }

  @Test
  void aStopEndsItWithAllThatItStarted() throws IOException {
    Cancellation cancellation = new Cancellation();
    Thread stop = new Thread(() -> requestWhenReady(cancellation));
    stop.start();

    assertThatThrownBy(() -> shell(PARENT, LONG).run(cancellation))
        .isInstanceOf(CancelledException.class);
    assertThatChildEnds();
  }

  @Test
  void allThatIsWrittenGoesToAFile() throws IOException {
    Path log = Files.writeString(directory.resolve("log"), "earlier");

    Subprocess.Outcome outcome =
        shell("echo out; echo err >&2; exit 3", Subprocess.NO_LIMIT)
            .run(log, LONG, new Cancellation());

    assertThat(outcome.status()).hasValue(3);
    assertThat(log).hasContent("out\nerr\n");
    assertThat(outcome.output()).isEqualTo("out\nerr\n");
  }

  @Test
  void aStopLeavesTimeToEnd() throws IOException {
    Cancellation cancellation = new Cancellation();
    Thread stop = new Thread(() -> requestWhenReady(cancellation));
    stop.start();
    String script = "trap 'echo saved; exit 1' TERM; touch child; while :; do sleep 0.01; done";

    assertThatThrownBy(() -> shell(script, LONG).run(directory.resolve("log"), LONG, cancellation))
        .isInstanceOf(CancelledException.class);
    assertThat(directory.resolve("log")).hasContent("saved\n");
  }

  private void requestWhenReady(Cancellation cancellation) {
    while (!Files.exists(directory.resolve("child"))) {
      Thread.onSpinWait();
    }
    cancellation.request();
  }

  private void assertThatChildEnds() throws IOException {
    long number = Long.parseLong(Files.readString(directory.resolve("child")).strip());
    long end = System.nanoTime() + LONG.toNanos();
    Optional<ProcessHandle> child = ProcessHandle.of(number);
    // One that was killed and that nobody has asked for its status counts as ended.
    while (child.isPresent()
        && child.get().isAlive()
        && !isZombie(number)
        && System.nanoTime() < end) {
      Thread.onSpinWait();
      child = ProcessHandle.of(number);
    }
    assertThat(child.map(handle -> handle.isAlive() && !isZombie(number)).orElse(false)).isFalse();
  }

  private static boolean isZombie(long number) {
    try {
      return Files.readString(Path.of("/proc/" + number + "/stat")).contains(") Z ");
    } catch (IOException e) {
      return !Files.exists(Path.of("/proc/" + number));
    }
  }

  @Test
  void aProgramThatIsNotThereIsSaid() {
    assertThatThrownBy(
            () ->
                new Subprocess(List.of("/no/such/program"), directory, LONG)
                    .run(new Cancellation()))
        .isInstanceOf(IOException.class)
        .hasMessageContaining("/no/such/program");
  }
}
