package dev.manticore.compiler.trial;

import dev.manticore.ir.ManticoreException;

/**
 * The size of a model that is trained from scratch.
 *
 * @param width of the residual stream
 * @param blocks each of one layer of a GPT-Neo, of two of a Mamba
 * @param heads of an attention
 * @param state of a channel of a Mamba
 */
public record ModelSize(int width, int blocks, int heads, int state) {

  /**
   * @throws ManticoreException {@code MNT-MODEL} if there is no such model
   */
  public ModelSize {
    require(width >= 2 && width <= 1 << 16 && width % 2 == 0, "width", width, "even, from 2 on");
    require(blocks >= 2 && blocks <= 256, "blocks", blocks, "from 2 to 256");
    require(heads >= 1 && width % heads == 0, "heads", heads, "a divisor of the width, " + width);
    require(state >= 1 && state <= 1024, "state", state, "from 1 to 1024");
  }

  private static void require(boolean holds, String what, int value, String should) {
    if (!holds) {
      throw new ManticoreException(
          "MNT-MODEL", "a model's " + what + " is " + value + ", but should be " + should);
    }
  }
}
