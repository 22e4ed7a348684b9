package dev.manticore.compiler.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.progress.MetricRecord;
import dev.manticore.compiler.progress.MetricRecord.Split;
import dev.manticore.compiler.progress.Metrics;
import dev.manticore.compiler.progress.MetricsWriter;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FinishedTrialTest {

  @TempDir private Path root;

  @Test
  void allBelowADirectoryAreReadInTheOrderOfTheirPaths() throws IOException {
    Outcome mamba = Outcomes.of("recall", "mamba", 1, 1, 1);
    Outcome neo = Outcomes.of("recall", "gpt-neo", 1, 1, 1);
    mamba.write(Files.createDirectories(root.resolve("recall/mamba-1")));
    neo.write(Files.createDirectories(root.resolve("recall/gpt-neo-1")));
    MetricRecord entry =
        new MetricRecord(
            "tune", "mamba", 1, 10, Split.HELD_OUT, Double.NaN, ImmutableList.of(), 0, 100);
    try (MetricsWriter writer =
        MetricsWriter.open(root.resolve("recall/mamba-1").resolve(Metrics.FILE), e -> true)) {
      writer.write(entry);
    }

    assertThat(FinishedTrial.readAll(root))
        .containsExactly(
            new FinishedTrial(neo, ImmutableList.of()),
            new FinishedTrial(mamba, ImmutableList.of(entry)));
  }

  @Test
  void aDirectoryWithoutTrialsIsAnError() {
    assertThatThrownBy(() -> FinishedTrial.readAll(root))
        .isInstanceOfSatisfying(
            ManticoreException.class, e -> assertThat(e.code()).isEqualTo("MNT-EXPERIMENT"));
    assertThatThrownBy(() -> FinishedTrial.readAll(root.resolve("none")))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("none");
  }
}
