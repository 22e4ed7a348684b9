package dev.manticore.compiler.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.task.TextClassification.Options;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.tokenizer.BpeTrainer;
import dev.manticore.onnx.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextClassificationTest {

  @TempDir private static Path directory;
  private static Tokenizer tokenizer;

  @BeforeAll
  static void trainTokenizer() {
    Path file = directory.resolve("tokenizer.json");
    BpeTrainer.train(List.of("a"), BpeTrainer.SMALLEST_VOCABULARY).writeTo(file);
    tokenizer = Tokenizer.load(file);
  }

  @AfterAll
  static void closeTokenizer() {
    tokenizer.close();
  }

  private static TextClassification read(String lines, int longest) throws IOException {
    Path file = Files.writeString(directory.resolve("x.jsonl"), lines);
    return TextClassification.read(new Options(file, "text", "label", longest, 0.2, 1), tokenizer);
  }

  @Test
  void textsEndWithTheirClass() throws IOException {
    StringBuilder lines = new StringBuilder();
    for (int i = 10; i < 30; i++) {
      lines.append(
          String.format("{\"text\": \"t%d\", \"label\": \"%s\"}%n", i, i < 20 ? "pos" : "neg"));
    }
    TextClassification task = read(lines.toString(), 10);
    assertThat(task.labels()).containsExactly("neg", "pos");
    assertThat(task.classes()).isEqualTo(2);
    assertThat(task.kind()).isEqualTo(Task.Kind.CLASS);
    assertThat(task.size(Split.TRAINING)).isEqualTo(12);
    assertThat(task.size(Split.VALIDATION)).isEqualTo(4);
    assertThat(task.size(Split.TEST)).isEqualTo(4);
    Set<String> seen = new HashSet<>();
    for (Split split : Split.values()) {
      SampleSets.of(task, split, task.size(split))
          .forEach(
              sample -> {
                String text =
                    sample.inputs().stream().mapToObj(task::symbol).collect(Collectors.joining());
                assertThat(text).endsWith(Tokenizer.END_OF_TEXT).startsWith("t");
                assertThat(seen.add(text)).isTrue();
                assertThat(sample.asked()).isEqualTo(1);
                assertThat(sample.targets().get(sample.length() - 1))
                    .isEqualTo(text.charAt(1) == '1' ? 1 : 0);
              });
    }
    assertThat(seen).hasSize(20);
    Sample cut = read(lines.toString(), 3).sample(Split.TEST, 0);
    assertThat(cut.length()).isEqualTo(3);
    assertThat(read(lines.toString(), 3).fingerprint()).isNotEqualTo(task.fingerprint());
  }

  @Test
  void filesThatAreNone() {
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> read("{\"text\": \"a\", \"label\": \"x\"}", 10))
        .withMessageContaining("are not of two classes or more: [x]");
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(
            () ->
                read(
                    "{\"text\": \"a\", \"label\": \"x\"}\n{\"text\": \"b\", \"label\": \"y\"}", 10))
        .withMessageContaining("has 2 texts, too few");
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> read("{\"text\": \"a\", \"label\": 1}", 10))
        .withMessageContaining("Line 1 of")
        .withMessageContaining("has no text in field \"label\"");
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> read("", 1))
        .withMessageContaining("The length 1 must be from 2");
  }
}
