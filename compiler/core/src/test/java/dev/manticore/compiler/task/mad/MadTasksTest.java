package dev.manticore.compiler.task.mad;

import static dev.manticore.compiler.task.SampleSets.inputs;
import static dev.manticore.compiler.task.SampleSets.targets;
import static dev.manticore.compiler.task.SampleSets.unevenness;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.task.Faults;
import dev.manticore.compiler.task.SampleSets;
import dev.manticore.compiler.task.Settings;
import dev.manticore.compiler.task.Split;
import dev.manticore.compiler.task.Task;
import dev.manticore.compiler.task.TaskDefinition;
import dev.manticore.ir.ManticoreException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The layouts of paper.md §6, each checked on many samples by a solver that sees inputs alone. */
class MadTasksTest {

  private static final int MANY = 10_000;
  private static final int IGNORED = Sample.IGNORED;

  private static Task task(String name, Faults faults, Object... settings) {
    TaskDefinition definition = MadTasks.byName(name);
    Settings chosen = definition.baseline();
    for (int i = 0; i < settings.length; i += 2) {
      chosen = chosen.with((String) settings[i], ((Number) settings[i + 1]).doubleValue());
    }
    return definition.create(chosen.with("test", MANY).with("training", MANY), 12345, faults);
  }

  private static int[] ignored(int length) {
    int[] targets = new int[length];
    Arrays.fill(targets, IGNORED);
    return targets;
  }

  // ---- In-context recall

  /** Answers every key that came before with the token after its first place. */
  private static int[] recall(int[] inputs, int keys) {
    int[] answers = ignored(inputs.length);
    for (int t = 0; t < inputs.length; t += 2) {
      for (int before = 0; before < t; before += 2) {
        if (inputs[t] < keys && inputs[before] == inputs[t]) {
          answers[t] = inputs[before + 1];
          break;
        }
      }
    }
    return answers;
  }

  @ParameterizedTest
  @CsvSource({
    // The means are those of paper.md §6.1.
    "in-context-recall, 16, 0, 0, 56.0, 0.1",
    "in-context-recall, 128, 0, 0, 23.8, 0.15",
    "noisy-recall, 32, 16, 0.2, 43.6, 0.15",
    "noisy-recall, 144, 16, 0.8, 2.26, 0.05",
  })
  void recallIsAnsweredByWhatCameBefore(
      String name, int vocabulary, int noiseTokens, double noise, double asked, double tolerance) {
    Task task =
        noiseTokens == 0
            ? task(name, Faults.MENDED, "vocabulary", vocabulary)
            : task(name, Faults.MENDED, "vocabulary", vocabulary, "noise", noise);
    int usable = vocabulary - noiseTokens;
    int keys = usable / 2;
    int[] drawn = new int[keys];
    long questions = 0;
    long noisy = 0;
    for (Split split : List.of(Split.TRAINING, Split.TEST)) {
      for (int index = 0; index < MANY; index++) {
        Sample sample = task.sample(split, index);
        int[] inputs = inputs(sample);
        assertThat(inputs).hasSize(127);
        for (int t = 0; t < 126; t += 2) {
          boolean isNoise = inputs[t] >= usable;
          assertThat(inputs[t + 1])
              .isBetween(isNoise ? usable : keys, isNoise ? vocabulary - 1 : usable - 1);
          if (isNoise) {
            noisy++;
          } else {
            assertThat(inputs[t]).isLessThan(keys);
            drawn[inputs[t]]++;
          }
        }
        assertThat(targets(sample)).isEqualTo(recall(inputs, keys));
        assertThat(sample.isAsked(126)).isTrue();
        questions += sample.asked();
      }
    }
    assertThat(questions / (2.0 * MANY)).isCloseTo(asked, within(tolerance));
    assertThat(noisy / (2.0 * MANY * 63)).isCloseTo(noise * 62 / 63, within(0.002));
    assertThat(unevenness(drawn)).isLessThan(5);
  }

