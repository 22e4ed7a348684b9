package dev.manticore.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** {@code manticore diff} and {@code manticore canonicalise}, and what they end with. */
class DiffCommandTest extends VerbTest {

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

  @Test
  void equalModelsEndWithStatus0() {
    assertThat(run("diff", "long.hir", "short.hir")).isEqualTo(ExitCode.OK);
    assertThat(out()).isEqualTo("Same normal form: one structure on equal parameters.\n");
  }

  @Test
  void otherModelsEndWithStatus1() throws IOException {
    assertThat(run("diff", "other.hir", "short.hir", "--json")).isEqualTo(ExitCode.FAILED);

    JsonNode json = new ObjectMapper().readTree(out());
    assertThat(json.get("verdict").asText()).isEqualTo("different");
    assertThat(json.get("equal").asBoolean()).isFalse();
    assertThat(json.get("samples").asInt()).isPositive();
  }

  @Test
  void whatCannotBeReadEndsWithStatus2() {
    assertThat(run("diff", "long.hir", "missing.hir")).isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("missing.hir: no such file");
  }

  @Test
  void theNormalFormIsWrittenAndExplained() {
    assertThat(run("canonicalise", "long.hir", "-o", "normal.hir", "--explain"))
        .isEqualTo(ExitCode.OK);
    assertThat(out()).startsWith("5 nodes, in normal form 1\n").contains("1  sigmoid");
    assertThat(run("diff", "normal.hir", "long.hir")).isEqualTo(ExitCode.OK);
  }

  @Test
  void aRuleThatDidNotMatchSaysWhy() {
    assertThat(run("canonicalise", "other.hir", "--explain", "sigmoid")).isEqualTo(ExitCode.OK);
    assertThat(out()).contains("(Div)", "is not Exp");
  }
}
