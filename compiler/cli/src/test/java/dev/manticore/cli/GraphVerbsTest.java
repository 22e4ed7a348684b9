package dev.manticore.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import org.junit.jupiter.api.Test;

/** The verbs that look at graphs and change their form, on a checkpoint of the project's own. */
class GraphVerbsTest extends VerbTest {

  private static final String MODEL =
      Fixtures.testdata("checkpoints/gpt-neo-small").toAbsolutePath().toString();

  @Test
  void inspectCountsAndDraws() throws IOException {
    assertThat(run("inspect", MODEL, "--length", "32", "--svg", "m.svg", "--dot", "m.dot"))
        .isEqualTo(ExitCode.OK);

    assertThat(out()).contains("at batch 1, length 32").contains("attention").contains("mlp");
    assertThat(Files.readString(directory.resolve("m.svg"))).startsWith("<svg").contains("layer 0");
    assertThat(Files.readString(directory.resolve("m.dot"))).startsWith("digraph");
    assertThat(run("inspect", MODEL, "--json", "--batch", "4")).isEqualTo(ExitCode.OK);
    JsonNode json = new ObjectMapper().readTree(out());
    assertThat(json.path("cost").path("batch").asInt()).isEqualTo(4);
    assertThat(json.path("cost").path("flops_per_token").asLong()).isPositive();
    assertThat(run("inspect", MODEL, "--length", "100000")).isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("length 100000").contains("MNT-INSPECT");
  }

  @Test
  void lintTellsByItsStatus() throws IOException {
    assertThat(run("lint", MODEL)).isEqualTo(ExitCode.OK);
    assertThat(out()).endsWith("0 errors, 0 warnings, 1 notes\n");

    Files.writeString(directory.resolve("broken.onnx"), "x");
    assertThat(run("lint", "broken.onnx", "--json")).isEqualTo(ExitCode.USAGE);
    assertThat(new ObjectMapper().readTree(out()).path("readable").asBoolean()).isFalse();

    Files.writeString(
        directory.resolve("unused.hir"),
        """
        hir 1
        graph "g" {
          input %x: f32[2]
          input %unused: f32[2]
          %y: f32[2] = Exp(%x)
          output %y
        }
        """);
    assertThat(run("lint", "unused.hir")).isEqualTo(ExitCode.FAILED);
    assertThat(out()).contains("warning unused-input: unused");
  }

  @Test
  void convertGoesThereAndBack() throws IOException {
    assertThat(run("convert", MODEL, "model.onnx", "--weights", "external")).isEqualTo(ExitCode.OK);
    assertThat(directory.resolve("model.onnx.data")).isRegularFile();
    assertThat(run("convert", "model.onnx", "model.hir")).isEqualTo(ExitCode.OK);
    assertThat(run("convert", "model.hir", "again")).isEqualTo(ExitCode.OK);

    assertThat(run("diff", MODEL, "again")).isEqualTo(ExitCode.OK);
    assertThat(out()).contains("Same normal form");
    assertThat(run("convert", "model.onnx", "model.hir", "--dtype", "int4"))
        .isEqualTo(ExitCode.USAGE);
  }

  @Test
  void extractTakesALayer() {
    assertThat(run("extract", MODEL, "--block", "1", "-o", "layer.onnx")).isEqualTo(ExitCode.OK);

    assertThat(out()).startsWith("input   %").contains("output  %").contains("layer.onnx");
    assertThat(err()).isEmpty();
    assertThat(run("inspect", "layer.onnx", "--level", "nodes", "--dot", "layer.dot"))
        .isEqualTo(ExitCode.OK);
    assertThat(run("extract", MODEL, "--block", "1", "--to", "logits", "-o", "x.onnx"))
        .isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("not by both");
    assertThat(run("extract", MODEL, "--from", "nothing", "-o", "x.onnx"))
        .isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("no value 'nothing'");
  }

  @Test
  void reduceFindsTheNodeToBlame() {
    assertThat(
            run(
                "reduce",
                MODEL,
                "-o",
                "small.hir",
                "--tries",
                "400",
                "--",
                "sh",
                "-c",
                "! grep -q Softmax \"$1\"",
                "check",
                "{}"))
        .isEqualTo(ExitCode.OK);

    assertThat(out()).startsWith("1 nodes, ").contains("small.hir");
    assertThat(err()).startsWith("it fails: ").contains("smaller: ");
    assertThat(run("inspect", "small.hir")).isEqualTo(ExitCode.OK);
    assertThat(out()).contains("Softmax");
    assertThat(run("reduce", MODEL, "-o", "small.hir", "--", "true", "{}"))
        .isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("does not fail");
  }
}