  @Test
  void upstreamTrainingAsksForEveryNextTokenOfRecall() {
    for (String name : List.of("in-context-recall", "noisy-recall", "fuzzy-recall")) {
      Task mended = task(name, Faults.MENDED);
      Task upstream = task(name, Faults.UPSTREAM);
      for (int index = 0; index < MANY; index++) {
        Sample sample = upstream.sample(Split.TRAINING, index);
        assertThat(sample.asked()).isEqualTo(sample.length());
        int[] inputs = inputs(sample);
        assertThat(Arrays.copyOf(targets(sample), inputs.length - 1))
            .isEqualTo(Arrays.copyOfRange(inputs, 1, inputs.length));
        assertThat(mended.sample(Split.TRAINING, index).asked()).isLessThan(sample.length());
      }
      assertThat(upstream.sample(Split.TEST, 0).asked())
          .isLessThan(upstream.sample(Split.TEST, 0).length());
    }
  }

  @Test
  void allNoiseIsPossibleUpstreamAloneAndIsDrawnAnew() {
    Task mended = task("noisy-recall", Faults.MENDED, "length", 4, "noise", 1);
    Task upstream = task("noisy-recall", Faults.UPSTREAM, "length", 4, "noise", 1);
    for (int index = 0; index < MANY; index++) {
      for (Task task : List.of(mended, upstream)) {
        Sample sample = task.sample(Split.TEST, index);
        assertThat(targets(sample)).containsExactly(IGNORED, IGNORED, sample.inputs().get(1));
      }
    }
  }

  @Test
  void aSingleQueryIsAskedAfterItsPrefix() {
    Task task = task("in-context-recall", Faults.MENDED, "multi_query", 0, "vocabulary", 17);
    for (int index = 0; index < MANY; index++) {
      Sample sample = task.sample(Split.TEST, index);
      int[] inputs = inputs(sample);
      assertThat(inputs).hasSize(128);
      assertThat(inputs[126]).isEqualTo(16);
      int[] expected = ignored(128);
      int[] without = Arrays.copyOf(inputs, 127);
      without[126] = inputs[127];
      expected[127] = recall(without, 8)[126];
      assertThat(targets(sample)).isEqualTo(expected);
      assertThat(expected[127]).isNotEqualTo(IGNORED);
    }
    assertThat(task.longest()).isEqualTo(128);
  }

  // ---- Fuzzy recall

  /** The answers to keys that came before, and whether the last key is one of them. */
  private record Fuzzy(int[] answers, boolean answerable) {}

  /** Reads runs of key tokens and of value tokens. */
  private static Fuzzy fuzzy(int[] inputs, int keys, int usable, int[] asked, int keyMotif) {
    int[] answers = ignored(inputs.length);
    Map<List<Integer>, List<Integer>> map = new HashMap<>();
    int t = 0;
    while (t < inputs.length && inputs[t] >= usable) {
      t++;
    }
    while (true) {
      List<Integer> key = new ArrayList<>();
      while (t < inputs.length && inputs[t] < keys) {
        key.add(inputs[t++]);
      }
      assertThat(key).hasSizeBetween(1, keyMotif).doesNotHaveDuplicates();
      int last = t - 1;
      List<Integer> value = new ArrayList<>();
      while (t < inputs.length && inputs[t] >= keys && inputs[t] < usable) {
        value.add(inputs[t++]);
      }
      List<Integer> known = map.get(key);
      if (t == inputs.length) {
        // The last value lacks its last token, which is asked for and not read.
        value.add(asked[inputs.length - 1]);
        for (int i = 0; i < value.size(); i++) {
          answers[last + i] = value.get(i);
        }
        assertThat(value).hasSizeBetween(1, 3).doesNotHaveDuplicates();
        return new Fuzzy(answers, value.equals(known));
      }
      assertThat(value).hasSizeBetween(1, 3).doesNotHaveDuplicates();
      if (known != null) {
        assertThat(value).isEqualTo(known);
        for (int i = 0; i < value.size(); i++) {
          answers[last + i] = value.get(i);
        }
      }
      map.put(key, value);
    }
  }

