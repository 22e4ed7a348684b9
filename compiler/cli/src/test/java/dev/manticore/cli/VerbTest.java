package dev.manticore.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.base.Ticker;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Iterables;
import dev.manticore.compiler.progress.Cancellation;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.util.List;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.io.TempDir;

/** Runs verbs in a directory of their own, and takes what they write. */
abstract class VerbTest {

  @TempDir Path directory;

  final Cancellation cancellation = new Cancellation();

  /** The environment variables of a command. */
  ImmutableMap<String, String> environment = ImmutableMap.of();

  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();

  /** The verbs that there are: all, unless a test has its own. */
  ImmutableList<Callable<Integer>> verbs(Terminal terminal) {
    return Main.verbs(terminal, Main.pipelines());
  }

  /** Runs a command line, and returns its status. */
  final int run(String... args) {
    return run(new PrintStream(out, true, StandardCharsets.UTF_8), args);
  }

  /** The same with another standard output. */
  final int run(PrintStream output, String... args) {
    out.reset();
    err.reset();
    Terminal terminal =
        new Terminal(
            output,
            new PrintStream(err, true, StandardCharsets.UTF_8),
            environment,
            directory,
            Clock.systemUTC(),
            Ticker.systemTicker(),
            cancellation);
    return new Application(terminal, verbs(terminal)).run(args);
  }

  /** What the last command wrote to its standard output. */
  final String out() {
    return out.toString(StandardCharsets.UTF_8);
  }

  /** What the last command wrote to its standard error. */
  final String err() {
    return err.toString(StandardCharsets.UTF_8);
  }

  /** The last line that the last command wrote to its standard output. */
  final JsonNode lastLine() throws IOException {
    return new ObjectMapper().readTree(Iterables.getLast(out().lines().toList()));
  }

  /** Runs a command line that ends well, and returns the lines of its standard output. */
  final List<String> lines(String... args) {
    assertThat(run(args)).as(err()).isEqualTo(ExitCode.OK);
    return out().lines().toList();
  }

  /** Runs a command line that is refused with one line, which contains the message. */
  final void refused(String message, String... args) {
    assertThat(run(args)).as(err()).isEqualTo(ExitCode.USAGE);
    assertThat(err().strip()).contains(message).doesNotContain("\n");
    assertThat(out()).isEmpty();
  }
}
