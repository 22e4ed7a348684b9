package dev.manticore.compiler.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.data.CorpusGenerator.Kind;
import dev.manticore.compiler.data.PlainText.Splitting;
import dev.manticore.ir.ManticoreException;
import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TextSourceTest {

  private static final ImmutableList<String> FIELDS = ImmutableList.of("question", "answer");

  @TempDir private Path directory;

  private Path write(String text) throws IOException {
    return Files.writeString(directory.resolve("text"), text);
  }

  private static List<String> read(TextSource source) {
    List<String> documents = new ArrayList<>();
    source.read(documents::add);
    return documents;
  }

  @Test
  void plainTextIsOneDocumentUnlessItHoldsTheMarker() throws IOException {
    assertThat(read(new PlainText(write("a\r\n\r\nb\n"), Splitting.END_OF_TEXT)))
        .containsExactly("a\r\n\r\nb\n");
    assertThat(
            read(
                new PlainText(
                    write("\uFEFFone\n<|endoftext|>\ntwo\n\nx<|endoftext|><|endoftext|>\n \n"),
                    Splitting.END_OF_TEXT)))
        .containsExactly("one", "two\n\nx");
  }

  @Test
  void plainTextSplitsAtBlankLinesWhenAsked() throws IOException {
    Path file = write("one\ntwo\n\n\r\n  \nthree\n\n");
    assertThat(read(new PlainText(file, Splitting.BLANK_LINES)))
        .containsExactly("one\ntwo", "three");
    assertThat(read(new PlainText(write("a<|endoftext|>b"), Splitting.NONE)))
        .containsExactly("a<|endoftext|>b");
  }

  @Test
  void malformedTextIsRefused() throws IOException {
    Path file = directory.resolve("latin1");
    Files.write(file, "caf\u00e9 au lait".getBytes(StandardCharsets.ISO_8859_1));
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> read(new PlainText(file, Splitting.END_OF_TEXT)))
        .withMessageContaining(file + " is not UTF-8: byte 3 ");
    Path cut = directory.resolve("cut");
    Files.write(cut, new byte[] {'a', (byte) 0xE4, (byte) 0xBD});
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> read(new PlainText(cut, Splitting.END_OF_TEXT)))
        .withMessageContaining("byte 1 ");
  }

  @Test
  void unreadableFilesAreNamed() {
    Path absent = directory.resolve("absent");
    for (TextSource source :
        List.of(new PlainText(absent, Splitting.NONE), new JsonLines(absent, FIELDS))) {
      assertThatExceptionOfType(ManticoreException.class)
          .isThrownBy(() -> read(source))
          .withMessageContaining(absent + ": there is no such file");
      assertThatExceptionOfType(ManticoreException.class)
          .isThrownBy(source::fingerprint)
          .withMessageContaining("there is no such file");
    }
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> read(new PlainText(directory, Splitting.NONE)))
        .withMessageContaining("it is a directory");
  }

  @Test
  void jsonLinesJoinsFields() throws IOException {
    Path file =
        write(
            "{\"question\": \"1+1?\", \"answer\": \"2\"}\r\n\n"
                + "{\"answer\": \"\\u00e9\\n3\", \"question\": \"q\", \"other\": [1]}");
    assertThat(read(new JsonLines(file, FIELDS))).containsExactly("1+1?\n2", "q\n\u00e9\n3");
    assertThat(read(new JsonLines(file, ImmutableList.of("answer"))))
        .containsExactly("2", "\u00e9\n3");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      quoteCharacter = '`',
      value = {
        "{\"question\": \"a\", ; is not JSON",
        "[1] ; is not a JSON object",
        "{\"question\": \"a\"} {} ; is not JSON",
        "{\"question\": \"a\", \"reply\": \"b\"} ; no text in field \"answer\"; its fields are",
        "{\"question\": \"a\", \"answer\": 3} ; no text in field \"answer\"",
      })
  void badLinesAreNamed(String line, String reason) throws IOException {
    Path file = write("{\"question\": \"a\", \"answer\": \"b\"}\n" + line + "\n");
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> read(new JsonLines(file, FIELDS)))
        .withMessageContaining("Line 2 of " + file)
        .withMessageContaining(reason);
  }

  @Test
  void longLinesAreRefused() throws IOException {
    Path file = write("\n" + "x".repeat((16 << 20) + 1));
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> read(new JsonLines(file, FIELDS)))
        .withMessageContaining("Line 2 of " + file + " is longer than 16 MiB");
  }

  @Test
  void fingerprintFollowsContentAndReading() throws IOException {
    Path file = write("a");
    String first = new PlainText(file, Splitting.NONE).fingerprint();
    assertThat(new PlainText(file, Splitting.NONE).fingerprint()).isEqualTo(first).hasSize(64);
    assertThat(new PlainText(file, Splitting.BLANK_LINES).fingerprint()).isNotEqualTo(first);
    assertThat(new JsonLines(file, FIELDS).fingerprint()).isNotEqualTo(first);
    Path other = Files.writeString(directory.resolve("other"), "a");
    assertThat(new PlainText(other, Splitting.NONE).fingerprint()).isEqualTo(first);
    write("b");
    assertThat(new PlainText(file, Splitting.NONE).fingerprint()).isNotEqualTo(first);
    assertThat(new GeneratedText(Kind.MIXED, 1, 10).fingerprint())
        .isNotEqualTo(new GeneratedText(Kind.MIXED, 2, 10).fingerprint());
  }

  @Test
  void generatedTextIsTheCorpus() {
    assertThat(read(new GeneratedText(Kind.RECALL, 3, 2000)))
        .isEqualTo(CorpusGenerator.generate(Kind.RECALL, 3, 2000));
  }

  @Test
  void realJsonLines() {
    Optional<Path> file = Fixtures.shared("data/gsm8k-test.jsonl");
    Assumptions.assumeTrue(file.isPresent(), "no shared data");
    assertThat(read(new JsonLines(file.orElseThrow(), FIELDS)))
        .hasSize(1319)
        .allMatch(document -> document.contains("\n#### "));
  }
}
