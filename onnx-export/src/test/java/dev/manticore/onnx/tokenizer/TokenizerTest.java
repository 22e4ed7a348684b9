package dev.manticore.onnx.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.primitives.Ints;
import dev.manticore.ir.ManticoreException;
import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokenizerTest {

  private static final String GOOD =
      "{'added_tokens':[{'id':4,'content':'<|endoftext|>','special':true,"
          + "'single_word':false,'lstrip':false,'rstrip':false,'normalized':false}],"
          + "'truncation':{'max_length':2,'strategy':'LongestFirst','stride':0,'direction':'Right'},"
          + "'pre_tokenizer':{'type':'ByteLevel','add_prefix_space':false,'trim_offsets':true},"
          + "'decoder':{'type':'ByteLevel','add_prefix_space':false,'trim_offsets':true},"
          + "'model':{'type':'BPE','vocab':{'a':0,'b':1,'ab':2,'\u0120':3},'merges':['a b']}}";

  @TempDir private Path directory;

  private Path write(String json) throws IOException {
    return Files.writeString(directory.resolve("tokenizer.json"), json.replace('\'', '"'));
  }

  @Test
  void gpt2() {
    Optional<Path> file = Fixtures.shared("fixtures/tokenizers/gpt2/tokenizer.json");
    Assumptions.assumeTrue(file.isPresent(), "no shared fixtures");
    try (Tokenizer tokenizer = Tokenizer.load(file.orElseThrow())) {
      assertThat(tokenizer.encode("Hello world")).containsExactly(15496, 995);
      assertThat(tokenizer.decode(new int[] {15496, 995})).isEqualTo("Hello world");
      assertThat(tokenizer.vocabularySize()).isEqualTo(50257);
      assertThat(tokenizer.endOfText()).hasValue(50256);
      assertThat(tokenizer.specialTokens())
          .isEqualTo(ImmutableMap.of(Tokenizer.END_OF_TEXT, 50256));
      assertThat(tokenizer.encode("a<|endoftext|>b")).containsExactly(64, 50256, 65);
    }
  }

  @Test
  void readsIdsAndIgnoresTruncation() throws IOException {
    try (Tokenizer tokenizer = Tokenizer.load(write(GOOD))) {
      assertThat(tokenizer.encode("ab ab ba")).containsExactly(2, 3, 2, 3, 1, 0);
      assertThat(tokenizer.encode("")).isEmpty();
      assertThat(tokenizer.vocabularySize()).isEqualTo(5);
      assertThat(tokenizer.idOf("ab")).hasValue(2);
      assertThat(tokenizer.idOf("c")).isEmpty();
      assertThat(tokenizer.decode(new int[] {2, 4}, Tokenizer.SpecialTokens.SKIP)).isEqualTo("ab");
      assertThat(tokenizer.decode(new int[] {2, 4})).isEqualTo("ab<|endoftext|>");
      assertThat(tokenizer.hash()).hasSize(64);
      assertThat(tokenizer.json()).isEqualTo(Files.readAllBytes(write(GOOD)));
    }
  }

  @Test
  void documentsEncodedOneByOneGiveTheSameIdsAsTheWhole() {
    ImmutableList<String> documents =
        ImmutableList.of("some text, it's", "  here 12\n", "the text");
    BytePairVocabulary vocabulary = BpeTrainer.train(documents, 280);
    Path file = directory.resolve("trained.json");
    vocabulary.writeTo(file);
    try (Tokenizer tokenizer = Tokenizer.load(file)) {
      int[] pieces = {};
      for (String document : documents) {
        pieces =
            Ints.concat(
                pieces, tokenizer.encode(document), new int[] {tokenizer.endOfText().getAsInt()});
      }
      assertThat(tokenizer.encode(String.join("<|endoftext|>", documents) + "<|endoftext|>"))
          .containsExactly(pieces);
    }
  }

  @Test
  void tokensStandForAllBytesOfATextAndTheEndOfATextForNone() {
    String text = "some text, it's \u00e9t\u00e9 \u6f22\u5b57";
    Path file = directory.resolve("trained.json");
    BpeTrainer.train(ImmutableList.of(text), 270).writeTo(file);
    try (Tokenizer tokenizer = Tokenizer.load(file)) {
      int[] lengths = tokenizer.byteLengths().orElseThrow();
      assertThat(Arrays.stream(tokenizer.encode(text)).map(id -> lengths[id]).sum())
          .isEqualTo(text.getBytes(StandardCharsets.UTF_8).length);
      assertThat(lengths[tokenizer.endOfText().getAsInt()]).isZero();
    }
  }

  @Test
  void idsAndTextThatDoNotFitAreRefused() throws IOException {
    try (Tokenizer tokenizer = Tokenizer.load(write(GOOD))) {
      assertThatExceptionOfType(ManticoreException.class)
          .isThrownBy(() -> tokenizer.decode(new int[] {5}))
          .withMessageContaining("Token id 5")
          .withMessageContaining("0 to 4");
      assertThatExceptionOfType(ManticoreException.class)
          .isThrownBy(() -> tokenizer.encode("a\ud83db"))
          .withMessageContaining("character 1");
    }
  }

  @Test
  void closedTokenizerIsNotUsable() throws IOException {
    Tokenizer tokenizer = Tokenizer.load(write(GOOD));
    tokenizer.close();
    tokenizer.close();
    assertThatIllegalStateException().isThrownBy(() -> tokenizer.encode("a"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{ | not valid JSON at line 1",
        "[] | no BPE model",
        "{'model':{'type':'Unigram','vocab':[]}} | no BPE model",
        "{'model':{'vocab':{}}} | vocabulary is empty",
        "{'model':{'vocab':{'a':-1}}} | the id of token \"a\"",
        "{'model':{'vocab':{'a':4000000000}}} | the id of token \"a\"",
        "{'model':{'vocab':{'a':0,'b':0}}} | the same id 0",
        "{'model':{'vocab':{'a':0,'a':1}}} | Duplicate field",
        "{'model':{'vocab':{'a':0},'dropout':0.1}} | dropout",
        "{'model':{'vocab':{'a':0,'b':1},'merges':['a b']}} | merge 0",
        "{'model':{'vocab':{'a':0}},'added_tokens':[{'id':1}]} | no \"content\"",
        "{'model':{'vocab':{'a':0}},'added_tokens':[{'id':1,'content':'a'}]} | two ids",
        "{'model':{'type':'BPE','vocab':{'a':0},'merges':[]},'decoder':{'type':'x'}} | \"decoder\" has type",
        "{'model':{'type':'BPE','vocab':{'a':0},'merges':[]},'decoder':{'type':'Strip'}} | line 1",
        "{'normalizer':{'type':'Sequence','normalizers':[{'type':'Precompiled'}]},'model':{'vocab':{'a':0}}} | Precompiled",
      })
  void badFilesAreRefused(String json, String reason) throws IOException {
    Path file = write(json.replace("''", "'"));
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> Tokenizer.load(file))
        .withMessageContaining("Not a usable tokenizer file: " + file)
        .withMessageContaining(reason)
        .satisfies(e -> assertThat(e.code()).isEqualTo("MNT-TOKENIZER"));
  }

  @Test
  void deepNestingIsRefused() throws IOException {
    Path file = write("[".repeat(100000));
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> Tokenizer.load(file))
        .withMessageContaining("nesting depth");
  }

  @Test
  void absentFileIsNamed() {
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> Tokenizer.load(directory.resolve("none.json")))
        .withMessageContaining("There is no tokenizer file");
  }
}
