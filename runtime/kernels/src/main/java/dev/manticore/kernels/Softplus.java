package dev.manticore.kernels;

/**
 * {@code log(1 + exp x)} as max(x, 0) + log1p(e), e = exp(-|x|), log1p(e) = 2 artanh(z), z = e / (2
 * + e). As z² is at most 1/9, a polynomial of degree 4 in it gives 2 artanh(z) / z to 4e-9, by a
 * Chebyshev fit; small results keep their relative precision, which log(1 + e) would lose.
 */
public final class Softplus {

  /** Of the highest power of z². */
  public static final float P4 = 0.2817465727f;

  public static final float P3 = 0.2796141883f;
  public static final float P2 = 0.4002485372f;
  public static final float P1 = 0.6666631594f;
  public static final float P0 = 2f;

  /** The exponential of what lies below is zero; it keeps the argument in the range of ours. */
  static final float LEAST = -200f;

  private Softplus() {}

  static float of(float x) {
    float e = Exponential.of(Math.max(-Math.abs(x), LEAST));
    float z = e / (e + 2f);
    float square = z * z;
    float ratio = Math.fma(square, P4, P3);
    ratio = Math.fma(square, ratio, P2);
    ratio = Math.fma(square, ratio, P1);
    ratio = Math.fma(square, ratio, P0);
    return Math.fma(z, ratio, Math.max(x, 0f));
  }
}
