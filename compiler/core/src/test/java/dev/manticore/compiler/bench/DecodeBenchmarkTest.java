package dev.manticore.compiler.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.compiler.decode.DecoderBuilder;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.runtime.CpuDevice;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class DecodeBenchmarkTest {

  private static final int VOCABULARY = 40;
  private static final int LENGTH = 12;

  private static StepRequest request(StepRequest.Model model) {
    return new StepRequest(model, 32, 2, 1, LENGTH, VOCABULARY, 4, Duration.ofMinutes(1), 2);
  }

  @ParameterizedTest
  @EnumSource(
      value = StepRequest.Model.class,
      names = {"GPT2", "MAMBA"})
  void weightsAreAllParametersButTablesOfWhichRowsAreTaken(StepRequest.Model kind) {
    Graph model = StepBenchmark.model(request(kind));
    long all =
        model.parameters().keySet().stream()
            .mapToLong(parameter -> parameter.type().byteSize())
            .sum();
    // The table of tokens is the head, too.
    long positions = kind == StepRequest.Model.GPT2 ? 4L * LENGTH * 32 : 0;

    assertThat(DecodeBenchmark.weightBytes(DecoderBuilder.build(model).graph()))
        .isEqualTo(all - positions);
  }

  @Test
  void tokensAreTimedByTurnsWithReadingTheWeights() {
    StepRequest request = request(StepRequest.Model.MAMBA);

    DecodeBenchmark.Report report =
        DecodeBenchmark.run(CpuDevice.instance(), request, List.of(3, 8), Duration.ZERO);

    assertThat(report.results()).extracting(DecodeBenchmark.Result::position).containsExactly(3, 8);
    for (DecodeBenchmark.Result result : report.results()) {
      assertThat(result.stepMilliseconds().values()).hasSize(4);
      assertThat(result.readMilliseconds()).hasSize(4).allMatch(time -> time > 0);
    }
  }

  @Test
  void aProfileHasTheNodesOfAToken() throws IOException {
    StepRequest request = request(StepRequest.Model.MAMBA);

    RunProfile profile = DecodeBenchmark.profile(CpuDevice.instance(), request, 3);

    assertThat(profile.byOperator())
        .filteredOn(part -> part.what().equals("GatedScanWithState"))
        .extracting(RunProfile.Part::nodes)
        .containsExactly(request.layers());
    assertThat(profile.byOrigin())
        .extracting(RunProfile.Part::what)
        .contains("backbone.layers.0", "backbone.layers.1");
  }

  @Test
  void sizesHaveNames() {
    assertThat(ModelSize.of("mamba-130m")).isEqualTo(ModelSize.MAMBA_130M);
    assertThatThrownBy(() -> ModelSize.of("gpt2-huge"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("gpt2-small, mamba-130m");
  }
}
