package dev.manticore.runtime;

import dev.manticore.ir.ManticoreException;
import java.util.Arrays;

/**
 * Checks that the inputs of a node are what its kernel takes: a kernel reads memory by the shapes
 * that it is given.
 *
 * <p>Each check throws {@code MNT-RUNTIME-KERNEL} with the kernel, the input and its shape.
 */
public record Operands(String kernel, KernelContext context) {

  /** The shape of an input, of this rank at least. */
  public long[] shape(int input, int rank) {
    long[] shape = context.inputShape(input);
    check(input, shape.length >= rank);
    return shape;
  }

  /** Checks that inputs have the shape of the first. */
  public void checkSame(int first, int... others) {
    long[] shape = context.inputShape(first);
    for (int other : others) {
      checkShape(other, shape);
    }
  }

  public void checkShape(int input, long... shape) {
    check(input, Arrays.equals(context.inputShape(input), shape));
  }

  public void check(int input, boolean fits) {
    if (!fits) {
      throw new ManticoreException(
          "MNT-RUNTIME-KERNEL",
          kernel
              + ": input "
              + input
              + " of shape "
              + Arrays.toString(context.inputShape(input))
              + " does not fit the others");
    }
  }
}
