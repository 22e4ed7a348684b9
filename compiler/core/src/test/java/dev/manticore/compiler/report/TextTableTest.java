package dev.manticore.compiler.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

class TextTableTest {

  @Test
  void columnsAreAsWideAsWhatIsInThem() {
    assertThat(
            new TextTable()
                .words("model")
                .numbers("loss")
                .words("verdict")
                .row("hybrid", "1.2500 ± 0.01", "better")
                .row("a", "10", "")
                .lines())
        .containsExactly(
            "model            loss  verdict", //
            "hybrid  1.2500 ± 0.01  better",
            "a                  10");
  }

  @Test
  void aRowHasATextAColumn() {
    assertThatThrownBy(() -> new TextTable().words("model").row("a", "b"))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("2 texts for 1 columns");
  }
}
