package dev.manticore.compiler.verify;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.manticore.compiler.CudaForm;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Value;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.Devices;
import dev.manticore.testdata.Fixtures;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The Hugging Face implementation's own logits, hidden states, loss and gradients. */
class ReferenceCheckTest {

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
  void agreesInTheFormForAGpu(String name) {
    assertAgrees(name, new CudaForm());
  }

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
    assertAgrees(name, Devices.byName("cpu"));
  }

  private static void assertAgrees(String name, Device device) {
    Optional<Path> fixture = Fixtures.shared("fixtures/" + name);
    assumeTrue(fixture.isPresent(), "the shared fixtures are not there");
    Path model = name.startsWith("hybrid") ? fixture.get().resolve("hybrid.json") : fixture.get();
    Subject subject = Subject.load(model, Fixtures.shared("fixtures/huggingface"));

    List<String> details = new ArrayList<>();
    Discrepancy discrepancy =
        new ReferenceCheck(subject, fixture.get().resolve("reference.safetensors"), device)
            .run(ReferenceCheck.Gradients.COMPARE, details::add);

    assertThat(discrepancy.passed()).as(String.join("\n", details)).isTrue();
    assertThat(discrepancy.gradientMaxRel()).isNotNull();
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "gpt-neo", "gpt-neox"})
  void exportsOfAnotherToolAreLiftedAndDifferentiated(String name) {
    Optional<Path> fixture = Fixtures.shared("fixtures/huggingface/" + name);
    assumeTrue(fixture.isPresent(), "the shared fixtures are not there");
    Subject subject =
        Subject.load(
            fixture.get().resolve("model.onnx"), Optional.empty(), Optional.of(fixture.get()));
    assertThat(GraphProperty.LIFTED.holds(subject.graph())).isFalse();

    List<String> details = new ArrayList<>();
    Discrepancy discrepancy =
        new ReferenceCheck(
                subject, fixture.get().resolve("reference.safetensors"), Devices.byName("cpu"))
            .run(ReferenceCheck.Gradients.COMPARE, details::add);

    assertThat(discrepancy.passed()).as(String.join("\n", details)).isTrue();
    assertThat(discrepancy.gradientMaxRel()).isNotNull();
  }

  @Test
  void whatCannotBeLiftedRunsAsItIs() {
    Optional<Path> fixture = Fixtures.shared("fixtures/huggingface/gpt-neo");
    assumeTrue(fixture.isPresent(), "the shared fixtures are not there");
    Subject exported = Subject.load(fixture.get().resolve("model.onnx"), Optional.empty());
    // An operator of early days.
    GraphEditor editor = exported.graph().edit();
    Value hidden = exported.inner().values().iterator().next();
    editor.add(
        new OpId(OpId.ONNX, "ImageScaler", exported.graph().opsets().get(OpId.ONNX)),
        "unused",
        Attributes.NONE,
        List.of(Optional.of(hidden)),
        1);
    ReferenceCheck check =
        new ReferenceCheck(
            new Subject(editor.freeze(), exported.inner()),
            fixture.get().resolve("reference.safetensors"),
            Devices.byName("cpu"));

    Discrepancy discrepancy = check.run(ReferenceCheck.Gradients.SKIP, line -> {});

    assertThat(discrepancy.passed()).isTrue();
    assertThatThrownBy(() -> check.run(ReferenceCheck.Gradients.COMPARE, line -> {}))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("unused")
        .hasMessageContaining("leave out --gradients");
  }
}
