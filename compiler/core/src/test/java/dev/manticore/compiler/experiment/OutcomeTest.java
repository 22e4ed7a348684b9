package dev.manticore.compiler.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalDouble;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OutcomeTest {

  private static final Outcome HYBRID =
      new Outcome(
          "in-context-recall",
          "hybrid",
          3,
          1_234_567,
          200,
          3_276_800,
          ImmutableList.of(ImmutableList.of(0.1, 0.9), ImmutableList.of(1.0 / 3, 2.0 / 3)),
          ImmutableList.of("gpt-neo", "mamba"),
          new Measures(0.1 + 0.2, 0.75, 0.7, 0.5, OptionalDouble.of(1.25)),
          new Measures(0.31, 0.74, 0.69, 0.49, OptionalDouble.empty()));

  @TempDir private Path directory;

  @Test
  void isReadAsItWasWritten() {
    HYBRID.write(directory);

    assertThat(Outcome.read(directory)).isEqualTo(HYBRID);
  }

  @Test
  void equalOutcomesAreEqualBytesInAFixedOrder() throws IOException {
    HYBRID.write(directory);
    byte[] first = Files.readAllBytes(directory.resolve(Outcome.FILE));
    Outcome.read(directory).write(directory);

    assertThat(Files.readAllBytes(directory.resolve(Outcome.FILE))).isEqualTo(first);
    assertThat(new String(first, StandardCharsets.UTF_8))
        .startsWith("{\n  \"group\" : \"in-context-recall\",\n  \"model\" : \"hybrid\",\n")
        .containsSubsequence(
            "seed", "parameters", "steps", "tokens", "mixture", "components", "validation", "test")
        .endsWith("}\n");
  }

  @Test
  void aLossThatIsNotFiniteStaysWhatItIs() {
    Measures diverged =
        new Measures(
            Double.POSITIVE_INFINITY,
            0,
            Double.NaN,
            0,
            OptionalDouble.of(Double.POSITIVE_INFINITY));
    Outcome outcome =
        new Outcome(
            "copying",
            "mamba",
            0,
            1,
            1,
            1,
            ImmutableList.of(),
            ImmutableList.of(),
            diverged,
            diverged);
    outcome.write(directory);

    assertThat(Outcome.read(directory)).isEqualTo(outcome);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "\"seed\" : 3|\"seed\" : 3.5|'seed' must be a whole number of 32 bits",
        "\"seed\" : 3|\"seed\" : 3, \"seed\" : 4|Duplicate",
        "\"seed\" : 3|\"sed\" : 3|'seed' is missing",
        "\"seed\" : 3|\"seed\" : 3, \"host\" : \"a\"|'host' is not known",
        "\"steps\" : 200|\"steps\" : -1|'steps' must be a whole number from 0",
        "\"steps\" : 200|\"steps\" : 3000000000|overflow",
        "\"loss\" : 0.31|\"loss\" : \"low\"|'test.loss' must be a number",
        "\"loss\" : 0.31|\"loss\" : null|'test.loss' must be a number",
        "\"model\" : \"hybrid\"|\"model\" : \" \"|'model' must be a text",
        "\"gpt-neo\",|\"gpt-neo\", \"h3\",|2 weights for 3 components",
      })
  void whatIsNotAnOutcomeIsRefusedWhereItIsWrong(String from, String to, String message)
      throws IOException {
    HYBRID.write(directory);
    Path file = directory.resolve(Outcome.FILE);
    String text = Files.readString(file);
    assertThat(text).contains(from);
    Files.writeString(file, text.replace(from, to));

    assertThatThrownBy(() -> Outcome.read(directory))
        .isInstanceOfSatisfying(
            ManticoreException.class, e -> assertThat(e.code()).isEqualTo("MNT-OUTCOME"))
        .hasMessageContaining(file.toString())
        .hasMessageContaining(message);
  }

  @Test
  void whatComesAfterTheObjectIsRefused() throws IOException {
    HYBRID.write(directory);
    Path file = directory.resolve(Outcome.FILE);
    Files.writeString(file, Files.readString(file) + "{}");

    assertThatThrownBy(() -> Outcome.read(directory)).hasMessageContaining("is not valid JSON");
  }

  @Test
  void aDirectoryWithoutOneIsRefused() {
    assertThatThrownBy(() -> Outcome.read(directory))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("there is no such file");
  }
}
