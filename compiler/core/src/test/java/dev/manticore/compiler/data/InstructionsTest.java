package dev.manticore.compiler.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.tokenizer.BpeTrainer;
import dev.manticore.onnx.tokenizer.Tokenizer;
import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InstructionsTest {

  @TempDir private static Path directory;
  private static Tokenizer tokenizer;

  /** Without merges: a token a byte. */
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

  private static Instructions instructions(String... lines) throws IOException {
    Path file = Files.writeString(directory.resolve("x.jsonl"), String.join("\n", lines));
    return new Instructions(file, "q", "a", "|");
  }

  private static DatasetSplit split(Instructions source, int length, double holdout) {
    return DatasetSplit.of(
        source,
        tokenizer,
        new DatasetSplit.Options(length, BpeTrainer.SMALLEST_VOCABULARY, holdout, 3));
  }

  private static String row(Batch batch, int row) {
    int[] ids =
        Arrays.stream(batch.inputs(), row * batch.length(), (row + 1) * batch.length())
            .mapToInt(Math::toIntExact)
            .toArray();
    return tokenizer.decode(ids);
  }

  private static String asked(Batch batch, int row) {
    int[] ids =
        Arrays.stream(batch.labels(), row * batch.length(), (row + 1) * batch.length())
            .filter(label -> label != Sample.IGNORED)
            .mapToInt(Math::toIntExact)
            .toArray();
    return tokenizer.decode(ids);
  }

  private static final String END = Tokenizer.END_OF_TEXT;

  @Test
  void onlyTheResponseIsAsked() throws IOException {
    Instructions source =
        instructions("{\"q\": \"1+1\", \"a\": \"two\"}", "{\"q\": \"\", \"a\": \"x\"}");
    DatasetSplit split = split(source, 12, 0.5);
    TokenDataset one = split.training();
    assertThat(split.training().size()).isEqualTo(1);
    assertThat(split.heldOut().size()).isEqualTo(1);
    TokenDataset longer = one.tokenCount() == 8 ? one : split.heldOut();
    TokenDataset shorter = longer == one ? split.heldOut() : one;
    Batch batch = longer.batch(0);
    assertThat(row(batch, 0)).isEqualTo("1+1|two" + END.repeat(5));
    assertThat(asked(batch, 0)).isEqualTo("two" + END);
    // Label t is what follows input t: the first one stands at the separator.
    assertThat(IntStream.range(0, 12).filter(i -> batch.labels()[i] != Sample.IGNORED).toArray())
        .containsExactly(3, 4, 5, 6);
    assertThat(batch.labels()[3]).isEqualTo(batch.inputs()[4]);
    assertThat(batch.asked()).isEqualTo(4);
    assertThat(asked(shorter.batch(0), 0)).isEqualTo("x" + END);
    List<String> documents = new ArrayList<>();
    source.read(documents::add);
    assertThat(documents).containsExactly("1+1|two", "|x");
  }

  @Test
  void whatIsTooLongLosesItsPromptFirst() throws IOException {
    String line = "{\"q\": \"%s\", \"a\": \"%s\"}";
    Instructions source =
        instructions(
            String.format(line, "abcdefgh", "xy"), String.format(line, "abcdefgh", "uvwxyz"));
    DatasetSplit split = split(source, 4, 0.5);
    Set<String> seen = new HashSet<>();
    for (TokenDataset part : List.of(split.training(), split.heldOut())) {
      Batch batch = part.batch(0);
      seen.add(row(batch, 0) + " " + asked(batch, 0));
    }
    assertThat(seen).containsExactlyInAnyOrder("h|xy xy" + END, "|uvw uvwx");
  }

  @Test
  void whatPadsAnExampleIsNotOfItsLength() throws IOException {
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < 30; i++) {
      lines.add(
          String.format(
              "{\"q\": \"%s\", \"a\": \"%s\"}", "?".repeat(i % 7), "!".repeat(1 + i / 5)));
    }
    Instructions source = instructions(lines.toArray(String[]::new));
    TokenDataset training = split(source, 8, 0.2).training();
    Set<Integer> lengths = new HashSet<>();
    for (int i = 0; i < training.size(); i++) {
      Batch batch = training.batch(i);
      Batch head = batch.head(training.length(i));
      assertThat(row(batch, 0)).isEqualTo(row(head, 0) + END.repeat(8 - training.length(i)));
      assertThat(head.asked()).isEqualTo(batch.asked());
      assertThat(head.labels()[head.length() - 1]).isNotEqualTo(Sample.IGNORED);
      lengths.add(training.length(i));
    }
    assertThat(lengths).contains(2, 5, 8);
    DatasetSplit.Options options =
        new DatasetSplit.Options(8, 4, BpeTrainer.SMALLEST_VOCABULARY, 0.2, 3);
    TokenDataset bucketed = DatasetSplit.of(source, tokenizer, options).training();
    assertThat(bucketed.batch(0, 1).inputs()).isEqualTo(training.batch(0, 1).inputs());
    assertThat(bucketed.buckets()).isEqualTo(4);
    assertThat(bucketed.hash()).isNotEqualTo(training.hash());
    TokenDataset rest = bucketed.parts(0.5).get(1);
    assertThat(rest.buckets()).isEqualTo(4);
    assertThat(rest.length(1)).isEqualTo(bucketed.length(bucketed.size() - rest.size() + 1));
  }

  @Test
  void equalExamplesStayTogetherAndNoneIsLost() throws IOException {
    List<String> lines = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      lines.add(String.format("{\"q\": \"%d\", \"a\": \"%d\"}", i % 25, i % 25));
    }
    DatasetSplit split = split(instructions(lines.toArray(String[]::new)), 8, 0.2);
    Set<String> training = texts(split.training());
    Set<String> heldOut = texts(split.heldOut());
    assertThat(training).doesNotContainAnyElementsOf(heldOut);
    assertThat(training.size() + heldOut.size()).isEqualTo(25);
    assertThat(split.training().size() + split.heldOut().size()).isEqualTo(100);
    assertThat(split.heldOut().size()).isBetween(12, 24);
    assertThat(split.training().hash()).hasSize(64).isNotEqualTo(split.heldOut().hash());
  }

  private static Set<String> texts(TokenDataset part) {
    Batch batch = part.batch(IntStream.range(0, part.size()).toArray());
    Set<String> texts = new HashSet<>();
    for (int row = 0; row < batch.size(); row++) {
      texts.add(row(batch, row));
    }
    return texts;
  }

  @Test
  void examplesThatAreNone() throws IOException {
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> split(instructions("{\"q\": \"why?\", \"a\": \" \"}"), 8, 0.5))
        .withMessageContaining("The response to \"why?\"")
        .withMessageContaining("is empty");
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> split(instructions("{\"q\": \"why?\"}"), 8, 0.5))
        .withMessageContaining("Line 1 of")
        .withMessageContaining("has no text in field \"a\"");
    String line = "{\"q\": \"why?\", \"a\": \"so\"}";
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> split(instructions(line, line), 8, 0.5))
        .withMessageContaining("There are not two different examples in");
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> split(instructions(""), 8, 0.5))
        .withMessageContaining("There is no text in");
  }

  @Test
  void fingerprintFollowsTheFields() throws IOException {
    Instructions source = instructions("{}");
    assertThat(source.fingerprint())
        .isNotEqualTo(new Instructions(source.file(), "q", "a", " ").fingerprint())
        .isNotEqualTo(new Instructions(source.file(), "a", "q", "|").fingerprint());
  }

  @Test
  void realInstructions() {
    Optional<Path> file = Fixtures.shared("data/gsm8k-test.jsonl");
    Assumptions.assumeTrue(file.isPresent(), "no shared data");
    DatasetSplit split =
        split(new Instructions(file.orElseThrow(), "question", "answer", "\n"), 2048, 0.1);
    assertThat(split.training().size() + split.heldOut().size()).isEqualTo(1319);
    assertThat(split.heldOut().size()).isBetween(119, 145);
    for (int i = 0; i < 20; i++) {
      assertThat(asked(split.training().batch(i), 0)).contains("\n#### ").endsWith(END);
    }
  }
}
