package dev.manticore.compiler.lower;

import static dev.manticore.ir.rewrite.Pattern.any;
import static dev.manticore.ir.rewrite.Pattern.op;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.pass.Pass;
import dev.manticore.ir.rewrite.Rewrite;
import dev.manticore.ir.rewrite.Rule;

/**
 * Makes {@code x sigmoid(x)} the operator of ours that it is, before a model is differentiated: its
 * gradient is one operator then, of x alone, instead of six that move as many values each and need
 * the sigmoid.
 */
public final class FuseSilu {

  private FuseSilu() {}

  public static Pass pass() {
    return new Rewrite(
        "fuse-silu",
        ImmutableSet.of(),
        ImmutableList.of(
            Rule.named("silu")
                .matching(op("Mul", any("x"), op("Sigmoid", any("x"))))
                .replacedBy(
                    (match, ops) -> ops.own("Silu", Attributes.NONE, 1, match.value("x")).get(0))));
  }
}
