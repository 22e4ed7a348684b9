package dev.manticore.compiler.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.compiler.bench.StepRequest.Model;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.ir.ManticoreException;
import dev.manticore.runtime.CpuDevice;
import java.time.Duration;
import org.junit.jupiter.api.Test;

final class StepBenchmarkTest {

  @Test
  void measuresStepsOfAModelThatKnowsNothing() {
    StepRequest request =
        new StepRequest(Model.HYBRID, 32, 2, 2, 4, 11, 2, Duration.ofMinutes(1), 1);

    StepResult result =
        StepBenchmark.run(CpuDevice.instance(), request, StepBenchmark.Settings.DEFAULT);

    assertThat(result.trainTokensPerSecond()).isPositive();
    assertThat(result.forwardTokensPerSecond()).isGreaterThan(result.trainTokensPerSecond());
    assertThat(result.peakRssMebibytes()).isPositive();
    assertThat(result.loss()).isCloseTo(Math.log(11), within(0.2));
  }

  @Test
  void theCpuDoesNotTrainInBrainFloat() {
    StepRequest request =
        new StepRequest(Model.HYBRID, 32, 2, 2, 4, 11, 2, Duration.ofMinutes(1), 1);

    assertThatThrownBy(
            () ->
                StepBenchmark.run(
                    CpuDevice.instance(),
                    request,
                    new StepBenchmark.Settings(Precision.BFLOAT16, 0)))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("the device cpu does not train in bfloat16: use float32");
  }

  @Test
  void namesTheModelsThereAre() {
    assertThat(Model.of("gpt-neo")).isEqualTo(Model.GPT_NEO);
    assertThatThrownBy(() -> Model.of("gpt"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("gpt-neo, mamba, mamba2, hybrid");
  }

  @Test
  void refusesAWidthThatIsNoMultipleOfAHead() {
    assertThatThrownBy(
            () -> new StepRequest(Model.GPT_NEO, 40, 1, 1, 2, 2, 1, Duration.ofMinutes(1), 1))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("width must be a multiple of 32, not 40");
  }
}
