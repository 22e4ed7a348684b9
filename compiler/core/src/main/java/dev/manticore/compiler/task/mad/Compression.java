package dev.manticore.compiler.task.mad;

import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.task.Faults;
import dev.manticore.compiler.task.Settings;
import dev.manticore.compiler.task.Split;
import dev.manticore.ir.random.Draws;

/**
 * Compression (paper.md §6.4): random tokens, then one at which all that was read is to be in the
 * hidden state. The whole input is asked for, by a head that sees that last hidden state alone:
 * target t is what it says when it is asked for position t.
 *
 * <p>Mended: where noise stands nothing is asked; upstream the noise itself is.
 */
final class Compression extends MadTask {

  private final int usable;

  Compression(String name, Settings settings, long seed, Faults faults) {
    super(name, settings, seed, faults);
    this.usable = vocabulary - 1 - noiseVocabulary;
    settings.require(usable >= 1, "no tokens are left to compress");
  }

  @Override
  public Kind kind() {
    return Kind.RECONSTRUCTION;
  }

  @Override
  protected Sample draw(Draws draws, Split split) {
    Line line = new Line();
    for (int i = 0; i < length - 1; i++) {
      if (noise > 0 && draws.unit() < noise) {
        int token = usable + draws.below(noiseVocabulary);
        line.add(token, isUpstream() ? token : Sample.IGNORED);
      } else {
        line.addAsked(draws.below(usable));
      }
    }
    line.addAsked(vocabulary - 1);
    return line.asIs();
  }

  @Override
  public String symbol(int token) {
    return token == vocabulary - 1
        ? "compress"
        : token >= usable ? "noise" + (token - usable) : Integer.toString(token);
  }
}
