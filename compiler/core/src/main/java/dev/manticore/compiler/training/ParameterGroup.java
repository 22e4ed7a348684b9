package dev.manticore.compiler.training;

import com.google.common.collect.ImmutableList;

/**
 * Parameters that are trained alike: one learning rate, one decay, one norm for clipping.
 *
 * @param name names the group's inputs and outputs in step graphs: {@code settings.<name>}, {@code
 *     norm.<name>}
 * @param decayed parameters under weight decay
 * @param plain parameters never decayed: norms, biases, {@code A_log}, {@code D}, mixture weights
 */
public record ParameterGroup(
    String name, ImmutableList<String> decayed, ImmutableList<String> plain) {

  /** All parameters of the group, in a fixed order. */
  public ImmutableList<String> parameters() {
    return ImmutableList.<String>builder().addAll(decayed).addAll(plain).build();
  }
}
