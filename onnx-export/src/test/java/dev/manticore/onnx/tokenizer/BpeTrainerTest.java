package dev.manticore.onnx.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.google.common.collect.ImmutableList;
import com.google.common.primitives.Ints;
import dev.manticore.ir.ManticoreException;
import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.regex.Matcher;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BpeTrainerTest {

  private static final ImmutableList<String> DOCUMENTS =
      ImmutableList.of(
          "The cat sat on the mat, and the rat sat on the cat's mat.",
          "She'll say: \u00e9t\u00e9, na\u00efve, \u4f60\u597d \ud83d\ude00\ud83d\ude00!  12 + 12 = 24\n\n",
          "\taaaa aaaaaaa aaa   aaaa\r\n");

  @TempDir private Path directory;

  /** The definition: of all merges that apply in a word, the most urgent, until none does. */
  private static int[] encode(BytePairVocabulary vocabulary, String text) {
    Map<BytePairVocabulary.Merge, Integer> urgency = new HashMap<>();
    for (int i = 0; i < vocabulary.merges().size(); i++) {
      urgency.putIfAbsent(vocabulary.merges().get(i), i);
    }
    List<Integer> ids = new ArrayList<>();
    Matcher words = ByteLevel.WORDS.matcher(text);
    while (words.find()) {
      List<String> symbols = new ArrayList<>(List.of(ByteLevel.spell(words.group()).split("")));
      while (true) {
        int best = Integer.MAX_VALUE;
        for (int i = 0; i + 1 < symbols.size(); i++) {
          best =
              Math.min(
                  best,
                  urgency.getOrDefault(
                      new BytePairVocabulary.Merge(symbols.get(i), symbols.get(i + 1)),
                      Integer.MAX_VALUE));
        }
        if (best == Integer.MAX_VALUE) {
          break;
        }
        BytePairVocabulary.Merge merge = vocabulary.merges().get(best);
        for (int i = 0; i + 1 < symbols.size(); i++) {
          if (symbols.get(i).equals(merge.left()) && symbols.get(i + 1).equals(merge.right())) {
            symbols.set(i, symbols.get(i) + symbols.remove(i + 1));
          }
        }
      }
      symbols.forEach(symbol -> ids.add(vocabulary.tokens().indexOf(symbol)));
    }
    return Ints.toArray(ids);
  }

  /** Training by the definition: all pairs counted anew before each merge. */
  private static List<BytePairVocabulary.Merge> trainSlowly(List<String> documents, int size) {
    Map<String, Integer> ids = new HashMap<>();
    ids.put(Tokenizer.END_OF_TEXT, 0);
    for (int value = 0; value < 256; value++) {
      ids.put(String.valueOf(ByteLevel.characterOf(value)), value + 1);
    }
    List<List<String>> words = new ArrayList<>();
    for (String document : documents) {
      Matcher matcher = ByteLevel.WORDS.matcher(document);
      while (matcher.find()) {
        words.add(new ArrayList<>(List.of(ByteLevel.spell(matcher.group()).split(""))));
      }
    }
    List<BytePairVocabulary.Merge> merges = new ArrayList<>();
    while (ids.size() < size) {
      Map<BytePairVocabulary.Merge, Integer> counts = new HashMap<>();
      for (List<String> word : words) {
        for (int i = 0; i + 1 < word.size(); i++) {
          counts.merge(new BytePairVocabulary.Merge(word.get(i), word.get(i + 1)), 1, Integer::sum);
        }
      }
      Optional<BytePairVocabulary.Merge> best =
          counts.keySet().stream()
              .filter(pair -> counts.get(pair) >= 2)
              .min(
                  (a, b) -> {
                    int byCount = counts.get(b) - counts.get(a);
                    int byLeft = ids.get(a.left()) - ids.get(b.left());
                    int byRight = ids.get(a.right()) - ids.get(b.right());
                    return byCount != 0 ? byCount : byLeft != 0 ? byLeft : byRight;
                  });
      if (best.isEmpty()) {
        break;
      }
      BytePairVocabulary.Merge merge = best.orElseThrow();
      merges.add(merge);
      ids.putIfAbsent(merge.left() + merge.right(), ids.size());
      for (List<String> word : words) {
        for (int i = 0; i + 1 < word.size(); i++) {
          if (word.get(i).equals(merge.left()) && word.get(i + 1).equals(merge.right())) {
            word.set(i, word.get(i) + word.remove(i + 1));
          }
        }
      }
    }
    return merges;
  }

  /** Text of letters that often repeat, other scripts, signs, spaces and lines. */
  private static String randomText(SplittableRandom random, int length) {
    int[] alphabet = "aaabbcde \n\t'.0\u00e9\u00a0\u0436\u4f60\u0000".codePoints().toArray();
    StringBuilder text = new StringBuilder();
    while (text.length() < length) {
      int draw = random.nextInt(alphabet.length + 1);
      text.appendCodePoint(draw < alphabet.length ? alphabet[draw] : 0x1F600 + random.nextInt(40));
    }
    return text.toString();
  }

  @Test
  void incrementalCountsGiveTheMergesOfTheDefinition() {
    assertThat(BpeTrainer.train(DOCUMENTS, 300).merges()).isEqualTo(trainSlowly(DOCUMENTS, 300));
    for (int seed = 0; seed < 10; seed++) {
      List<String> documents = List.of(randomText(new SplittableRandom(seed), 600));
      assertThat(BpeTrainer.train(documents, 400).merges()).isEqualTo(trainSlowly(documents, 400));
    }
  }

  @Test
  void libraryEncodesAsTheDefinitionAndDecodesBack() throws IOException {
    SplittableRandom random = new SplittableRandom(7);
    List<String> documents = new ArrayList<>(DOCUMENTS);
    documents.add(randomText(random, 2000));
    BytePairVocabulary vocabulary = BpeTrainer.train(documents, 400);
    Path file = directory.resolve("tokenizer.json");
    vocabulary.writeTo(file);
    try (Tokenizer tokenizer = Tokenizer.load(file)) {
      assertThat(tokenizer.vocabularySize()).isEqualTo(vocabulary.tokens().size());
      assertThat(tokenizer.endOfText()).hasValue(0);
      for (int i = 0; i < 200; i++) {
        documents.add(randomText(random, random.nextInt(60)));
      }
      for (String text : documents) {
        int[] ids = tokenizer.encode(text);
        assertThat(ids).containsExactly(encode(vocabulary, text));
        assertThat(tokenizer.decode(ids)).isEqualTo(text);
      }
    }
    try (Stream<Path> files = Files.list(directory)) {
      assertThat(files).containsExactly(file);
    }
  }

  @Test
  void sameTextGivesSameBytes() {
    assertThat(BpeTrainer.train(DOCUMENTS, 300).toJson())
        .isEqualTo(BpeTrainer.train(DOCUMENTS, 300).toJson());
  }

  @Test
  void sizeIsTheWantedOneOrWhatTheTextGives() {
    assertThat(BpeTrainer.train(DOCUMENTS, 270).tokens()).hasSize(270);
    BytePairVocabulary small = BpeTrainer.train(List.of("abc"), 1000);
    assertThat(small.tokens()).hasSize(257);
    assertThat(small.merges()).isEmpty();
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> BpeTrainer.train(DOCUMENTS, 256))
        .withMessageContaining("at least 257");
  }

  @Test
  void realTextTrainsQuickly() throws IOException {
    Optional<Path> file = Fixtures.shared("data/shakespeare.txt");
    Assumptions.assumeTrue(file.isPresent(), "no shared data");
    String text = Files.readString(file.orElseThrow());
    BytePairVocabulary vocabulary = BpeTrainer.train(List.of(text), 1024);
    assertThat(vocabulary.tokens()).hasSize(1024).contains("\u0120the");
    vocabulary.writeTo(directory.resolve("tokenizer.json"));
    try (Tokenizer tokenizer = Tokenizer.load(directory.resolve("tokenizer.json"))) {
      int[] ids = tokenizer.encode(text);
      assertThat(ids.length).isLessThan(text.length() / 2);
      assertThat(tokenizer.decode(ids)).isEqualTo(text);
    }
  }

  @Test
  void unwritablePlaceIsNamed() {
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(
            () ->
                BpeTrainer.train(DOCUMENTS, 257)
                    .writeTo(directory.resolve("absent/tokenizer.json")))
        .withMessageContaining("Cannot write the tokenizer");
  }
}
