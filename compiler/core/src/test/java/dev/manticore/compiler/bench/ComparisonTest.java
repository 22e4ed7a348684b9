package dev.manticore.compiler.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.manticore.compiler.bench.Expectation.Side;
import dev.manticore.ir.ManticoreException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class ComparisonTest {

  private static List<ObjectNode> runs(String key, double... values) {
    return Arrays.stream(values)
        .mapToObj(value -> JsonNodeFactory.instance.objectNode().put(key, value))
        .toList();
  }

  private static Comparison training(double ours, double peer) {
    return Comparison.of(
        runs("train_tokens_per_s", ours, ours, ours, ours, ours),
        runs("train_tokens_per_s", peer, peer, peer, peer, peer));
  }

  @Test
  void theRatioIsThatOfTheMedians() {
    Comparison comparison =
        Comparison.of(
            runs("train_tokens_per_s", 200, 210, 190, 205, 195),
            runs("train_tokens_per_s", 100, 400, 99, 101, 1));

    Comparison.Row row = comparison.rows().get(0);
    assertThat(row.figure()).isEqualTo(Figure.TRAINING);
    assertThat(row.ratio()).isCloseTo(2, within(1e-12));
    assertThat(row.isSteady()).isTrue();
    assertThat(comparison.unsteady()).isEmpty();
  }

  @Test
  void figuresThatOneSideLacksAreNotCompared() {
    List<ObjectNode> ours = runs("train_tokens_per_s", 1, 1, 1, 1, 1);
    ours.forEach(run -> run.put("forward_tokens_per_s", 2).put("peak_rss_mb", 0));
    List<ObjectNode> peer = runs("train_tokens_per_s", 1, 1, 1, 1, 1);
    peer.forEach(run -> run.put("peak_rss_mb", 300));
    peer.forEach(run -> run.putNull("forward_tokens_per_s"));

    // A size of 0 is one that the operating system did not tell.
    assertThat(Comparison.of(ours, peer).rows())
        .extracting(Comparison.Row::figure)
        .containsExactly(Figure.TRAINING);
  }

  @Test
  void nothingInCommonIsRefused() {
    assertThatThrownBy(
            () -> Comparison.of(runs("train_tokens_per_s", 1), runs("tokens_per_second", 1)))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("nothing to compare")
        .hasMessageContaining("train_tokens_per_s");
  }

  @Test
  void valuesThatAreNoPositiveNumbersAreRefused() {
    for (JsonNode wrong :
        List.of(
            JsonNodeFactory.instance.textNode("12"),
            JsonNodeFactory.instance.numberNode(-1),
            JsonNodeFactory.instance.numberNode(0))) {
      ObjectNode run = JsonNodeFactory.instance.objectNode();
      run.set("train_tokens_per_s", wrong);
      assertThatThrownBy(() -> Comparison.of(runs("train_tokens_per_s", 1), List.of(run)))
          .isInstanceOf(ManticoreException.class)
          .hasMessageContaining("train_tokens_per_s must be a positive number, not " + wrong);
    }
  }

  @Test
  void aSideThatIsSpreadTooFarIsNotJudged() {
    Comparison comparison =
        Comparison.of(
            runs("train_tokens_per_s", 100, 100, 100, 100, 100),
            runs("train_tokens_per_s", 50, 100, 130, 105, 90));

    // Quartiles 90 and 105 around 100 are near enough; a farther one is not.
    assertThat(comparison.unsteady()).isEmpty();
    Comparison wide =
        Comparison.of(
            runs("train_tokens_per_s", 100, 100, 100, 100, 100),
            runs("train_tokens_per_s", 50, 100, 130, 110, 89));
    assertThat(wide.unsteady())
        .containsExactly("training: the spread of the peer's is 21.0 %, more than 20 %");
    assertThat(wide.rows().get(0).isSteady()).isFalse();
  }

  @Test
  void expectationsAreBoundsOnTheRatio() {
    Expectation least = Expectation.parse(Side.AT_LEAST, "training=2.0");
    Expectation most = Expectation.parse(Side.AT_MOST, "training=2.5");

    assertThat(training(200, 100).unmet(List.of(least, most))).isEmpty();
    assertThat(training(199, 100).unmet(List.of(least, most)))
        .containsExactly("training: the ratio is 1.990; expected is at least 2.0");
    assertThat(training(251, 100).unmet(List.of(least, most)))
        .containsExactly("training: the ratio is 2.510; expected is at most 2.5");
    assertThat(training(2, 1).unmet(List.of(Expectation.parse(Side.AT_MOST, "memory=0.5"))))
        .containsExactly("memory: not measured on both sides");
  }

  @ParameterizedTest
  @ValueSource(strings = {"training", "training=", "training=fast", "training=-1", "training=NaN"})
  void anExpectationNeedsARatio(String text) {
    assertThatThrownBy(() -> Expectation.parse(Side.AT_LEAST, text))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("'" + text + "' is not of the form FIGURE=RATIO");
  }

  @Test
  void anExpectationNeedsAFigure() {
    assertThatThrownBy(() -> Expectation.parse(Side.AT_LEAST, "speed=2"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("no figure 'speed'")
        .hasMessageContaining("training, forward, memory");
  }

  @Test
  void whatWasNotDoneAlikeIsSaid() {
    List<ObjectNode> ours = runs("train_tokens_per_s", 1);
    ours.get(0).put("width", 256).put("model", "gpt-neo").put("threads", 2);
    List<ObjectNode> peer = runs("train_tokens_per_s", 1);
    peer.get(0).put("width", 512).put("model", "gpt-neo").put("torch", "1.13");

    assertThat(Comparison.of(ours, peer).differences())
        .containsExactly("width is 256 here, 512 there");
  }
}
