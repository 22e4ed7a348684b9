package dev.manticore.compiler.lower;

import dev.manticore.ir.ManticoreException;

/**
 * How much a decoder with states of a fixed size is made for.
 *
 * @param batch the most sequences of a run
 * @param prompt the most tokens that are read at once, where that has to be known
 * @param capacity the most tokens of a sequence
 */
public record DecodeLimits(int batch, int prompt, int capacity) {

  /** What is made unless something else is asked for. */
  public static final DecodeLimits DEFAULT = new DecodeLimits(8, 256, 1024);

  /**
   * @throws ManticoreException {@code MNT-TARGET} if nothing fits within
   */
  public DecodeLimits {
    if (batch < 1 || prompt < 2 || capacity < prompt) {
      throw new ManticoreException(
          "MNT-TARGET",
          "a decoder needs a batch of 1 or more, and prompts of 2 tokens or more and of no more than"
              + " its capacity; not "
              + batch
              + ", "
              + prompt
              + " and "
              + capacity);
    }
  }

  /**
   * With no room for more tokens than a model has positions for.
   *
   * @param longest in tokens, 0 for any
   */
  public DecodeLimits within(long longest) {
    return longest == 0 || longest >= capacity
        ? this
        : new DecodeLimits(batch, (int) Math.min(prompt, longest), (int) longest);
  }
}
