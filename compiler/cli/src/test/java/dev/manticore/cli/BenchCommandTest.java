package dev.manticore.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * The verb {@code bench}, on models so small that only the form of what it says can be looked at.
 */
class BenchCommandTest extends VerbTest {

  private static final String[] TINY = {
    "--model=gpt-neo",
    "--width=32",
    "--layers=1",
    "--batch=1",
    "--length=4",
    "--vocab=8",
    "--threads=1"
  };

  private static String[] words(String verb, String[] options, String... more) {
    return Stream.of(new String[] {"bench", verb}, options, more)
        .flatMap(Stream::of)
        .toArray(String[]::new);
  }

  @Test
  void aStepIsToldBesideItsLimitsAndWhereItsTimeGoes() throws IOException {
    assertThat(run(words("step", TINY, "--steps=3", "--limits", "--profile")))
        .as(err())
        .isEqualTo(ExitCode.OK);

    assertThat(out())
        .contains("This machine with 1 thread: exp")
        .containsPattern("GFLOP of products: .* % of their rate alone")
        .containsPattern("Its floor is .* ms, of which it reaches .* %")
        .contains("floor ms  measured ms  reached");
    JsonNode limits = lastLine().path("limits");
    assertThat(limits.path("step_ms").asDouble())
        .isCloseTo(4000 / lastLine().path("train_tokens_per_s").asDouble(), within(1e-9));
    double sum = 0;
    for (JsonNode kind : limits.path("kinds")) {
      sum += kind.path("floor_ms").asDouble();
    }
    assertThat(limits.path("floor_ms").asDouble()).isCloseTo(sum, within(1e-9));
    assertThat(limits.path("floor_share").asDouble())
        .isPositive()
        .isCloseTo(sum / limits.path("step_ms").asDouble(), within(1e-9));
    assertThat(limits.path("kinds").findValues("measured_ms")).isNotEmpty();
    assertThat(limits.path("machine").path("read_bytes_per_s").asDouble()).isPositive();
  }

  @Test
  void lengthsAreTrainedEachInAJvmWithinTheirBudget() throws IOException {
    int status =
        run(
            "bench",
            "length",
            "--model=mamba",
            "--width=32",
            "--layers=2",
            "--vocab=8",
            "--threads=1",
            "--lengths=16,64",
            "--steps=2",
            "--memory=300kB");

    assertThat(status).as(err()).isZero();
    assertThat(out().lines().toList())
        .hasSize(4)
        .element(0)
        .asString()
        .contains("length", "us a token", "planned MB", "resident MiB");
    JsonNode lengths = lastLine().path("lengths");
    assertThat(lengths.findValues("length").stream().map(JsonNode::asInt)).containsExactly(16, 64);
    for (JsonNode length : lengths) {
      assertThat(length.path("planned_bytes").asLong()).isBetween(1L, 300_000L);
      assertThat(length.path("held_bytes").asLong()).isPositive();
      assertThat(length.path("us_per_token").asDouble())
          .isCloseTo(
              1e3 * length.path("step_ms").asDouble() / length.path("length").asInt(),
              within(1e-6));
    }
    assertThat(lengths.get(1).path("recomputed").asInt()).isPositive();
    assertThat(run(words("step", TINY, "--steps=1", "--memory=1kB"))).isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("the least that would do is ").contains("MNT-MEMORY");
  }

  private long peakOfMamba(String... more) throws IOException {
    String[] steps = {
      "--model=mamba", "--width=128", "--layers=8", "--lengths=4096", "--steps=3", "--json"
    };
    assertThat(run(words("length", steps, more))).as(err()).isZero();
    return lastLine().path("lengths").path(0).path("peak_rss_mb").asLong();
  }

  @Test
  @Tag("slow")
  void aProcessWithABudgetTakesLessMemory() throws IOException {
    assertThat(peakOfMamba("--memory=180MB")).isLessThan(peakOfMamba() - 200);
  }

