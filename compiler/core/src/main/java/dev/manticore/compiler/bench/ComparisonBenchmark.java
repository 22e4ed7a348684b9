package dev.manticore.compiler.bench;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Lists;
import dev.manticore.compiler.process.Subprocess;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.regex.Pattern;

/**
 * Runs two commands by turns, each of which prints a JSON object with what it measured: a machine
 * that is slower for a while is slower for both.
 */
public final class ComparisonBenchmark {

  /** Of fewer runs, a median and a spread say little. */
  public static final int LEAST_ROUNDS = 5;

  /** Lines of what a command wrote that a message has. */
  private static final int TOLD = 10;

  private static final ObjectMapper JSON = new ObjectMapper();

  private static final Pattern ASSIGNMENT = Pattern.compile("[A-Za-z_][A-Za-z0-9_]*=.*");

  /** The launcher sets it for our own process; a peer that needs it is given it by its command. */
  private static final ImmutableSet<String> OURS_ALONE = ImmutableSet.of("OMP_NUM_THREADS");

  private ComparisonBenchmark() {}

  /**
   * The command of a peer.
   *
   * @param words the command and its arguments; before it, as a shell has it, variables of its
   *     environment, {@code OMP_NUM_THREADS=2}
   * @throws ManticoreException {@code MNT-BENCH} if there is no command among them
   */
  public static Subprocess peer(List<String> words, Path directory, Duration limit) {
    ImmutableMap.Builder<String, String> environment = ImmutableMap.builder();
    int first = 0;
    while (first < words.size() && ASSIGNMENT.matcher(words.get(first)).matches()) {
      String word = words.get(first);
      int equals = word.indexOf('=');
      environment.put(word.substring(0, equals), word.substring(equals + 1));
      first++;
    }
    if (first == words.size()) {
      throw new ManticoreException(
          "MNT-BENCH", "the peer's command is missing: nothing follows " + words);
    }
    return new Subprocess(
        ImmutableList.copyOf(words.subList(first, words.size())),
        OURS_ALONE,
        environment.buildKeepingLast(),
        directory,
        limit);
  }

  /**
   * Runs both, ours first in each round.
   *
   * @param log takes a line after each run
   * @throws ManticoreException {@code MNT-BENCH} if there are too few rounds, a run fails, takes
   *     too long or prints no JSON object, or there is nothing to compare
   */
  public static Comparison run(
      Subprocess ours,
      Subprocess peer,
      int rounds,
      Cancellation cancellation,
      Consumer<String> log) {
    if (rounds < LEAST_ROUNDS) {
      throw new ManticoreException(
          "MNT-BENCH", "rounds must be at least " + LEAST_ROUNDS + ", not " + rounds);
    }
    List<JsonNode> left = new ArrayList<>();
    List<JsonNode> right = new ArrayList<>();
    for (int round = 1; round <= rounds; round++) {
      left.add(measure("our own command", ours, cancellation));
      log.accept(line(round, rounds, "ours", left.get(round - 1)));
      right.add(measure("the peer's command", peer, cancellation));
      log.accept(line(round, rounds, "peer", right.get(round - 1)));
      // Before the other rounds are run for nothing.
      Comparison.of(left, right);
    }
    return Comparison.of(left, right);
  }

  private static String line(int round, int rounds, String side, JsonNode result) {
    StringBuilder line =
        new StringBuilder(String.format(Locale.ROOT, "round %d of %d, %s:", round, rounds, side));
    for (Figure figure : Figure.values()) {
      if (result.has(figure.key())) {
        line.append(
            String.format(
                Locale.ROOT,
                "  %s %,.0f %s",
                figure,
                result.get(figure.key()).asDouble(),
                figure.unit()));
      }
    }
    return line.toString();
  }

  /**
   * Runs a command and takes the JSON object that it prints.
   *
   * @param whose names the command in a message
   * @throws ManticoreException {@code MNT-BENCH} if it fails, takes too long or prints none
   */
  static JsonNode measure(String whose, Subprocess process, Cancellation cancellation) {
    Subprocess.Outcome outcome;
    try {
      outcome = process.run(cancellation);
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-BENCH", whose + " " + process.command() + " cannot be run: " + e.getMessage(), e);
    }
    if (outcome.status().isEmpty()) {
      throw failure(whose + " took more than " + process.limit().toSeconds() + " seconds", outcome);
    }
    if (outcome.status().getAsInt() != 0) {
      throw failure(whose + " ended with status " + outcome.status().getAsInt(), outcome);
    }
    return lastObject(outcome.output())
        .orElseThrow(() -> failure(whose + " printed no line that is a JSON object", outcome));
  }

  private static ManticoreException failure(String what, Subprocess.Outcome outcome) {
    return new ManticoreException(
        "MNT-BENCH",
        what
            + told("standard output", outcome.output())
            + told("standard error", outcome.errors()));
  }

  private static String told(String stream, String text) {
    List<String> lines = text.lines().filter(line -> !line.isBlank()).toList();
    return lines.isEmpty()
        ? ""
        : "; the last of its "
            + stream
            + ":\n  "
            + String.join("\n  ", lines.subList(Math.max(0, lines.size() - TOLD), lines.size()))
            + "\n";
  }

  /** The last line of a text that is a JSON object. */
  static Optional<JsonNode> lastObject(String text) {
    for (String line : Lists.reverse(text.lines().toList())) {
      if (line.strip().startsWith("{")) {
        try {
          JsonNode node = JSON.readTree(line);
          if (node.isObject()) {
            return Optional.of(node);
          }
        } catch (JacksonException e) {
          // Not JSON: it may stand above.
        }
      }
    }
    return Optional.empty();
  }
}
