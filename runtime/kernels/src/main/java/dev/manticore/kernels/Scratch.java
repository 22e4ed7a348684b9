package dev.manticore.kernels;

import java.util.Arrays;

/** Arrays that a thread uses again: tasks are short, and cleared memory is not free. */
final class Scratch {

  private static final ThreadLocal<Scratch> OF_THREAD = ThreadLocal.withInitial(Scratch::new);

  private final float[][] arrays = new float[16][0];

  private Scratch() {}

  static Scratch ofThread() {
    return OF_THREAD.get();
  }

  /** An array of at least this size, with anything in it. */
  float[] get(int slot, int size) {
    if (arrays[slot].length < size) {
      arrays[slot] = new float[size];
    }
    return arrays[slot];
  }

  float[] zeros(int slot, int size) {
    float[] array = get(slot, size);
    Arrays.fill(array, 0, size, 0);
    return array;
  }
}
