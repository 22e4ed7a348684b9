package dev.manticore.compiler.statistics;

import com.google.common.collect.ImmutableList;

/** Hours of sleep gained by ten patients with two drugs, from Student, Biometrika 6 (1908). */
final class SleepData {

  static final Sample FIRST =
      new Sample(ImmutableList.of(0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0));
  static final Sample SECOND =
      new Sample(ImmutableList.of(1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4));

  private SleepData() {}
}
