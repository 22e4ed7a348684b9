package dev.manticore.compiler.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.manticore.compiler.data.BatchSampler.State;
import dev.manticore.ir.ManticoreException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class BatchSamplerTest {

  /** Sequence i reads the one token i. */
  private static TokenDataset numbers(int count) {
    Tokens tokens = new Tokens(1000);
    for (int i = 0; i <= count; i++) {
      tokens.add(i);
    }
    return new TokenStream(tokens, 1);
  }

  private static List<Long> draw(BatchSampler sampler, int batches) {
    List<Long> result = new ArrayList<>();
    for (int i = 0; i < batches; i++) {
      for (long token : sampler.next().inputs()) {
        result.add(token);
      }
    }
    return result;
  }

  @Test
  void everyEpochShowsEverySequenceOnceInAnotherOrder() {
    BatchSampler sampler = new BatchSampler(numbers(15), 5, State.start(3));
    List<Long> first = draw(sampler, 3);
    List<Long> second = draw(sampler, 3);
    assertThat(sampler.state()).isEqualTo(new State(3, 2, 0));
    assertThat(first).doesNotHaveDuplicates().hasSize(15).isNotEqualTo(second);
    assertThat(second).containsExactlyInAnyOrderElementsOf(first);
    assertThat(draw(new BatchSampler(numbers(15), 5, State.start(4)), 3)).isNotEqualTo(first);
  }

  @Test
  void batchesCrossEpochsAndMayBeLargerThanTheData() {
    BatchSampler sampler = new BatchSampler(numbers(3), 7, State.start(0));
    List<Long> drawn = draw(sampler, 3);
    assertThat(sampler.state()).isEqualTo(new State(0, 7, 0));
    for (long token = 0; token < 3; token++) {
      assertThat(drawn.stream().filter(List.of(token)::contains)).hasSize(7);
    }
  }

  @Test
  void resumedSamplerGoesOnIdentically() {
    for (int before = 0; before < 8; before++) {
      BatchSampler whole = new BatchSampler(numbers(10), 4, State.start(9));
      draw(whole, before);
      BatchSampler resumed = new BatchSampler(numbers(10), 4, whole.state());
      assertThat(draw(resumed, 8)).isEqualTo(draw(whole, 8));
    }
  }

  @Test
  void orderIsTheSameOnEveryMachine() {
    assertThat(draw(new BatchSampler(numbers(10), 5, State.start(1)), 2))
        .containsExactly(3L, 9L, 2L, 5L, 6L, 8L, 0L, 4L, 1L, 7L);
  }

  @Test
  void statesOfOtherDataAreRefused() {
    for (State state : List.of(new State(0, 0, 10), new State(0, 0, -1), new State(0, -1, 0))) {
      assertThatExceptionOfType(ManticoreException.class)
          .isThrownBy(() -> new BatchSampler(numbers(10), 1, state))
          .withMessageContaining("other data");
    }
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> new BatchSampler(numbers(10), 0, State.start(0)));
  }
}
