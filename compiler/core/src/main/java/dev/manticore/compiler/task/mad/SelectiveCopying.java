package dev.manticore.compiler.task.mad;

import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.task.Faults;
import dev.manticore.compiler.task.Settings;
import dev.manticore.compiler.task.Split;
import dev.manticore.ir.random.Draws;

/**
 * Selective copying (paper.md §6.5): tokens with blanks between, then a sign at which the tokens
 * are to be said again in order, without the blanks.
 *
 * <p>Mended: where the blanks go is drawn from the sample's own numbers, upstream from numbers that
 * no seed fixes; this cannot be restored, and is the same for both here.
 */
final class SelectiveCopying extends MadTask {

  private final int copies;

  SelectiveCopying(String name, Settings settings, long seed, Faults faults) {
    super(name, settings, seed, faults);
    this.copies = settings.integer(MadSettings.COPIES);
    settings.require(vocabulary >= 3, "no tokens are left to copy");
    settings.require(
        length > 2L * copies + 1, "the length must be above twice the tokens to be copied plus 1");
  }

  @Override
  protected Sample draw(Draws draws, Split split) {
    int copy = vocabulary - 1;
    int blank = vocabulary - 2;
    int[] tokens = new int[copies];
    for (int i = 0; i < copies; i++) {
      tokens[i] = draws.below(vocabulary - 2);
    }
    int[] blanksBefore = new int[copies];
    for (int i = length - 2 * copies - 1; i > 0; i--) {
      blanksBefore[draws.below(copies)]++;
    }
    Line line = new Line();
    for (int i = 0; i < copies; i++) {
      for (int blanks = blanksBefore[i]; blanks > 0; blanks--) {
        line.addUnasked(blank);
      }
      line.addUnasked(tokens[i]);
    }
    line.addUnasked(copy);
    for (int token : tokens) {
      line.add(blank, token);
    }
    return line.asIs();
  }

  @Override
  public String symbol(int token) {
    return token == vocabulary - 1
        ? "copy"
        : token == vocabulary - 2 ? "_" : Integer.toString(token);
  }
}
