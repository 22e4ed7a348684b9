package dev.manticore.kernels;

/**
 * The exponential function in single precision, within 2 units in the last place; below the least
 * normal number it is zero, above the greatest it stays finite, and not-a-number stays what it is.
 * The argument is split as {@code k ln 2 + r}; the polynomial for {@code exp r} has the
 * coefficients of Cephes' {@code expf}.
 */
final class Exponential {

  static final float LOG2_E = 1.44269504f;

  /** Adding 1.5 * 2^23 rounds to an integer, which is then in the low bits. */
  static final float ROUND = 12582912f;

  /** The bits of {@link #ROUND} less the bias of an exponent. */
  static final int ROUND_BITS = 0x4B400000 - 127;

  static final float MINUS_LN2_HIGH = -0.693359375f;
  static final float MINUS_LN2_LOW = 2.12194440e-4f;
  static final float P5 = 1.9875691500e-4f;
  static final float P4 = 1.3981999507e-3f;
  static final float P3 = 8.3334519073e-3f;
  static final float P2 = 4.1665795894e-2f;
  static final float P1 = 1.6666665459e-1f;
  static final float P0 = 5.0000001201e-1f;

  private Exponential() {}

  static float of(float x) {
    float rounded = Math.fma(x, LOG2_E, ROUND);
    float k = rounded - ROUND;
    float r = Math.fma(k, MINUS_LN2_LOW, Math.fma(k, MINUS_LN2_HIGH, x));
    float p = Math.fma(P5, r, P4);
    p = Math.fma(p, r, P3);
    p = Math.fma(p, r, P2);
    p = Math.fma(p, r, P1);
    p = Math.fma(p, r, P0);
    p = Math.fma(p, r * r, r) + 1f;
    int exponent = Math.min(254, Math.max(0, Float.floatToRawIntBits(rounded) - ROUND_BITS));
    return p * Float.intBitsToFloat(exponent << 23);
  }
}
