package dev.manticore.compiler.data;

import com.google.common.primitives.ImmutableIntArray;

/**
 * One sequence and what is asked at each of its tokens. Targets are aligned: the target of position
 * t is what a model should say when it has read the tokens up to t, so that a loss takes them as
 * they are, without a shift.
 *
 * @param inputs the tokens read
 * @param targets for each of them the class or token asked for, or {@link #IGNORED}
 */
public record Sample(ImmutableIntArray inputs, ImmutableIntArray targets) {

  /** The target of a position where nothing is asked; the loss and all metrics leave it out. */
  public static final int IGNORED = -100;

  public Sample {
    if (inputs.length() != targets.length()) {
      throw new IllegalArgumentException(
          inputs.length() + " inputs have " + targets.length() + " targets");
    }
  }

  /** A sequence whose class is asked when all of it has been read, at its last token. */
  public static Sample classified(ImmutableIntArray inputs, int label) {
    ImmutableIntArray.Builder targets = ImmutableIntArray.builder(inputs.length());
    for (int i = 1; i < inputs.length(); i++) {
      targets.add(IGNORED);
    }
    return new Sample(inputs, targets.add(label).build());
  }

  public int length() {
    return inputs.length();
  }

  /** Whether something is asked at a position. */
  public boolean isAsked(int position) {
    return targets.get(position) != IGNORED;
  }

  /** The number of positions where something is asked. */
  public int asked() {
    int count = 0;
    for (int i = 0; i < length(); i++) {
      count += isAsked(i) ? 1 : 0;
    }
    return count;
  }
}
