package dev.manticore.compiler.report;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.experiment.Comparison.Parity;
import dev.manticore.compiler.statistics.PairedTest;

/** The columns of numbers that tables of differences have, on pages and on terminals. */
final class DifferenceColumns {

  /** Heads of {@link #test} and {@link #parities}, in this order. */
  static final ImmutableList<String> HEADS =
      ImmutableList.of(
          "difference",
          "95 % interval",
          "p, t-test",
          "p, sign flips",
          "parameters",
          "steps",
          "tokens");

  private DifferenceColumns() {}

  static ImmutableList<String> test(PairedTest test) {
    return ImmutableList.of(
        Numbers.signed(test.differences().mean()),
        Numbers.interval(test.interval()),
        Numbers.p(test.tTest()),
        Numbers.p(test.signFlip()));
  }

  static ImmutableList<String> parities(Parity parameters, Parity steps, Parity tokens) {
    return ImmutableList.of(
        Numbers.parity(parameters), Numbers.parity(steps), Numbers.parity(tokens));
  }
}
