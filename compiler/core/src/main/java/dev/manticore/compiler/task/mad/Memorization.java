package dev.manticore.compiler.task.mad;

import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.task.Faults;
import dev.manticore.compiler.task.Settings;
import dev.manticore.compiler.task.Split;
import dev.manticore.ir.random.Draws;

/**
 * Memorization (paper.md §6.3): keys, each followed by a place to fill with the value that one map,
 * the same for all sequences of a seed, gives it. Nothing in a sequence tells the values: they are
 * learned.
 *
 * <p>Mended: keys and values leave out the tokens of noise, where upstream they are made as if
 * there were none.
 */
final class Memorization extends MadTask {

  /** The value of each key. */
  private final int[] map;

  Memorization(String name, Settings settings, long seed, Faults faults) {
    super(name, settings, seed, faults);
    int usable = vocabulary - 1 - (isUpstream() ? 0 : noiseVocabulary);
    settings.require(length % 2 == 0, "the length must be even");
    settings.require(usable >= 2, "no tokens are left for keys and values");
    settings.require(
        noiseVocabulary < vocabulary, "the noise_vocabulary is larger than the vocabulary");
    int keys = usable / 2;
    Draws draws = ownDraws();
    int[] order = draws.permutation(usable - keys);
    this.map = new int[keys];
    for (int key = 0; key < keys; key++) {
      map[key] = keys + order[key];
    }
  }

  @Override
  protected Sample draw(Draws draws, Split split) {
    int slots = length / 2;
    int safe = draws.below(slots);
    int firstNoise = vocabulary - 1 - noiseVocabulary;
    Line line = new Line();
    for (int slot = 0; slot < slots; slot++) {
      if (noise > 0 && slot != safe && draws.unit() < noise) {
        line.addUnasked(firstNoise + draws.below(noiseVocabulary));
        line.addUnasked(firstNoise + draws.below(noiseVocabulary));
        continue;
      }
      int key = draws.below(map.length);
      line.addUnasked(key);
      line.add(vocabulary - 1, map[key]);
    }
    return line.asIs();
  }

  @Override
  public String symbol(int token) {
    return token == vocabulary - 1
        ? "insert"
        : !isUpstream() && token >= vocabulary - 1 - noiseVocabulary
            ? "noise" + (token - (vocabulary - 1 - noiseVocabulary))
            : token < map.length ? "k" + token : "v" + (token - map.length);
  }
}
