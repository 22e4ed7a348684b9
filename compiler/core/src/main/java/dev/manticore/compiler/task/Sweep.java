package dev.manticore.compiler.task;

import com.google.common.collect.ImmutableList;

/**
 * A factor of difficulty.
 *
 * @param setting its name
 * @param values the values it takes, all else being as in the baseline, from the nearest to the
 *     baseline on
 */
public record Sweep(String setting, ImmutableList<Double> values) {

  public static Sweep of(String setting, double... values) {
    ImmutableList.Builder<Double> list = ImmutableList.builder();
    for (double value : values) {
      list.add(value);
    }
    return new Sweep(setting, list.build());
  }
}