  @ParameterizedTest
  @EnumSource(Faults.class)
  void fuzzyRecallIsAnsweredByWhatCameBefore(Faults faults) {
    Task task = task("fuzzy-recall", faults);
    int unanswerable = 0;
    long questions = 0;
    int[] keySizes = new int[3];
    for (int index = 0; index < MANY; index++) {
      Sample sample = task.sample(Split.TEST, index);
      int[] inputs = inputs(sample);
      assertThat(inputs).hasSize(128);
      Fuzzy solved = fuzzy(inputs, 7, 15, targets(sample), 3);
      assertThat(targets(sample)).isEqualTo(solved.answers());
      unanswerable += solved.answerable() ? 0 : 1;
      // Values are of one to three tokens; the paper counts tokens.
      questions += sample.asked();
      if (faults == Faults.MENDED) {
        Sample training = task.sample(Split.TRAINING, index);
        Fuzzy trained = fuzzy(inputs(training), 7, 15, targets(training), 3);
        assertThat(targets(training)).isEqualTo(trained.answers());
        assertThat(trained.answerable()).isTrue();
        int last = training.length() - 1;
        while (inputs(training)[last] >= 7) {
          last--;
        }
        int size = 1;
        while (inputs(training)[last - size] < 7) {
          size++;
        }
        keySizes[size - 1]++;
      }
    }
    if (faults == Faults.MENDED) {
      assertThat(unanswerable).isZero();
      assertThat(unevenness(keySizes)).isLessThan(5);
    } else {
      // What the published code gives over 200,000 samples: 2.27 % and 4.39 tokens. Paper.md §6.2
      // has 3.25 % and 4.34.
      assertThat(unanswerable / (double) MANY).isCloseTo(0.0227, within(0.006));
      assertThat(questions / (double) MANY).isCloseTo(4.39, within(0.08));
    }
  }

  @Test
  void motifsAreEquallyLikely() {
    // Three key tokens: the last key of a test sample is one of their six orders.
    Task task = task("fuzzy-recall", Faults.MENDED, "vocabulary", 7);
    int[] orders = new int[27];
    for (int index = 0; index < MANY; index++) {
      int[] inputs = inputs(task.sample(Split.TEST, index));
      int last = inputs.length - 1;
      while (inputs[last] >= 3) {
        last--;
      }
      orders[9 * inputs[last - 2] + 3 * inputs[last - 1] + inputs[last]]++;
    }
    int[] there = IntStream.of(orders).filter(count -> count > 0).toArray();
    assertThat(there).hasSize(6);
    assertThat(unevenness(there)).isLessThan(5);
  }

  @Test
  void noiseLiesBetweenFuzzyPairs() {
    Task task =
        task("fuzzy-recall", Faults.MENDED, "vocabulary", 32, "noise_vocabulary", 16, "noise", 0.3);
    long noisy = 0;
    for (int index = 0; index < MANY; index++) {
      Sample sample = task.sample(Split.TEST, index);
      int[] all = inputs(sample);
      // Noise is 15 to 30, padding 31; without them it is a sample as before.
      int[] places = IntStream.range(0, all.length).filter(t -> all[t] < 15).toArray();
      int[] kept = IntStream.of(places).map(t -> all[t]).toArray();
      int[] asked = IntStream.of(places).map(t -> targets(sample)[t]).toArray();
      Fuzzy solved = fuzzy(kept, 7, 15, asked, 3);
      assertThat(asked).isEqualTo(solved.answers());
      assertThat(solved.answerable()).isTrue();
      noisy += IntStream.of(all).filter(token -> token >= 15 && token < 31).count();
    }
    assertThat(noisy / (128.0 * MANY)).isBetween(0.2, 0.3);
  }

  // ---- Memorization