  @Test
  void stepsEndWithTheirTime() throws IOException {
    assertThat(run(words("step", TINY, "--steps=100000000", "--seconds=1", "--json"))).isZero();

    assertThat(lastLine().path("steps").asInt()).isBetween(1, 99_999_999);
    assertThat(run(words("step", TINY, "--seconds=0"))).isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("seconds must be more than 0");
  }

  @Test
  void aPeerIsComparedWithOurOwnStepsInAnotherJvm() throws IOException {
    String peer = "echo '{\"model\":\"other\",\"train_tokens_per_s\":1e9,\"peak_rss_mb\":0}'";

    int status =
        run(
            words(
                "compare",
                TINY,
                "--steps=3",
                "--at-least=training=2",
                "--json",
                "--",
                "sh",
                "-c",
                peer));

    // So few steps may be spread too far; then nothing is judged.
    assertThat(status).as(err()).isEqualTo(ExitCode.FAILED);
    JsonNode result = lastLine();
    assertThat(result.path("rounds").asInt()).isEqualTo(5);
    assertThat(result.path("ours")).hasSize(5);
    assertThat(result.path("ours").get(4).path("steps").asInt()).isEqualTo(3);
    assertThat(result.path("peer")).hasSize(5);
    assertThat(result.path("passes").asBoolean()).isFalse();
    assertThat(result.path("judged").asBoolean()).isEqualTo(result.path("unsteady").isEmpty());
    assertThat(result.path("unmet").isEmpty()).isEqualTo(!result.path("judged").asBoolean());
    JsonNode training = result.path("figures").path("training");
    assertThat(training.path("ratio").isNull()).isEqualTo(!result.path("judged").asBoolean());
    assertThat(training.path("peer").path("values")).hasSize(5);
    assertThat(result.path("figures").has("forward")).isFalse();
    assertThat(result.path("figures").has("memory")).isFalse();
    assertThat(result.path("differences").get(0).asText())
        .isEqualTo("model is gpt-neo here, other there");
    assertThat(err().lines()).hasSize(10);
  }

  @Test
  void wrongUseOfCompareIsOneMessage() {
    assertThat(run(words("compare", TINY, "--rounds=4", "--", "true"))).isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("rounds must be at least 5, not 4");
    assertThat(run(words("compare", TINY, "--at-least=fast=1", "--", "true")))
        .isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("there is no figure 'fast'");
    assertThat(run(words("compare", TINY))).isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("PEER");
    assertThat(run(words("compare", TINY, "--steps=3", "--", "sh", "-c", "echo broken; exit 3")))
        .isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("the peer's command ended with status 3").contains("broken");
  }

  @Test
  void aStopIsSaidAndHasAStatusOfItsOwn() {
    cancellation.request();

    assertThat(run(words("compare", TINY, "--", "true"))).isEqualTo(ExitCode.INTERRUPTED);
    assertThat(err()).isEqualTo("Stopped; nothing was kept." + System.lineSeparator());
  }

  @Test
  void stepsOfSearchesAreTimedBesidePlainOnes() throws IOException {
    String[] tiny = {"--width=32", "--layers=2", "--batch=1", "--length=4", "--vocab=16"};
    assertThat(run(words("search", tiny, "--steps=2"))).as(err()).isEqualTo(ExitCode.OK);

    assertThat(out())
        .containsPattern("fixed mixture +\\d.*ms a step")
        .containsPattern("simultaneous +\\d.*times")
        .containsPattern("bilevel-second-order +\\d.*times")
        .contains("\"searches_ms\":{\"simultaneous\":");
    assertThat(run("bench", "search", "--model", "mamba")).isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("only a hybrid has mixture weights");
  }

  @Test
  void aKernelIsTimedInEachFormBesideItsFloor() throws IOException {
    assertThat(run("bench", "kernel", "SiluGrad", "--width=32", "--batch=1", "--length=2"))
        .as(err())
        .isEqualTo(ExitCode.OK);

    assertThat(out())
        .containsPattern("kernel .*plain ms .*floor ms")
        .containsPattern("SiluGrad +\\d");
    assertThat(run("bench", "kernel", "Swish")).isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("there is no kernel 'Swish'").contains("SiluGrad");
  }
}
