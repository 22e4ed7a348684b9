package dev.manticore.cli;

import com.google.common.base.Ticker;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.progress.Cancellation;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;

/**
 * Runs a few commands on the models that it is given and writes nothing: the launcher starts it
 * once under {@code -XX:ArchiveClassesAtExit}, so that later starts find the classes of these
 * commands parsed and verified.
 */
public final class Rehearsal {

  private Rehearsal() {}

  /**
   * @param models checkpoint directories
   */
  public static void main(String[] models) {
    PrintStream nowhere =
        new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8);
    Terminal terminal =
        new Terminal(
            nowhere,
            nowhere,
            ImmutableMap.of(),
            Path.of("").toAbsolutePath(),
            Clock.systemUTC(),
            Ticker.systemTicker(),
            new Cancellation());
    run(terminal, "--help");
    run(terminal, "doctor");
    for (String model : models) {
      run(terminal, "inspect", model);
      run(terminal, "lint", model);
      run(terminal, "generate", model, "--tokens", "3", "--prompt", "The ");
    }
  }

  private static void run(Terminal terminal, String... args) {
    new Application(terminal, Main.verbs(terminal, Main.pipelines())).run(args);
  }
}
