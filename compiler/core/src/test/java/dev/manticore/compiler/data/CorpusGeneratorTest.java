package dev.manticore.compiler.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.hash.Hashing;
import dev.manticore.compiler.data.CorpusGenerator.Kind;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class CorpusGeneratorTest {

  @ParameterizedTest
  @EnumSource(Kind.class)
  void everyAnswerFollowsFromItsPassage(Kind kind) {
    List<String> documents = CorpusGenerator.generate(kind, 11, 300_000);
    int answers = documents.stream().mapToInt(PassageSolver::check).sum();
    assertThat(answers).isGreaterThan(5 * documents.size());
    assertThat(documents).doesNotHaveDuplicates();
    assertThat(documents)
        .allSatisfy(
            document -> {
              assertThat(document).hasSizeBetween(300, 900);
              assertThat(document).matches("[ -~]+");
            });
  }

  @Test
  void solverRejectsWrongAnswers() {
    String passage = "Ada faces north. Ada turns left, around. Ada faces east.";
    assertThat(PassageSolver.check(passage)).isEqualTo(1);
    assertThatThrownBy(() -> PassageSolver.check(passage.replace("east", "west")))
        .isInstanceOf(AssertionError.class);
  }

  @ParameterizedTest
  @CsvSource({
    "RECALL, 5bd734e4e94a39bd96339508d9fdc1bd652d7e822415b4ac589a82c646e8e3ed",
    "TRACKING, 5a1e50a08a4d0e4a7b35112c154c22b1b8a68e5400ee9546ddaf4b34cbbcad34",
    "MIXED, 628da442e8e8bb1c9c86d3e0aa99cf1fd1af784da45f95fd75bd1db51a9def63",
  })
  void sameTextOnEveryRunAndMachine(Kind kind, String hash) {
    String text = String.join("\n", CorpusGenerator.generate(kind, 42, 50_000));
    assertThat(Hashing.sha256().hashString(text, StandardCharsets.UTF_8)).hasToString(hash);
  }

  @Test
  void seedsDifferAndLengthOnlyExtends() {
    List<String> documents = CorpusGenerator.generate(Kind.MIXED, 1, 20_000);
    assertThat(CorpusGenerator.generate(Kind.MIXED, 2, 20_000))
        .doesNotContainAnyElementsOf(documents);
    assertThat(CorpusGenerator.generate(Kind.MIXED, 1, 40_000))
        .startsWith(documents.toArray(String[]::new));
    assertThat(documents.stream().mapToInt(String::length).sum()).isBetween(20_000, 20_900);
    assertThat(CorpusGenerator.generate(Kind.MIXED, 1, 0)).isEmpty();
  }

  @Test
  void mixedIsHalfAndHalf() {
    long recall =
        CorpusGenerator.generate(Kind.MIXED, 5, 100_000).stream()
            .filter(document -> document.contains("?"))
            .mapToInt(String::length)
            .sum();
    assertThat(recall).isBetween(49_000L, 51_000L);
  }

  @Test
  void trackingUsesFewWords() {
    TreeSet<String> words = new TreeSet<>();
    CorpusGenerator.generate(Kind.TRACKING, 3, 100_000)
        .forEach(document -> words.addAll(List.of(document.split("[ ,.]+"))));
    assertThat(words).hasSizeLessThan(100);
  }
}
