package dev.manticore.compiler.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.data.Sample;
import org.junit.jupiter.api.Test;

class ScoresTest {

  private static final int IGNORED = Sample.IGNORED;

  private static Batch sample(long... targets) {
    return new Batch(new long[targets.length], targets, 1, targets.length);
  }

  @Test
  void accuraciesOfAFewAnswers() {
    Scores scores = new Scores(5);
    scores.add(sample(0, IGNORED, 0, 1), new long[] {0, 4, 0, 1});
    scores.add(sample(0, 0, 2, IGNORED), new long[] {0, 3, 1, 0});
    scores.add(sample(IGNORED, IGNORED), new long[] {1, 1});

    assertThat(scores.answers()).isEqualTo(6);
    // Right: 0, 0, 1, 0.
    assertThat(scores.accuracy()).isCloseTo(4 / 6.0, within(1e-15));
    // Class 0: 3 of 4; 1: 1 of 1; 2: 0 of 1; 3: said, never asked; 4: neither, as it was said where
    // nothing is asked.
    assertThat(scores.macroAccuracy()).isCloseTo((0.75 + 1 + 0 + 0) / 4, within(1e-15));
    // The third sample asks for nothing.
    assertThat(scores.exactMatch()).isEqualTo(0.5);
  }

  @Test
  void bitsOfALoss() {
    Scores scores = new Scores(4);
    scores.add(sample(1, 2, IGNORED), new long[] {1, 2, 0});
    scores.addLoss(2 * Math.log(4));
    scores.add(sample(3, 3), new long[] {0, 0});
    scores.addLoss(6 * Math.log(2));

    assertThat(scores.loss()).isCloseTo(10 * Math.log(2) / 4, within(1e-15));
    // Ten bits over five bytes.
    assertThat(scores.bitsPerByte(5)).isCloseTo(2, within(1e-15));
    assertThat(scores.exactMatch()).isEqualTo(0.5);
  }

  @Test
  void ofNothingThereIsNoAccuracy() {
    assertThat(new Scores(2).accuracy()).isNaN();
    assertThat(new Scores(2).exactMatch()).isNaN();
  }

  @Test
  void answersMustFit() {
    assertThatThrownBy(() -> new Scores(2).add(sample(1, 0), new long[] {1}))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
