package dev.manticore.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.base.Ticker;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.progress.Cancellation;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code manticore diff} and {@code manticore canonicalise}, and what they end with. */
class DiffCommandTest {

  private static final String SIGMOID =
      """
      hir 1
      graph "g" {
        opset "" 23
        input %x: f32[batch,4]
        %one: f32[] = Constant() {value = f32[]{1.0}}
        %n: f32[batch,4] = Neg(%x)
        %e: f32[batch,4] = Exp(%n)
        %s: f32[batch,4] = Add(%one, %e)
        %y: f32[batch,4] = Div(%one, %s)
        output %y
      }
      """;

  @TempDir Path directory;

  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();

  @BeforeEach
  void writeModels() throws IOException {
    Files.writeString(directory.resolve("long.hir"), SIGMOID);
    Files.writeString(
        directory.resolve("short.hir"),
        """
        hir 1
        graph "h" {
          opset "" 23
          input %v: f32[n,4]
          %w: f32[n,4] = Sigmoid(%v)
          output %w
        }
        """);
    Files.writeString(directory.resolve("other.hir"), SIGMOID.replace("Exp", "Cos"));
  }

  private int run(String... args) {
    out.reset();
    err.reset();
    Terminal terminal =
        new Terminal(
            new PrintStream(out, true, StandardCharsets.UTF_8),
            new PrintStream(err, true, StandardCharsets.UTF_8),
            ImmutableMap.of(),
            directory,
            Clock.systemUTC(),
            Ticker.systemTicker(),
            new Cancellation());
    return new Application(
            terminal,
            ImmutableList.of(new DiffCommand(terminal), new CanonicaliseCommand(terminal)))
        .run(args);
  }

  private String output() {
    return out.toString(StandardCharsets.UTF_8);
  }

  @Test
  void equalModelsEndWithStatus0() {
    assertThat(run("diff", "long.hir", "short.hir")).isEqualTo(ExitCode.OK);
    assertThat(output()).isEqualTo("Same normal form: one structure on equal parameters.\n");
  }

  @Test
  void otherModelsEndWithStatus1() throws IOException {
    assertThat(run("diff", "other.hir", "short.hir", "--json")).isEqualTo(ExitCode.FAILED);

    JsonNode json = new ObjectMapper().readTree(output());
    assertThat(json.get("verdict").asText()).isEqualTo("different");
    assertThat(json.get("equal").asBoolean()).isFalse();
    assertThat(json.get("samples").asInt()).isPositive();
  }

  @Test
  void whatCannotBeReadEndsWithStatus2() {
    assertThat(run("diff", "long.hir", "missing.hir")).isEqualTo(ExitCode.USAGE);
    assertThat(err.toString(StandardCharsets.UTF_8)).contains("missing.hir: no such file");
  }

  @Test
  void theNormalFormIsWrittenAndExplained() {
    assertThat(run("canonicalise", "long.hir", "-o", "normal.hir", "--explain"))
        .isEqualTo(ExitCode.OK);
    assertThat(output()).startsWith("5 nodes, in normal form 1\n").contains("1  sigmoid");
    assertThat(run("diff", "normal.hir", "long.hir")).isEqualTo(ExitCode.OK);
  }

  @Test
  void aRuleThatDidNotMatchSaysWhy() {
    assertThat(run("canonicalise", "other.hir", "--explain", "sigmoid")).isEqualTo(ExitCode.OK);
    assertThat(output()).contains("(Div)", "is not Exp");
  }
}
