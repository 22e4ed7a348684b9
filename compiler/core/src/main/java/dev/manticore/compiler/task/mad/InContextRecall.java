package dev.manticore.compiler.task.mad;

import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.task.Faults;
import dev.manticore.compiler.task.Settings;
import dev.manticore.compiler.task.Split;
import dev.manticore.ir.random.Draws;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * In-context recall (paper.md §6.1): pairs of a key and a value; a key that comes again must be
 * answered with its value, and the last token is a key that came before. With noise, pairs of noise
 * tokens lie between.
 *
 * <p>Mended: the pair that is never noise is one of those that are drawn, so that there always is a
 * key to ask for; and training asks for answers alone, as testing does, where upstream it asks for
 * every next token, most of which nothing tells.
 */
final class InContextRecall extends MadTask {

  private final boolean multiQuery;
  private final int keys;
  private final int values;

  InContextRecall(String name, Settings settings, long seed, Faults faults) {
    super(name, settings, seed, faults);
    this.multiQuery = settings.flag(MadSettings.MULTI_QUERY);
    int usable = (multiQuery ? vocabulary : vocabulary - 1) - noiseVocabulary;
    settings.require(length % 2 == 0 && length >= 4, "the length must be even and at least 4");
    settings.require(usable >= 2, "no tokens are left for keys and values");
    this.keys = usable / 2;
    this.values = usable - keys;
  }

  @Override
  public int longest() {
    return multiQuery ? length - 1 : length;
  }

  @Override
  protected Sample draw(Draws draws, Split split) {
    int pairs = length / 2;
    Line line = new Line();
    Map<Integer, Integer> map = new LinkedHashMap<>();
    // Upstream a sequence may be all noise, and then fails; it is drawn anew.
    while (map.isEmpty()) {
      line = new Line();
      int safe = draws.below(isUpstream() ? pairs : pairs - 1);
      for (int pair = 0; pair < pairs - 1; pair++) {
        if (noise > 0 && pair != safe && draws.unit() < noise) {
          line.addUnasked(noiseToken(draws), noiseToken(draws));
          continue;
        }
        int key = draws.below(keys);
        boolean known = map.containsKey(key);
        int value = map.computeIfAbsent(key, unseen -> keys + draws.below(values));
        line.addUnasked(key);
        line.add(value, known && multiQuery ? value : Sample.IGNORED);
      }
    }
    if (!multiQuery) {
      line.addUnasked(vocabulary - 1);
    }
    List<Integer> presented = new ArrayList<>(map.keySet());
    int asked = draws.pick(presented);
    line.addUnasked(asked);
    line.addAsked(map.get(asked));
    return line.shifted(isUpstream() && split == Split.TRAINING);
  }

  private int noiseToken(Draws draws) {
    return keys + values + draws.below(noiseVocabulary);
  }

  @Override
  public String symbol(int token) {
    return token < keys
        ? "k" + token
        : token < keys + values
            ? "v" + (token - keys)
            : token < keys + values + noiseVocabulary ? "noise" + (token - keys - values) : "copy";
  }
}
