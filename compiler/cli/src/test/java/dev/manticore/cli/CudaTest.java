package dev.manticore.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.manticore.compiler.bench.StepBenchmark;
import dev.manticore.compiler.bench.StepRequest;
import dev.manticore.compiler.bench.StepResult;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.verify.Discrepancy;
import dev.manticore.compiler.verify.ReferenceCheck;
import dev.manticore.compiler.verify.Subject;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.Devices;
import dev.manticore.testdata.Fixtures;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole models on a GPU: {@code mvn -Pcuda verify -Dgroups=cuda}. */
@Tag("cuda")
class CudaTest {

  private final Device cuda = Devices.byName("cuda");

  @ParameterizedTest
  @ValueSource(
      strings = {
        "huggingface/gpt2",
        "huggingface/gpt-neo",
        "huggingface/gpt-neox",
        "huggingface/mamba",
        "huggingface/mamba-state-spaces",
        "huggingface/mamba2",
        "hybrid/mamba+gpt-neo-1",
        "hybrid/mamba+gpt-neo-2",
        "hybrid/mamba+gpt-neo+gpt-neox-2"
      })
  void agreesWithTheReference(String name) {
    Optional<Path> fixture = Fixtures.shared("fixtures/" + name);
    assumeTrue(fixture.isPresent(), "the shared fixtures are not there");
    Path model = name.startsWith("hybrid") ? fixture.get().resolve("hybrid.json") : fixture.get();
    Subject subject = Subject.load(model, Fixtures.shared("fixtures/huggingface"));

    List<String> details = new ArrayList<>();
    Discrepancy discrepancy =
        new ReferenceCheck(subject, fixture.get().resolve("reference.safetensors"), cuda)
            .run(ReferenceCheck.Gradients.COMPARE, details::add);

    assertThat(discrepancy.passed()).as(String.join("\n", details)).isTrue();
    assertThat(discrepancy.gradientMaxRel()).isNotNull();
  }

  @ParameterizedTest
  @EnumSource(StepRequest.Model.class)
  void trainingStepsRun(StepRequest.Model model) {
    for (Precision precision : List.of(Precision.FLOAT32, Precision.BFLOAT16)) {
      StepRequest request = new StepRequest(model, 64, 2, 2, 70, 32, 4, Duration.ofMinutes(5), 1);

      StepResult result =
          StepBenchmark.run(cuda, request, new StepBenchmark.Settings(precision, 0));

      assertThat(result.trainTokensPerSecond()).isPositive();
      assertThat(result.forwardTokensPerSecond()).isPositive();
      // Of a model that knows nothing.
      assertThat(result.loss()).isCloseTo(Math.log(32), within(0.3));
    }
  }
}
