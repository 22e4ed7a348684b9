package dev.manticore.onnx.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.tokenizer.Retokenization.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RetokenizationTest {

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String ENGLISH = "the cat sat on the mat, the rat on the hat. ";
  private static final String MIXED =
      "le caf\u00e9 na\u00eff \u65e5\u672c\u8a9e \u65e5\u672c \ud83d\ude00 the hat ";

  @TempDir private Path directory;
  private final List<Tokenizer> open = new ArrayList<>();

  @AfterEach
  void close() {
    open.forEach(Tokenizer::close);
  }

  @Test
  void everyTokenIsSpelledByItsPieces() throws IOException {
    Tokenizer text = trained("text", MIXED, 300, root -> {});
    Tokenizer own = trained("own", ENGLISH, 290, root -> {});

    Retokenization pieces = Retokenization.of(text, own);

    assertThat(pieces.size()).isEqualTo(text.vocabularySize());
    for (int id = 0; id < pieces.size(); id++) {
      assertThat(bytes(own, pieces.piecesOf(id))).as("token %s", id).isEqualTo(bytes(text, id));
    }
    assertThat(pieces.counts().get(Kind.NONE)).isZero();
    assertThat(pieces.counts().get(Kind.PIECES)).isPositive();
    int the = text.idOf("\u0120the").orElseThrow();
    assertThat(pieces.piecesOf(the)).isEqualTo(own.encode(" the"));
    assertThat(pieces.kind(the)).isEqualTo(Kind.SAME);
  }

  @Test
  void partsOfCharactersAreMergedAsBytes() throws IOException {
    // Of the three bytes of these signs the first two are a token; alone they are no text.
    Tokenizer text = trained("text", "\u65e5\u65e4 ".repeat(9), 300, root -> {});
    Tokenizer own = trained("own", "\u65e5\u65e3\u65e2 ".repeat(9), 262, root -> {});
    int part = text.idOf(ByteLevel.spell(new byte[] {(byte) 0xe6, (byte) 0x97})).orElseThrow();

    int[] pieces = Retokenization.of(text, own).piecesOf(part);

    assertThat(own.idOf(ByteLevel.spell(new byte[] {(byte) 0xe6, (byte) 0x97})))
        .hasValue(pieces[0]);
    assertThat(pieces).hasSize(1);
  }

  @Test
  void theEndOfATextStandsForTheEndOfAText() throws IOException {
    Tokenizer text = trained("text", ENGLISH, 270, root -> rename(root, "</s>"));
    Tokenizer own = trained("own", MIXED, 270, root -> {});

    Retokenization pieces = Retokenization.of(text, own);

    assertThat(pieces.piecesOf(text.endOfText().getAsInt()))
        .containsExactly(own.endOfText().getAsInt());
  }

  @Test
  void aSpecialTokenWithoutCounterpartHasNoPieces() throws IOException {
    Tokenizer text = trained("text", ENGLISH, 270, root -> add(root, "<|pad|>", 280, true));
    Tokenizer own = trained("own", MIXED, 270, root -> {});

    Retokenization pieces = Retokenization.of(text, own);

    assertThat(pieces.kind(280)).isEqualTo(Kind.NONE);
    // Nor have ids that no token has.
    assertThat(pieces.kind(279)).isEqualTo(Kind.NONE);
    assertThat(pieces.size()).isEqualTo(281);
  }

  @Test
  void aWordIsNotGivenASpaceThatItsTokenDoesNotHave() throws IOException {
    Tokenizer text = trained("text", ENGLISH, 290, root -> {});
    Tokenizer own =
        trained(
            "own",
            ENGLISH,
            285,
            root -> ((ObjectNode) root.path("pre_tokenizer")).put("add_prefix_space", true));
    int the = text.idOf("the").orElse(text.idOf("he").orElseThrow());

    Retokenization pieces = Retokenization.of(text, own);

    assertThat(bytes(own, pieces.piecesOf(the))).isEqualTo(bytes(text, the));
    assertThat(own.encode("the")).isEqualTo(own.encode(" the"));
  }

  @Test
  void refusesVocabulariesThatAreNotSpelledInBytes() throws IOException {
    Tokenizer text = trained("text", ENGLISH, 270, root -> {});
    Tokenizer own = trained("own", ENGLISH, 270, root -> root.putNull("pre_tokenizer"));

    assertThatThrownBy(() -> Retokenization.of(text, own))
        .isInstanceOfSatisfying(
            ManticoreException.class, e -> assertThat(e.code()).isEqualTo("MNT-VOCABULARY"))
        .hasMessageContaining("own.json");
  }

  @Test
  void tokenizersAreComparedByWhatTheyDo() throws IOException {
    Tokenizer one = trained("one", ENGLISH, 280, root -> {});

    Tokenizer respelled =
        trained(
            "respelled",
            ENGLISH,
            280,
            root -> {
              root.remove(List.of("decoder", "post_processor", "truncation"));
              ((ObjectNode) root.path("model")).remove(List.of("dropout", "unk_token"));
              ((ObjectNode) root.path("pre_tokenizer")).put("trim_offsets", false);
              ((ObjectNode) root.path("model"))
                  .putArray("merges")
                  .addAll(
                      one.content().merges().stream()
                          .map(pair -> JSON.createArrayNode().add(pair.left()).add(pair.right()))
                          .toList());
            });
    assertThat(one.differenceFrom(respelled)).isEmpty();
    assertThat(respelled.differenceFrom(one)).isEmpty();
    assertThat(one.hash()).isNotEqualTo(respelled.hash());
  }

  @Test
  void saysInWhatTokenizersDiffer() throws IOException {
    Tokenizer one = trained("one", ENGLISH, 280, root -> {});

    // As many tokens, but others.
    assertThat(one.differenceFrom(trained("other", MIXED, 280, root -> {})).orElseThrow())
        .startsWith("token '");
    assertThat(
            one.differenceFrom(trained("more", ENGLISH, 280, r -> add(r, "<|pad|>", 280, true)))
                .orElseThrow())
        .contains("<|pad|>");
    assertThat(
            one.differenceFrom(
                    trained(
                        "spaces",
                        ENGLISH,
                        280,
                        r -> ((ObjectNode) r.path("pre_tokenizer")).put("add_prefix_space", true)))
                .orElseThrow())
        .startsWith("pre_tokenizer");
    assertThat(
            one.differenceFrom(
                    trained("nfc", ENGLISH, 280, r -> r.putObject("normalizer").put("type", "NFC")))
                .orElseThrow())
        .startsWith("normalizer");
    assertThat(
            one.differenceFrom(
                    trained(
                        "merges",
                        ENGLISH,
                        280,
                        r -> ((ObjectNode) r.path("model")).withArray("/merges").remove(3)))
                .orElseThrow())
        .isEqualTo("merges differ from number 3 on");
  }

  private Tokenizer trained(String name, String text, int vocabulary, Consumer<ObjectNode> change)
      throws IOException {
    ObjectNode root =
        (ObjectNode) JSON.readTree(BpeTrainer.train(List.of(text.repeat(5)), vocabulary).toJson());
    change.accept(root);
    Path file = directory.resolve(name + ".json");
    Files.write(file, JSON.writeValueAsBytes(root));
    Tokenizer tokenizer = Tokenizer.load(file);
    open.add(tokenizer);
    return tokenizer;
  }

  private static void rename(ObjectNode root, String endOfText) {
    ((ObjectNode) root.path("added_tokens").path(0)).put("content", endOfText);
    ObjectNode vocabulary = (ObjectNode) root.path("model").path("vocab");
    vocabulary.remove(Tokenizer.END_OF_TEXT);
    vocabulary.put(endOfText, 0);
  }

  private static void add(ObjectNode root, String content, int id, boolean special) {
    ObjectNode token = root.withArray("/added_tokens").addObject();
    token.put("id", id).put("content", content).put("special", special);
    for (String flag : List.of("single_word", "lstrip", "rstrip", "normalized")) {
      token.put(flag, false);
    }
  }

  /** What tokens stand for, end of text as its content, by way of the alphabet alone. */
  private static byte[] bytes(Tokenizer tokenizer, int... ids) {
    StringBuilder spelled = new StringBuilder();
    for (int id : ids) {
      tokenizer.content().ids().entrySet().stream()
          .filter(entry -> entry.getValue() == id)
          .forEach(entry -> spelled.append(entry.getKey()));
    }
    return Arrays.copyOf(ByteLevel.bytes(spelled.toString()).orElseThrow(), spelled.length());
  }
}
