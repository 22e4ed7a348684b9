package dev.manticore.kernels;

/**
 * The inner loops of the kernels, in one of two forms. Widths are multiples of {@link #LANES}: the
 * callers pad with zeros, so that no form needs a loop for the rest.
 */
interface Blocks {

  /** Channels that are worked on together, and the number of partial sums of a reduction. */
  int LANES = 16;

  /**
   * Steps of a selective scan over a block of channels.
   *
   * @param steps the number of steps
   * @param width the number of channels, a multiple of {@link #LANES}
   * @param states the number of states of a channel
   * @param x {@code [steps][width]}
   * @param delta {@code [steps][width]}
   * @param a {@code [width / LANES][states][LANES]}
   * @param b {@code [steps][states]}
   * @param c {@code [steps][states]}
   * @param h the state before the first step, replaced by that after the last; laid out as a
   * @param y the result, {@code [steps][width]}
   */
  void scan(
      int steps,
      int width,
      int states,
      float[] x,
      float[] delta,
      float[] a,
      float[] b,
      float[] c,
      float[] h,
      float[] y);

  /** The same, for the state only. */
  void scanState(
      int steps, int width, int states, float[] x, float[] delta, float[] a, float[] b, float[] h);

  /**
   * The gradient of those steps: the state is computed again from that before the first step, then
   * the steps are gone through backwards.
   *
   * @param h the state before the first step, laid out as {@code a}
   * @param dy the gradient of y, {@code [steps][width]}
   * @param g the gradient of the state after the last step, replaced by that of the state before
   *     the first; laid out as {@code a}
   * @param scratch at least {@link #scanScratch} values
   * @param dx the gradient of x, {@code [steps][width]}
   * @param ddelta the gradient of delta, {@code [steps][width]}
   * @param da the gradient of a, added to; laid out as {@code a}
   * @param db what these channels add to the gradient of b, {@code [steps][states]}
   * @param dc what they add to the gradient of c, {@code [steps][states]}
   */
  void scanGradient(
      int steps,
      int width,
      int states,
      float[] x,
      float[] delta,
      float[] a,
      float[] b,
      float[] c,
      float[] h,
      float[] dy,
      float[] g,
      float[] scratch,
      float[] dx,
      float[] ddelta,
      float[] da,
      float[] db,
      float[] dc);

  /**
   * Values from one row of {@code [steps][LANES]} to the next: somewhat more than there are, since
   * a processor takes addresses a multiple of 4096 bytes apart for the same at first, and waits.
   */
  static int run(int steps) {
    return ((steps + 7) / 16 * 16 + 8) * LANES;
  }

  /**
   * Values that {@link #scanGradient} works in: sums for the gradients of b and c by lanes; and the
   * vector form keeps states and decays of four states at a time and five rows of two vectors of
   * channels, the plain one those of all states.
   */
  static int scanScratch(int steps, int states) {
    return scanSums(steps, states)
        + Math.max(2 * states, 2 * 4 + 2 * 5) * run(steps)
        + Math.max(states, 4) * LANES;
  }

  /** How many of them are the sums, which come first: those for b, then those for c. */
  static int scanSums(int steps, int states) {
    return 2 * states * run(steps);
  }

  /**
   * Steps of a depthwise convolution over time.
   *
   * @param steps the number of steps
   * @param width the number of channels, a multiple of {@link #LANES}
   * @param taps steps that each looks at, itself the last
   * @param x the steps and those before them, {@code [taps - 1 + steps][width]}
   * @param weight {@code [taps][width]}
   * @param bias {@code [width]}
   * @param y the result, {@code [steps][width]}
   */
  void causalConv(
      int steps, int width, int taps, float[] x, float[] weight, float[] bias, float[] y);

