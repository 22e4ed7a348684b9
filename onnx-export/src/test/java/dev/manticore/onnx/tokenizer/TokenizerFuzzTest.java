package dev.manticore.onnx.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.ir.ManticoreException;
import dev.manticore.testdata.fuzz.Fuzzer;
import dev.manticore.testdata.fuzz.Mutator;
import dev.manticore.testdata.fuzz.TokenMutator;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenizerFuzzTest {

  private static final List<String> DICTIONARY =
      List.of(
          "\"type\"",
          "\"BPE\"",
          "\"WordPiece\"",
          "\"Unigram\"",
          "\"vocab\"",
          "\"merges\"",
          "\"added_tokens\"",
          "\"content\"",
          "\"id\"",
          "\"special\"",
          "\"Sequence\"",
          "\"pretokenizers\"",
          "\"normalizers\"",
          "\"Split\"",
          "\"Regex\"",
          "\"(a|a)*b\"",
          "\"String\"",
          "\"Metaspace\"",
          "\"Digits\"",
          "\"Precompiled\"",
          "\"ByteFallback\"",
          "\"dropout\"",
          "\"unk_token\"",
          "[\"a\", \"b\"]",
          "\"a b\"",
          "\"ab\": 3",
          "{}",
          "[]",
          "[",
          "{",
          "null",
          "true",
          "0.5",
          "\"\"",
          "\"\\ud800\"",
          ",",
          ":");

  @TempDir private Path directory;

  /** With the library that the file is given to, if it passes what is checked before. */
  @Test
  void filesOfAnyKindAreATokenizerOrATypedError() {
    Path file = directory.resolve("tokenizer.json");
    Mutator mutator =
        Mutator.anyOf(new TokenMutator(DICTIONARY), new TokenMutator(DICTIONARY), Mutator.bytes());
    long executions =
        new Fuzzer("tokenizer", ManticoreException.class, mutator, Fuzzer.files("tokenizer"))
            .run(
                input -> {
                  Files.write(file, input);
                  try (Tokenizer tokenizer = Tokenizer.load(file)) {
                    assertThat(tokenizer.vocabularySize()).isPositive();
                  }
                });

    assertThat(executions).isPositive();
  }
}
