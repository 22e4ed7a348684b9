package dev.manticore.compiler.task.mad;

import com.google.common.primitives.ImmutableIntArray;
import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.task.Faults;
import dev.manticore.compiler.task.Settings;
import dev.manticore.compiler.task.Split;
import dev.manticore.ir.random.Draws;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/**
 * Fuzzy in-context recall (paper.md §6.2): as {@link InContextRecall}, with keys and values of
 * several tokens each. Training has keys of all sizes, the other parts the largest only. Padded on
 * the left.
 *
 * <p>Mended: the pair that is asked for at the end is always put in before, where upstream 2 % of
 * the sequences end too early for it; and training asks for answers alone.
 */
final class FuzzyRecall extends MadTask {

  private final boolean multiQuery;
  private final int keyMotif;
  private final int valueMotif;
  private final int keys;
  private final int values;

  FuzzyRecall(String name, Settings settings, long seed, Faults faults) {
    super(name, settings, seed, faults);
    this.multiQuery = settings.flag(MadSettings.MULTI_QUERY);
    this.keyMotif = settings.integer(MadSettings.KEY_MOTIF);
    this.valueMotif = settings.integer(MadSettings.VALUE_MOTIF);
    int usable = vocabulary - (multiQuery ? 1 : 2) - noiseVocabulary;
    this.keys = Math.max(0, usable / 2);
    this.values = usable - keys;
    settings.require(
        keys >= keyMotif && values >= valueMotif,
        "the tokens of a motif differ, and there are "
            + keys
            + " for keys and "
            + values
            + " for values");
    settings.require(
        length >= 3 * (keyMotif + valueMotif),
        "the length must be at least three times the longest key and value together");
  }

  @Override
  protected Sample draw(Draws draws, Split split) {
    boolean training = split == Split.TRAINING;
    ImmutableIntArray askedKey = key(draws, training);
    ImmutableIntArray askedValue = value(draws);
    int asked = askedKey.length() + askedValue.length();
    int most = keyMotif + valueMotif;
    int end = length - asked - most;
    // From there on the pair is put in. Up to end - most the loop is sure to come by; upstream it
    // may be later.
    int from = isUpstream() ? draws.below(length - 2 * asked) : draws.below(end - most + 1);
    Map<ImmutableIntArray, ImmutableIntArray> map = new HashMap<>();
    Set<ImmutableIntArray> presented = new HashSet<>();
    boolean added = false;
    Line line = new Line();
    while (line.size() < end) {
      ImmutableIntArray key = key(draws, training);
      if (line.size() >= from && !added) {
        line.addUnasked(askedKey.toArray());
        line.addUnasked(askedValue.toArray());
        map.put(askedKey, askedValue);
        presented.add(askedKey);
        added = true;
        continue;
      }
      ImmutableIntArray fresh = value(draws);
      if (noise > 0 && draws.unit() < noise) {
        for (int i = key.length() + fresh.length(); i > 0; i--) {
          line.addUnasked(keys + values + draws.below(noiseVocabulary));
        }
        continue;
      }
      added |= key.equals(askedKey);
      ImmutableIntArray value =
          key.equals(askedKey) ? askedValue : map.computeIfAbsent(key, unseen -> fresh);
      line.addUnasked(key.toArray());
      if (!presented.add(key) && multiQuery) {
        line.addAsked(value.toArray());
      } else {
        line.addUnasked(value.toArray());
      }
    }
    if (!multiQuery) {
      line.addUnasked(vocabulary - 1);
    }
    line.addUnasked(askedKey.toArray());
    line.addAsked(askedValue.toArray());
    return padded(line, length + 1).shifted(isUpstream() && training);
  }

  private Line padded(Line line, int wanted) {
    Sample sample = line.asIs();
    Line padded = new Line();
    for (int i = line.size(); i < wanted; i++) {
      padded.add(multiQuery ? vocabulary - 1 : vocabulary - 2, Sample.IGNORED);
    }
    for (int i = 0; i < line.size(); i++) {
      padded.add(sample.inputs().get(i), sample.targets().get(i));
    }
    return padded;
  }

  private ImmutableIntArray key(Draws draws, boolean anySize) {
    return motif(draws, anySize ? draws.between(1, keyMotif) : keyMotif, 0, keys);
  }

  private ImmutableIntArray value(Draws draws) {
    return motif(draws, draws.between(1, valueMotif), keys, values);
  }

  /** Different tokens of {@code first} to {@code first + count - 1}, in any order. */
  private static ImmutableIntArray motif(Draws draws, int size, int first, int count) {
    int[] tokens = new int[size];
    for (int i = 0; i < size; i++) {
      tokens[i] = first + draws.below(count);
      for (int j = 0; j < i; j++) {
        if (tokens[j] == tokens[i]) {
          // Drawing the one token anew keeps all arrangements equally likely.
          i--;
          break;
        }
      }
    }
    return ImmutableIntArray.copyOf(tokens);
  }

  @Override
  public String symbol(int token) {
    return token < keys
        ? "k" + token
        : token < keys + values
            ? "v" + (token - keys)
            : token < keys + values + noiseVocabulary
                ? "noise" + (token - keys - values)
                : token == keys + values + noiseVocabulary ? "pad" : "copy";
  }
}
