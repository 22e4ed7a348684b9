package dev.manticore.ir.op;

/** Functions of one number that {@link Math} does not have. */
final class ScalarFunctions {

  /** From here on the continued fraction of {@code erfc} converges faster than the series. */
  private static final double ERF_TAIL = 3;

  private static final int ERF_TAIL_TERMS = 60;

  private ScalarFunctions() {}

  static double sigmoid(double x) {
    if (x >= 0) {
      return 1 / (1 + Math.exp(-x));
    }
    double exponential = Math.exp(x);
    return exponential / (1 + exponential);
  }

  static double softplus(double x) {
    return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
  }

  static double gelu(double x) {
    return 0.5 * x * (1 + erf(x * Math.sqrt(0.5)));
  }

  static double geluTanh(double x) {
    return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
  }

  static double asinh(double x) {
    double magnitude = Math.abs(x);
    return Math.copySign(
        Math.log1p(magnitude + magnitude * magnitude / (1 + Math.hypot(1, magnitude))), x);
  }

  static double acosh(double x) {
    return Math.log(x + Math.sqrt((x - 1) * (x + 1)));
  }

  static double atanh(double x) {
    return 0.5 * Math.log1p(2 * x / (1 - x));
  }

  /** The error function, to about 1e-15. */
  static double erf(double x) {
    double magnitude = Math.abs(x);
    if (!(magnitude < ERF_TAIL)) {
      return Double.isNaN(x) ? x : Math.copySign(1 - erfcTail(magnitude), x);
    }
    // erf x = 2/sqrt(pi) exp(-x^2) sum of 2^n x^(2n+1) / (2n+1)!!, whose terms are all of one sign.
    double term = x;
    double sum = x;
    for (int n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
      term *= 2 * x * x / (2 * n + 1);
      sum += term;
    }
    return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
  }

  /** {@code erfc} of a number that is not small, by Laplace's continued fraction. */
  private static double erfcTail(double x) {
    double denominator = x;
    for (int n = ERF_TAIL_TERMS; n >= 1; n--) {
      denominator = x + n / 2.0 / denominator;
    }
    return Math.exp(-x * x) / (Math.sqrt(Math.PI) * denominator);
  }
}