  @Test
  void memorizationHasOneInjectiveMap() {
    Task task = task("memorization", Faults.MENDED);
    Map<Integer, Integer> map = new HashMap<>();
    int[] drawn = new int[127];
    for (Split split : Split.values()) {
      for (int index = 0; index < (split == Split.VALIDATION ? 1000 : MANY); index++) {
        Sample sample = task.sample(split, index);
        assertThat(sample.length()).isEqualTo(32);
        for (int t = 0; t < 32; t += 2) {
          int key = sample.inputs().get(t);
          assertThat(sample.inputs().get(t + 1)).isEqualTo(255);
          assertThat(sample.isAsked(t)).isFalse();
          int value = sample.targets().get(t + 1);
          assertThat(value).isBetween(127, 254);
          assertThat(map.computeIfAbsent(key, unseen -> value)).isEqualTo(value);
          drawn[key]++;
        }
      }
    }
    assertThat(map).hasSize(127);
    assertThat(map.values()).doesNotHaveDuplicates();
    assertThat(unevenness(drawn)).isLessThan(5);
    Task other =
        MadTasks.byName("memorization")
            .create(MadTasks.byName("memorization").baseline(), 1, Faults.MENDED);
    assertThat(other.sample(Split.TEST, 0).targets())
        .isNotEqualTo(task.sample(Split.TEST, 0).targets());
  }

  @ParameterizedTest
  @EnumSource(Faults.class)
  void memorizedKeysAreNoNoiseUnlessUpstream(Faults faults) {
    Task task = task("memorization", faults, "vocabulary", 17, "noise_vocabulary", 6, "noise", 0.5);
    Set<Integer> noise = new HashSet<>();
    Set<Integer> answers = new HashSet<>();
    for (int index = 0; index < MANY; index++) {
      Sample sample = task.sample(Split.TEST, index);
      assertThat(sample.asked()).isPositive();
      for (int t = 0; t < 32; t += 2) {
        if (sample.inputs().get(t + 1) == 16) {
          answers.add(sample.targets().get(t + 1));
        } else {
          assertThat(sample.isAsked(t) || sample.isAsked(t + 1)).isFalse();
          noise.add(sample.inputs().get(t));
          noise.add(sample.inputs().get(t + 1));
        }
      }
    }
    assertThat(noise).containsExactlyInAnyOrder(10, 11, 12, 13, 14, 15);
    if (faults == Faults.MENDED) {
      assertThat(answers).isSubsetOf(5, 6, 7, 8, 9).hasSize(5);
    } else {
      assertThat(answers).isSubsetOf(8, 9, 10, 11, 12, 13, 14, 15).hasSize(8);
    }
  }

  // ---- Compression

  @Test
  void compressionAsksForItsInput() {
    Task task = task("compression", Faults.MENDED);
    assertThat(task.kind()).isEqualTo(Task.Kind.RECONSTRUCTION);
    int[] drawn = new int[15];
    for (int index = 0; index < MANY; index++) {
      Sample sample = task.sample(Split.TEST, index);
      assertThat(sample.length()).isEqualTo(32);
      assertThat(sample.targets()).isEqualTo(sample.inputs());
      assertThat(sample.inputs().get(31)).isEqualTo(15);
      sample.inputs().subArray(0, 31).forEach(token -> drawn[token]++);
    }
    assertThat(unevenness(drawn)).isLessThan(5);
  }

  @ParameterizedTest
  @EnumSource(Faults.class)
  void compressionAsksForNoiseUpstreamAlone(Faults faults) {
    Task task = task("compression", faults, "noise_vocabulary", 4, "noise", 0.25);
    long noisy = 0;
    for (int index = 0; index < MANY; index++) {
      Sample sample = task.sample(Split.TEST, index);
      for (int t = 0; t < 32; t++) {
        int token = sample.inputs().get(t);
        boolean isNoise = token >= 11 && token < 15;
        noisy += isNoise ? 1 : 0;
        assertThat(sample.targets().get(t))
            .isEqualTo(isNoise && faults == Faults.MENDED ? IGNORED : token);
      }
    }
    assertThat(noisy / (31.0 * MANY)).isCloseTo(0.25, within(0.005));
  }

  // ---- Selective copying

