package dev.manticore.compiler.bench;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class CompileBenchmarkTest {

  @Test
  void takesGraphsOfAboutTheSizeAskedFor() {
    CompileBenchmark.Result result = CompileBenchmark.run(CompileBenchmark.model(500));

    assertThat(result.nodes()).isBetween(500, 540);
    assertThat(result.bytes()).isPositive();
    assertThat(result.total()).isGreaterThan(result.importing()).isFinite();
  }
}
