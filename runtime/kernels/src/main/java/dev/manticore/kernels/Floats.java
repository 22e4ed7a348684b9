package dev.manticore.kernels;

/** A run of {@code float} values somewhere, copied from and to arrays. */
public interface Floats {

  /**
   * Copies {@code count} values from {@code from} on to {@code target}, beginning at {@code at}.
   */
  void read(long from, float[] target, int at, int count);

  /** Copies {@code count} values of {@code source}, beginning at {@code at}, to {@code to} on. */
  void write(long to, float[] source, int at, int count);

  /** The values of an array. */
  static Floats of(float[] values) {
    return new Floats() {
      @Override
      public void read(long from, float[] target, int at, int count) {
        System.arraycopy(values, Math.toIntExact(from), target, at, count);
      }

      @Override
      public void write(long to, float[] source, int at, int count) {
        System.arraycopy(source, at, values, Math.toIntExact(to), count);
      }
    };
  }
}