  @ParameterizedTest
  @CsvSource({"16, 256, 16", "128, 256, 96", "16, 34, 16"})
  void selectiveCopyingLeavesOutTheBlanks(int vocabulary, int length, int copies) {
    Task task =
        task(
            "selective-copying",
            Faults.MENDED,
            "vocabulary",
            vocabulary,
            "length",
            length,
            "copies",
            copies);
    int[] drawn = new int[vocabulary - 2];
    int[] blanksBefore = new int[copies];
    for (int index = 0; index < MANY; index++) {
      Sample sample = task.sample(Split.TEST, index);
      int[] inputs = inputs(sample);
      assertThat(inputs).hasSize(length);
      int sign = length - copies - 1;
      assertThat(inputs[sign]).isEqualTo(vocabulary - 1);
      assertThat(inputs[sign - 1]).isLessThan(vocabulary - 2);
      int[] said =
          IntStream.range(0, sign)
              .map(t -> inputs[t])
              .filter(token -> token != vocabulary - 2)
              .toArray();
      int[] expected = ignored(length);
      System.arraycopy(said, 0, expected, length - copies, said.length);
      assertThat(said).hasSize(copies);
      assertThat(targets(sample)).isEqualTo(expected);
      assertThat(Arrays.copyOfRange(inputs, sign + 1, length)).containsOnly(vocabulary - 2);
      IntStream.of(said).forEach(token -> drawn[token]++);
      int token = 0;
      for (int t = 0; t < sign; t++) {
        if (inputs[t] == vocabulary - 2) {
          blanksBefore[token]++;
        } else {
          token++;
        }
      }
    }
    assertThat(unevenness(drawn)).isLessThan(5);
    assertThat(unevenness(blanksBefore)).isLessThan(5);
  }

  // ---- All

  @ParameterizedTest
  @ValueSource(
      strings = {
        "in-context-recall",
        "fuzzy-recall",
        "noisy-recall",
        "selective-copying",
        "memorization",
        "compression"
      })
  void samplesAreMadeAloneAndPartsDiffer(String name) {
    Task task = task(name, Faults.MENDED);
    Sample far = task.sample(Split.TEST, MANY - 1);
    Set<Sample> seen = new HashSet<>();
    for (Split split : Split.values()) {
      SampleSets.of(task, split, 1000).forEach(seen::add);
    }
    assertThat(seen).hasSize(3000);
    assertThat(task.sample(Split.TEST, MANY - 1)).isEqualTo(far);
    assertThat(seen)
        .allMatch(
            sample ->
                sample.inputs().stream()
                        .allMatch(token -> token >= 0 && token < task.vocabularySize())
                    && sample.length() <= task.longest());
    assertThatThrownBy(() -> task.sample(Split.TEST, MANY))
        .isInstanceOf(IndexOutOfBoundsException.class);
    Task again = task(name, Faults.MENDED);
    assertThat(again.fingerprint()).isEqualTo(task.fingerprint());
    assertThat(task(name, Faults.UPSTREAM).fingerprint()).isNotEqualTo(task.fingerprint());
  }

  @Test
  void theBenchmarkHasSixtySixSettings() {
    ImmutableList<Settings> all =
        MadTasks.ALL.values().stream()
            .flatMap(definition -> definition.benchmark().stream())
            .collect(ImmutableList.toImmutableList());
    assertThat(all).hasSize(66).doesNotHaveDuplicates();
    MadTasks.ALL.forEach(
        (name, definition) -> {
          for (Settings settings : definition.benchmark()) {
            Task task = definition.create(settings, 1, Faults.MENDED);
            assertThat(task.sample(Split.TEST, 0).length()).as(name).isEqualTo(task.longest());
          }
        });
  }

