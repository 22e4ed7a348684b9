package dev.manticore.cli;

import com.google.common.base.Ticker;
import com.google.common.collect.ImmutableMap;
import com.google.common.primitives.Ints;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.ir.ManticoreException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Map;

/**
 * Where a command reads its surroundings from and writes to; everything that tests replace.
 *
 * @param environment the environment variables; {@code MANTICORE_COLUMNS}, set by the launcher,
 *     says that standard error is a terminal of so many columns; {@code MANTICORE_PROGRESS=out},
 *     set by the Maven plugin, that progress goes to standard output, so that standard error has
 *     nothing but what went wrong
 */
record Terminal(
    PrintStream out,
    PrintStream err,
    ImmutableMap<String, String> environment,
    Path workingDirectory,
    Clock clock,
    Ticker ticker,
    Cancellation cancellation) {

  static Terminal system() {
    return new Terminal(
        System.out,
        System.err,
        ImmutableMap.copyOf(systemEnvironment()),
        Path.of("").toAbsolutePath(),
        Clock.systemUTC(),
        Ticker.systemTicker(),
        new Cancellation());
  }

  private static Map<String, String> systemEnvironment() {
    return System.getenv();
  }

  /** Progress for people: a rewritten line on a terminal, plain lines elsewhere. */
  Progress progress() {
    if (environment.getOrDefault("MANTICORE_PROGRESS", "").equals("out")) {
      return Progress.lines(out, ticker);
    }
    Integer columns = Ints.tryParse(environment.getOrDefault("MANTICORE_COLUMNS", ""));
    boolean dumb = environment.getOrDefault("TERM", "").equals("dumb");
    return columns == null || columns < 1 || dumb
        ? Progress.lines(err, ticker)
        : Progress.terminal(err, columns, ticker);
  }

  Path resolve(Path path) {
    return workingDirectory.resolve(path).normalize();
  }

  /**
   * A path that must be there.
   *
   * @throws ManticoreException {@code MNT-INPUT} if it is not
   */
  Path existing(Path path) {
    Path resolved = resolve(path);
    if (!Files.exists(resolved)) {
      throw new ManticoreException("MNT-INPUT", resolved + ": no such file or directory");
    }
    return resolved;
  }
}
