package dev.manticore.compiler.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.google.common.primitives.ImmutableIntArray;
import dev.manticore.compiler.data.BatchSampler.State;
import dev.manticore.ir.ManticoreException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

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

  /**
   * Sequence i reads the token i as often as it is long, and asks for it each time.
   *
   * @param longest what all are padded to
   */
  private record Uneven(int[] lengths, int longest, int buckets) implements TokenDataset {
    @Override
    public int size() {
      return lengths.length;
    }

    @Override
    public int length() {
      return longest;
    }

    @Override
    public int length(int sequence) {
      return lengths[sequence];
    }

    @Override
    public long tokenCount() {
      return Arrays.stream(lengths).sum();
    }

    @Override
    public Batch batch(int... sequences) {
      List<Sample> samples = new ArrayList<>();
      for (int sequence : sequences) {
        int[] tokens = new int[lengths[sequence]];
        Arrays.fill(tokens, sequence);
        ImmutableIntArray read = ImmutableIntArray.copyOf(tokens);
        samples.add(new Sample(read, read));
      }
      return Batch.of(samples, longest, 999);
    }

    @Override
    public String hash() {
      return Arrays.hashCode(lengths) + ":" + longest + ":" + buckets;
    }
  }

  /** 50 sequences of 1 to 20 tokens. */
  private static Uneven uneven(int buckets) {
    return new Uneven(IntStream.range(0, 50).map(i -> 1 + i * 7 % 20).toArray(), 20, buckets);
  }

  /** What is asked of each token, by how often. */
  private static Map<Long, Long> asked(List<Batch> batches) {
    return batches.stream()
        .flatMapToLong(batch -> Arrays.stream(batch.labels()))
        .filter(label -> label != Sample.IGNORED)
        .boxed()
        .collect(Collectors.groupingBy(label -> label, TreeMap::new, Collectors.counting()));
  }

  private static Set<Integer> lengths(List<Batch> batches) {
    return batches.stream().map(Batch::length).collect(Collectors.toSet());
  }

  private static List<Batch> next(BatchSampler sampler, int batches) {
    return Stream.generate(sampler::next).limit(batches).toList();
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 4, 8})
  void anEpochOfBucketsAsksForEverySequenceOnce(int buckets) {
    Uneven dataset = uneven(buckets);
    BatchSampler sampler = new BatchSampler(dataset, 8, State.start(3));
    List<Batch> first = next(sampler, 7);
    assertThat(sampler.state()).isEqualTo(new State(3, 1, 0));
    List<Batch> second = next(sampler, 7);
    assertThat(sampler.state()).isEqualTo(new State(3, 2, 0));

    Map<Long, Long> all = new TreeMap<>();
    for (int i = 0; i < dataset.size(); i++) {
      all.put((long) i, (long) dataset.length(i));
    }
    assertThat(asked(first)).isEqualTo(all);
    assertThat(asked(second)).isEqualTo(all);
    assertThat(first.stream().map(Batch::inputs).toList())
        .isNotEqualTo(second.stream().map(Batch::inputs).toList());
    assertThat(lengths(first)).hasSizeGreaterThan(1).isSubsetOf(lengths(second));
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 4, 8})
  void aBatchIsAsLongAsTheBucketOfItsLongestSequence(int buckets) {
    BatchSampler sampler = new BatchSampler(uneven(buckets), 8, State.start(3));
    long tokens = 0;
    for (Batch batch : next(sampler, 20)) {
      int longest = 1;
      for (int i = 0; i < batch.labels().length; i++) {
        if (batch.labels()[i] != Sample.IGNORED) {
          longest = Math.max(longest, i % batch.length() + 1);
        }
      }
      assertThat(batch.size()).isEqualTo(8);
      int needed = longest;
      assertThat(batch.length())
          .isEqualTo(
              IntStream.rangeClosed(1, buckets)
                  .map(k -> (int) Math.ceil(20.0 * k / buckets))
                  .filter(length -> length >= needed)
                  .min()
                  .getAsInt());
      tokens += batch.inputs().length;
    }
    assertThat(sampler.tokens()).isEqualTo(tokens).isLessThan(20 * 8 * 20);
  }

  @Test
  void resumedSamplerOfBucketsGoesOnIdentically() {
    for (int before = 0; before < 15; before++) {
      BatchSampler whole = new BatchSampler(uneven(4), 8, State.start(9));
      next(whole, before);
      BatchSampler resumed = new BatchSampler(uneven(4), 8, whole.state());
      assertThat(resumed.tokens()).isEqualTo(whole.tokens());
      assertThat(draw(resumed, 9)).isEqualTo(draw(whole, 9));
    }
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> new BatchSampler(uneven(4), 8, new State(9, 0, 7)))
        .withMessageContaining("other data");
  }

  @Test
  void tokensOfBatchesOfOneLength() {
    BatchSampler sampler = new BatchSampler(uneven(1), 8, State.start(3));
    assertThat(sampler.tokens()).isZero();
    next(sampler, 13);
    assertThat(sampler.tokens()).isEqualTo(13 * 8 * 20);
  }
}