  @Test
  void theHardSettingsAreThePapers() {
    assertThat(
            MadTasks.ALL.values().stream()
                .map(task -> task.name() + " " + task.hard(Faults.MENDED))
                .toList())
        .containsExactly(
            "in-context-recall vocabulary=128 length=128 training=800 validation=1280 test=1280"
                + " multi_query=true",
            "fuzzy-recall vocabulary=128 length=128 training=800 validation=1280 test=1280"
                + " key_motif=3 value_motif=3 noise_vocabulary=0 noise=0.0 multi_query=true",
            "noisy-recall vocabulary=144 length=128 training=800 validation=1280 test=1280"
                + " noise_vocabulary=16 noise=0.8 multi_query=true",
            "selective-copying vocabulary=128 length=256 training=800 validation=1280 test=1280"
                + " copies=96",
            "memorization vocabulary=8192 length=32 training=256 validation=1280 test=1280"
                + " noise_vocabulary=0 noise=0.0",
            "compression vocabulary=16 length=32 training=12800 validation=1280 test=1280"
                + " noise_vocabulary=0 noise=0.0");
    assertThat(MadTasks.byName("selective-copying").hard(Faults.UPSTREAM).toString())
        .endsWith("copies=16");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "in-context-recall; lenght; 64; did you mean 'length'?",
        "in-context-recall; copies; 64; has no setting 'copies'",
        "in-context-recall; length; 63; the length must be even",
        "in-context-recall; length; many; takes for length a whole number from 2 to 1048576, not many",
        "in-context-recall; length; 64.5; takes for length a whole number",
        "in-context-recall; multi_query; 2; takes for multi_query true or false, not 2",
        "noisy-recall; noise; 1.5; takes for noise a number from 0.0 to 1.0, not 1.5",
        "noisy-recall; vocabulary; 17; no tokens are left for keys and values",
        "noisy-recall; noise_vocabulary; 0; which is empty",
        "fuzzy-recall; length; 16; at least three times the longest key and value",
        "fuzzy-recall; key_motif; 8; there are 7 for keys",
        "memorization; length; 31; the length must be even",
        "memorization; noise_vocabulary; 300; no tokens are left",
        "compression; noise_vocabulary; 15; no tokens are left to compress",
        "selective-copying; copies; 128; the length must be above twice",
        "selective-copying; vocabulary; 2; no tokens are left to copy",
      })
  void settingsThatAreNone(String name, String setting, String value, String message) {
    TaskDefinition definition = MadTasks.byName(name);
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(
            () -> definition.create(definition.baseline().with(setting, value), 1, Faults.MENDED))
        .withMessageContaining(message)
        .satisfies(e -> assertThat(e.code()).isEqualTo("MNT-TASK"));
  }

  @Test
  void namesThatAreNone() {
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> MadTasks.byName("memorisation"))
        .withMessage("There is no MAD task 'memorisation'; did you mean 'memorization'?");
  }

  @ParameterizedTest
  @CsvSource({
    "in-context-recall, MENDED, 6feb4b86b84a56450dc0811d51f1dc39dbb62597007dce64e056e0550c43c8b8",
    "in-context-recall, UPSTREAM, fcf8510593ed5e75c2daedaa1c1bfce94742c0f3050b1b55714251a7065edf67",
    "fuzzy-recall, MENDED, cea673a82684daa4c15fa8db584bf01a4f9581a4e6f7aa82fc08060f41cb4bb2",
    "fuzzy-recall, UPSTREAM, 6db5a5767d176299b8615223cc2f8153c864eeb3ebb6301927a7b7862f8b8d37",
    "noisy-recall, MENDED, 885ccfd8e2e4f7f1677c9df4a4e4cff8411f933c9fca90da4d5b25954d492b8f",
    "noisy-recall, UPSTREAM, ee447758f2817fc7fcb941b6ade0a1a17a908066ef3a9e36a7084584b9607792",
    "selective-copying, MENDED, 546c45081ca467dcb9ff5fb415c79033d890e52aff7831a6191c891063e75192",
    "selective-copying, UPSTREAM, 34878922b82c860aa19b961dddab550897564c82400f4cc6e642013c06c8719f",
    "memorization, MENDED, 78378af104214e2acc1af4e79bad935c30fbfe2b797ee77fdf1ef669c030675a",
    "memorization, UPSTREAM, 78378af104214e2acc1af4e79bad935c30fbfe2b797ee77fdf1ef669c030675a",
    "compression, MENDED, ac52c4908846463cedae6606acbdb468a60615c9ad241c775372c54468835649",
    "compression, UPSTREAM, ac52c4908846463cedae6606acbdb468a60615c9ad241c775372c54468835649",
  })
  void sameSamplesOnEveryMachine(String name, Faults faults, String hash) {
    TaskDefinition definition = MadTasks.byName(name);
    Task task = definition.create(definition.hard(faults), 42, faults);
    assertThat(SampleSets.hash(task, 100)).isEqualTo(hash);
  }
}
