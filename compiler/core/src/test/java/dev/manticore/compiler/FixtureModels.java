package dev.manticore.compiler;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.manticore.compiler.verify.Subject;
import dev.manticore.ir.Graph;
import dev.manticore.testdata.Fixtures;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;

/** The models among the shared fixtures: checkpoints, exports of them, and hybrids. */
public final class FixtureModels {

  private FixtureModels() {}

  /** Their names, for {@code MethodSource}. */
  public static Stream<String> all() {
    return Stream.of(
        "huggingface/gpt2",
        "huggingface/gpt-neo",
        "huggingface/gpt-neox",
        "huggingface/mamba",
        "huggingface/mamba-state-spaces",
        "huggingface/mamba2",
        "huggingface/gpt2/model.onnx",
        "huggingface/gpt-neo/model.onnx",
        "huggingface/gpt-neox/model.onnx",
        "hybrid/mamba+gpt-neo-1/hybrid.json",
        "hybrid/mamba+gpt-neo-2/hybrid.json",
        "hybrid/mamba+gpt-neo+gpt-neox-2/hybrid.json");
  }

  /** The graph of one; where the fixtures are absent the test is skipped. */
  public static Graph load(String name) {
    Optional<Path> fixture = Fixtures.shared("fixtures/" + name);
    assumeTrue(fixture.isPresent(), "the shared fixtures are not there");
    return Subject.load(fixture.get(), Fixtures.shared("fixtures/huggingface")).graph();
  }
}