  /**
   * The gradient of those steps.
   *
   * @param dy the gradient of y and of the steps after it, {@code [steps + taps - 1][width]}
   * @param dx the gradient of x from its row {@code taps - 1} on, {@code [steps][width]}
   * @param sums the gradients of the weight and of the bias, {@code [taps + 1][width]}, added to
   */
  void causalConvGradient(
      int steps,
      int width,
      int taps,
      float[] x,
      float[] weight,
      float[] dy,
      float[] dx,
      float[] sums);

  /**
   * One step of AdamW in place.
   *
   * @param settings learning rate, beta1, beta2, epsilon, weight decay, 1 - beta1^t, 1 - beta2^t,
   *     scale of the gradient
   */
  void adamW(int count, float[] p, float[] m, float[] v, float[] g, float[] settings);

  /** {@code dx = dy gelu'(x)} for the approximation of GELU by the hyperbolic tangent. */
  void geluGradient(int count, float[] x, float[] dy, float[] dx);

  /** {@code y = x / (1 + exp(-x))}. */
  void silu(int count, float[] x, float[] y);

  /** {@code dx = dy silu'(x)}. */
  void siluGradient(int count, float[] x, float[] dy, float[] dx);

  /** {@code y = log(1 + exp x)}. */
  void softplus(int count, float[] x, float[] y);

  /** {@code y = scale exp(x)}, for {@code x} from -1e12 to 88. */
  void scaledExp(int count, float[] x, float scale, float[] y);

  /** Raises {@link #LANES} partial maxima to the values. */
  void largest(int count, float[] x, float[] most);

  /**
   * {@code y = exp(x - shift)}, added to {@link #LANES} partial sums.
   *
   * @param x from {@code shift} - 1e12 to {@code shift} + 88
   */
  void expSums(int count, float[] x, float shift, float[] y, float[] sums);

  /** Adds the squares to the {@link #LANES} partial sums. */
  void sumSquares(int count, int at, float[] x, float[] sums);

  /**
   * The sums that the gradient of a normalisation needs, of one row. With {@code normal = (x -
   * mean) inverse}, adds {@code dy scale} to the first and {@code dy scale normal} to the second
   * {@link #LANES} partial sums, {@code dy normal} to {@code dscale} and {@code dy} to {@code
   * dshift}.
   */
  void normSums(
      int width,
      int at,
      float[] x,
      float[] dy,
      float[] scale,
      float mean,
      float inverse,
      float[] sums,
      float[] dscale,
      float[] dshift);

  /** {@code dx = (dy scale - first - normal second) inverse} for one row. */
  void normGradient(
      int width,
      int at,
      float[] x,
      float[] dy,
      float[] scale,
      float mean,
      float inverse,
      float first,
      float second,
      float[] dx);

  /**
   * {@code c += a b}, each element summed in the order of the depth.
   *
   * @param columns a multiple of {@link #LANES}
   * @param a {@code [rows][depth]}: element (i, k) at {@code aAt + i aRow + k aDepth}
   * @param b {@code [depth][columns]}: row k at {@code bAt + k bRow}
   * @param c {@code [rows][columns]}: row i at {@code cAt + i cRow}
   */
  void multiply(
      int rows,
      int depth,
      int columns,
      float[] a,
      int aAt,
      int aRow,
      int aDepth,
      float[] b,
      int bAt,
      int bRow,
      float[] c,
      int cAt,
      int cRow);

  /**
   * {@code s = softmax(scale s + mask)} down each of {@link #LANES} columns, in place.
   *
   * @param count the rows, a multiple of {@link #LANES}
   * @param s {@code [count][LANES]}
   * @param mask {@code [count][LANES]}, from {@code maskAt} on
   */
  void softmax(int count, float[] s, float scale, float[] mask, int maskAt);

  /**
   * The gradient of a softmax down each of {@link #LANES} columns and of the scale before it, in
   * place: {@code dp = scale p (dp - sum p dp)}.
   *
   * @param count the rows, a multiple of {@link #LANES}
   * @param p {@code [count][LANES]}
   * @param dp {@code [count][LANES]}
   */
  void softmaxGradient(int count, float[] p, float[] dp, float scale);
}
