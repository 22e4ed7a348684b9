package dev.manticore.compiler.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ManticoreException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is kept of an experiment. */
class ExperimentPlanTest {

  private static final Measures NONE = new Measures(1, 0, 0, 0, OptionalDouble.empty());

  private final ExperimentPlan plan =
      new ExperimentPlan("MAD", ImmutableList.of("A note."), ImmutableList.of("a", "b"));

  @TempDir Path scratch;

  @Test
  void itIsReadBackFromADirectoryThatItMade() {
    Path directory = scratch.resolve("new/one");
    plan.write(directory);
    assertThat(ExperimentPlan.read(directory)).isEqualTo(plan);
  }

  @Test
  void onlyItsOwnTrialsThatAreDoneCount() throws Exception {
    plan.write(scratch);
    assertThatThrownBy(() -> plan.finished(scratch))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("no trial of the experiment");
    for (String trial : ImmutableList.of("b", "other")) {
      Path directory = Files.createDirectories(scratch.resolve("trials").resolve(trial));
      new Outcome(trial, "mamba", 1, 1, 1, 1, ImmutableList.of(), ImmutableList.of(), NONE, NONE)
          .write(directory);
    }
    assertThat(plan.finished(scratch))
        .extracting(trial -> trial.outcome().group())
        .containsExactly("b");
  }

  @Test
  void whereThereIsNoneThatIsSaid() {
    assertThatThrownBy(() -> ExperimentPlan.read(scratch))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("there is no experiment.json in " + scratch);
  }
}
