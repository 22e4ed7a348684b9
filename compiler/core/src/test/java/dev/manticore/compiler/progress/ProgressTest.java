package dev.manticore.compiler.progress;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.base.Ticker;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.progress.MetricRecord.Split;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ProgressTest {

  private static final class ManualTicker extends Ticker {
    private long nanos = 1_000;

    @Override
    public long read() {
      return nanos;
    }

    void advance(Duration duration) {
      nanos += duration.toNanos();
    }
  }

  private final ManualTicker ticker = new ManualTicker();
  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private final PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);

  private String written() {
    return bytes.toString(StandardCharsets.UTF_8).replace(System.lineSeparator(), "\n");
  }

  private void tenSteps(Progress progress) {
    StepMeter meter = new StepMeter(ticker, "hybrid, seed 1", 0, 10);
    progress.stageStarted("tune", 2, 5, Progress.Beginning.FRESH);
    for (int step = 1; step <= 10; step++) {
      ticker.advance(Duration.ofSeconds(2));
      progress.step(meter.step(step, 4.0 / step, 1024));
    }
    progress.stageFinished("tune", Duration.ofSeconds(20));
  }

  @Test
  void linesAreLimitedInRateButShowTheFirstAndTheLastStep() {
    tenSteps(Progress.lines(out, ticker));

    assertThat(written().lines())
        .containsExactly(
            "[2/5] tune",
            "Step 1/10: loss 4.0000, 0:18 left (hybrid, seed 1)",
            "Step 4/10: loss 1.0000, 512 tokens/s, 0:12 left (hybrid, seed 1)",
            "Step 7/10: loss 0.5714, 512 tokens/s, 0:06 left (hybrid, seed 1)",
            "Step 10/10: loss 0.4000, 512 tokens/s (hybrid, seed 1)",
            "tune: 20 s");
  }

  @Test
  void terminalRewritesOneLine() {
    tenSteps(Progress.terminal(out, 40, ticker));

    assertThat(written()).endsWith("\r\u001b[K[2/5] tune: 20 s\n");
    assertThat(written().split("\r\u001b\\[K")).allMatch(line -> line.length() < 40);
  }

  @Test
  void jsonWritesOneObjectALine() {
    tenSteps(Progress.json(out));

    assertThat(written().lines())
        .hasSize(12)
        .contains(
            "{\"event\":\"step\",\"run\":\"hybrid, seed 1\",\"step\":4,\"steps\":10,\"loss\":1.0,"
                + "\"tokens_per_s\":512.0,\"remaining_s\":12.0}");
  }

  @Test
  void theMemoryOfStepsIsToldInWordsAndAsJson() {
    MemoryReport report = new MemoryReport("hybrid, seed 1", 609_500_000, 870_000_000, 96, 0.081);
    Progress.lines(out, ticker).memoryPlanned(report);
    Progress.lines(out, ticker).memoryPlanned(new MemoryReport("", 12_000_000, 12_000_000, 0, 0));
    Progress.json(out).memoryPlanned(report);

    assertThat(written().lines())
        .containsExactly(
            "A step's values take 610 MB instead of 870 MB: 96 operators run twice, about 8.1 %"
                + " more work (hybrid, seed 1)",
            "A step's values take 12 MB",
            "{\"event\":\"memory-planned\",\"run\":\"hybrid, seed 1\","
                + "\"planned_bytes\":609500000,\"kept_bytes\":870000000,\"recomputed\":96,"
                + "\"recomputation\":0.081}");
  }

  @Test
  void trialsAreToldInWordsAndAsJson() {
    TrialReport done =
        new TrialReport(
            "recall-mamba-2",
            7,
            90,
            TrialReport.End.DONE,
            Duration.ofSeconds(12),
            Duration.ofSeconds(1100));
    Progress.lines(out, ticker).trialEnded(done);
    Progress.lines(out, ticker)
        .trialEnded(
            new TrialReport(
                "a", 90, 90, TrialReport.End.FAILED, Duration.ofMillis(400), Duration.ZERO));
    Progress.terminal(out, 80, ticker)
        .trialEnded(
            new TrialReport("b", 1, 90, TrialReport.End.REUSED, Duration.ZERO, Duration.ZERO));
    Progress.json(out).trialEnded(done);

    assertThat(written().lines())
        .containsExactly(
            "trial 7/90 recall-mamba-2: done, 12 s (18:20 left)",
            "trial 90/90 a: failed, 0.4 s",
            "trial 1/90 b: done before",
            "{\"event\":\"trial-ended\",\"trial\":\"recall-mamba-2\",\"number\":7,\"of\":90,"
                + "\"end\":\"done\",\"seconds\":12.0,\"remaining_s\":1100.0}");
  }

  @Test
  void evaluationDoesNotCountForTheRate() {
    StepMeter meter = new StepMeter(ticker, "", 0, 10);
    ticker.advance(Duration.ofSeconds(1));
    meter.step(1, 1, 100);
    meter.pause();
    ticker.advance(Duration.ofSeconds(5));
    meter.resume();
    ticker.advance(Duration.ofSeconds(1));

    assertThat(meter.step(2, 1, 100).tokensPerSecond()).isEqualTo(100.0);
  }

  private static MetricRecord at(long step, Split split) {
    return new MetricRecord(
        "search",
        "hybrid",
        1,
        step,
        split,
        2.5 / (step + 1),
        ImmutableList.of(ImmutableList.of(0.25, 0.75)),
        split == Split.TRAIN ? 1e-3 : 0,
        step * 1024);
  }

  @Test
  void metricsReadBackAsWritten(@TempDir Path directory) {
    Path file = directory.resolve("metrics.jsonl");
    try (MetricsWriter writer = MetricsWriter.open(file, any -> true)) {
      writer.write(at(1, Split.TRAIN));
      writer.write(at(1, Split.HELD_OUT));
    }

    assertThat(Metrics.read(file)).containsExactly(at(1, Split.TRAIN), at(1, Split.HELD_OUT));
  }

  @Test
  void resumedMetricsDropWhatCameAfterTheCheckpoint(@TempDir Path directory) throws IOException {
    Path file = directory.resolve("metrics.jsonl");
    try (MetricsWriter writer = MetricsWriter.open(file, any -> true)) {
      for (int step = 1; step <= 3; step++) {
        writer.write(at(step, Split.TRAIN));
      }
    }
    Files.writeString(file, "{\"stage\":\"sea", StandardOpenOption.APPEND);

    try (MetricsWriter writer = MetricsWriter.open(file, entry -> entry.step() <= 2)) {
      writer.write(at(3, Split.TRAIN));
    }

    assertThat(Metrics.read(file)).extracting(MetricRecord::step).containsExactly(1L, 2L, 3L);
  }
}
