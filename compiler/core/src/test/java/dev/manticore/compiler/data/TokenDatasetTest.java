package dev.manticore.compiler.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.manticore.compiler.data.CorpusGenerator.Kind;
import dev.manticore.compiler.data.PlainText.Splitting;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.tokenizer.BpeTrainer;
import dev.manticore.onnx.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenDatasetTest {

  private static final GeneratedText CORPUS = new GeneratedText(Kind.MIXED, 1, 60_000);

  @TempDir private static Path directory;
  private static Tokenizer tokenizer;

  @BeforeAll
  static void trainTokenizer() {
    Path file = directory.resolve("tokenizer.json");
    BpeTrainer.train(CorpusGenerator.generate(Kind.MIXED, 1, 60_000), 400).writeTo(file);
    tokenizer = Tokenizer.load(file);
  }

  @AfterAll
  static void closeTokenizer() {
    tokenizer.close();
  }

  private static DatasetSplit.Options options(int length) {
    return new DatasetSplit.Options(length, 400, 0.1, 5);
  }

  private static TextSource text(String text, Splitting splitting) throws IOException {
    return new PlainText(Files.writeString(directory.resolve("text"), text), splitting);
  }

  /** All tokens that a data set shows, sequence after sequence. */
  private static int[] stream(TokenDataset dataset) {
    Batch all = dataset.batch(IntStream.range(0, dataset.size()).toArray());
    return IntStream.concat(
            IntStream.of((int) all.inputs()[0]), Arrays.stream(all.labels()).mapToInt(i -> (int) i))
        .toArray();
  }

  @Test
  void labelsAreTheInputsShiftedByOneAndNothingIsPadded() {
    TokenDataset dataset = DatasetSplit.of(CORPUS, tokenizer, options(32)).training();
    assertThat(dataset.size()).isEqualTo((dataset.tokenCount() - 1) / 32);
    Batch batch = dataset.batch(3, 4);
    assertThat(batch.size()).isEqualTo(2);
    assertThat(batch.length()).isEqualTo(32);
    assertThat(Arrays.copyOfRange(batch.labels(), 0, 63))
        .containsExactly(Arrays.copyOfRange(batch.inputs(), 1, 64));
    assertThat(batch.labels()[63]).isEqualTo(dataset.batch(5).inputs()[0]);
    assertThatExceptionOfType(IndexOutOfBoundsException.class)
        .isThrownBy(() -> dataset.batch(dataset.size()));
  }

  @Test
  void documentsAreHeldOutWholeAndEndWithEndOfText() {
    DatasetSplit split = DatasetSplit.of(CORPUS, tokenizer, options(1));
    Set<String> all = new HashSet<>();
    CORPUS.read(all::add);
    Set<String> seen = new HashSet<>();
    for (TokenDataset part : List.of(split.training(), split.heldOut())) {
      String text = tokenizer.decode(stream(part));
      assertThat(text).endsWith("<|endoftext|>");
      for (String document : text.split("<\\|endoftext\\|>")) {
        assertThat(seen.add(document)).isTrue();
      }
    }
    assertThat(seen).isEqualTo(all);
    long total = split.training().tokenCount() + split.heldOut().tokenCount();
    assertThat(split.heldOut().tokenCount()).isBetween(total * 8 / 100, total / 10 + 1);
  }

  @Test
  void equalDocumentsStayTogether() throws IOException {
    List<String> documents = new ArrayList<>();
    for (int i = 0; i < 200; i++) {
      documents.add("document " + i % 40);
    }
    DatasetSplit split =
        DatasetSplit.of(
            text(String.join("\n\n", documents), Splitting.BLANK_LINES), tokenizer, options(1));
    Set<String> training =
        Set.copyOf(
            new HashSet<>(List.of(tokenizer.decode(stream(split.training())).split("<[^>]*>"))));
    assertThat(tokenizer.decode(stream(split.heldOut())).split("<[^>]*>"))
        .isNotEmpty()
        .noneMatch(training::contains);
  }

  @Test
  void singleTextHoldsOutItsEnd() throws IOException {
    String text = "abc def ghi ".repeat(100);
    DatasetSplit split = DatasetSplit.of(text(text, Splitting.NONE), tokenizer, options(1));
    String training = tokenizer.decode(stream(split.training()));
    String heldOut = tokenizer.decode(stream(split.heldOut()));
    assertThat(training + heldOut).isEqualTo(text + "<|endoftext|>");
    assertThat((double) heldOut.length() / text.length()).isBetween(0.08, 0.13);
  }

  @Test
  void hashFollowsTokensLengthAndSplit() {
    DatasetSplit split = DatasetSplit.of(CORPUS, tokenizer, options(32));
    DatasetSplit again = DatasetSplit.of(CORPUS, tokenizer, options(32));
    assertThat(again.training().hash()).isEqualTo(split.training().hash()).hasSize(64);
    assertThat(again.heldOut().hash()).isEqualTo(split.heldOut().hash());
    assertThat(split.heldOut().hash()).isNotEqualTo(split.training().hash());
    assertThat(DatasetSplit.of(CORPUS, tokenizer, options(16)).training().hash())
        .isNotEqualTo(split.training().hash());
    assertThat(
            DatasetSplit.of(CORPUS, tokenizer, new DatasetSplit.Options(32, 400, 0.1, 6))
                .heldOut()
                .hash())
        .isNotEqualTo(split.heldOut().hash());
  }

  @Test
  void largeVocabulariesGiveTheSameTokens() {
    DatasetSplit narrow = DatasetSplit.of(CORPUS, tokenizer, options(32));
    DatasetSplit wide =
        DatasetSplit.of(CORPUS, tokenizer, new DatasetSplit.Options(32, 70_000, 0.1, 5));
    assertThat(wide.training().hash()).isEqualTo(narrow.training().hash());
  }

  @Test
  void wrongInputIsRefused() throws IOException {
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(
            () -> DatasetSplit.of(CORPUS, tokenizer, new DatasetSplit.Options(32, 300, 0.1, 5)))
        .withMessageContaining("does not fit the model's vocabulary")
        .withMessageContaining("0 to 299");
    TextSource few = text("few words", Splitting.NONE);
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> DatasetSplit.of(few, tokenizer, options(32)))
        .withMessageContaining("too few for one sequence of length 32");
    TextSource none = text(" \n", Splitting.NONE);
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> DatasetSplit.of(none, tokenizer, options(32)))
        .withMessageContaining("There is no text in the text file");
    for (double fraction : new double[] {0, 1, Double.NaN}) {
      assertThatExceptionOfType(ManticoreException.class)
          .isThrownBy(() -> new DatasetSplit.Options(1, 1, fraction, 0));
    }
  }

  @Test
  void tokenizerWithoutEndOfTextIsRefused() throws IOException {
    Path file = directory.resolve("bare.json");
    Files.writeString(
        file, "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1},\"merges\":[]}}");
    try (Tokenizer bare = Tokenizer.load(file)) {
      assertThatExceptionOfType(ManticoreException.class)
          .isThrownBy(() -> DatasetSplit.of(CORPUS, bare, options(1)))
          .withMessageContaining("no end-of-text token");
    }
  }

  @Test
  void partsAreWhatTheWholeIsInOrder() {
    TokenDataset whole = DatasetSplit.of(CORPUS, tokenizer, options(64)).training();

    List<TokenDataset> parts = whole.parts(0.1);

    int first = parts.get(0).size();
    assertThat(first + parts.get(1).size()).isEqualTo(whole.size());
    assertThat((double) parts.get(1).size() / whole.size()).isBetween(0.08, 0.12);
    assertThat(parts.get(0).batch(2).inputs()).isEqualTo(whole.batch(2).inputs());
    assertThat(parts.get(1).batch(0, 3).labels()).isEqualTo(whole.batch(first, first + 3).labels());
    assertThat(parts.get(0).hash()).isNotEqualTo(parts.get(1).hash());
    assertThatExceptionOfType(IndexOutOfBoundsException.class)
        .isThrownBy(() -> parts.get(0).batch(first));
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> new DatasetPart(whole, 0, 1).parts(0.5))
        .withMessageContaining("only one sequence");
  }
}
