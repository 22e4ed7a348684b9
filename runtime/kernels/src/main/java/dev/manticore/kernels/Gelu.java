package dev.manticore.kernels;

/**
 * GELU by the hyperbolic tangent, {@code x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))}, written as
 * {@code x sigmoid(x (LINEAR + CUBIC x^2))}.
 */
final class Gelu {

  static final float LINEAR = (float) (2 * Math.sqrt(2 / Math.PI));
  static final float CUBIC = (float) (2 * Math.sqrt(2 / Math.PI) * 0.044715);

  private Gelu() {}
}
