package dev.manticore.kernels;

import java.util.Arrays;

/** Plain loops. */
final class PlainBlocks implements Blocks {

  @Override
  public void scan(
      int steps,
      int width,
      int states,
      float[] x,
      float[] delta,
      float[] a,
      float[] b,
      float[] c,
      float[] h,
      float[] y) {
    for (int block = 0; block < width; block += LANES) {
      for (int t = 0; t < steps; t++) {
        int row = t * width + block;
        for (int lane = 0; lane < LANES; lane++) {
          y[row + lane] = 0;
        }
        for (int n = 0; n < states; n++) {
          int at = block * states + n * LANES;
          float bn = b[t * states + n];
          float cn = c[t * states + n];
          for (int lane = 0; lane < LANES; lane++) {
            float d = delta[row + lane];
            float decay = Exponential.of(d * a[at + lane]);
            float state = Math.fma(decay, h[at + lane], d * x[row + lane] * bn);
            h[at + lane] = state;
            y[row + lane] = Math.fma(state, cn, y[row + lane]);
          }
        }
      }
    }
  }

  @Override
  public void scanState(
      int steps, int width, int states, float[] x, float[] delta, float[] a, float[] b, float[] h) {
    for (int block = 0; block < width; block += LANES) {
      for (int t = 0; t < steps; t++) {
        int row = t * width + block;
        for (int n = 0; n < states; n++) {
          int at = block * states + n * LANES;
          float bn = b[t * states + n];
          for (int lane = 0; lane < LANES; lane++) {
            float d = delta[row + lane];
            float decay = Exponential.of(d * a[at + lane]);
            h[at + lane] = Math.fma(decay, h[at + lane], d * x[row + lane] * bn);
          }
        }
      }
    }
  }

  @Override
  public void scanGradient(
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
      float[] dc) {
    int size = states * LANES;
    int kept = Blocks.scanSums(steps, states);
    int decays = kept + (steps + 1) * size;
    int sumsC = kept / 2;
    Arrays.fill(scratch, 0, kept, 0);
    float[] gx = new float[LANES];
    float[] gd = new float[LANES];
    for (int block = 0; block < width; block += LANES) {
      int base = block * states;
      System.arraycopy(h, base, scratch, kept, size);
      for (int t = 0; t < steps; t++) {
        int row = t * width + block;
        for (int n = 0; n < states; n++) {
          int before = t * size + n * LANES;
          float bn = b[t * states + n];
          for (int lane = 0; lane < LANES; lane++) {
            float d = delta[row + lane];
            float decay = Exponential.of(d * a[base + n * LANES + lane]);
            scratch[decays + before + lane] = decay;
            scratch[kept + before + size + lane] =
                Math.fma(decay, scratch[kept + before + lane], d * x[row + lane] * bn);
          }
        }
      }
      for (int t = steps - 1; t >= 0; t--) {
        int row = t * width + block;
        for (int lane = 0; lane < LANES; lane++) {
          gx[lane] = 0;
          gd[lane] = 0;
        }
        for (int n = 0; n < states; n++) {
          int at = base + n * LANES;
          int before = t * size + n * LANES;
          int sums = n * Blocks.run(steps) + t * LANES;
          float bn = b[t * states + n];
          float cn = c[t * states + n];
          for (int lane = 0; lane < LANES; lane++) {
            float d = delta[row + lane];
            float out = dy[row + lane];
            float gn = Math.fma(out, cn, g[at + lane]);
            scratch[sumsC + sums + lane] =
                Math.fma(out, scratch[kept + before + size + lane], scratch[sumsC + sums + lane]);
            scratch[sums + lane] = Math.fma(gn, d * x[row + lane], scratch[sums + lane]);
            gx[lane] = Math.fma(gn, bn, gx[lane]);
            float carried = gn * scratch[decays + before + lane];
            g[at + lane] = carried;
            float past = carried * scratch[kept + before + lane];
            da[at + lane] = Math.fma(past, d, da[at + lane]);
            gd[lane] = Math.fma(past, a[at + lane], gd[lane]);
          }
        }
        for (int lane = 0; lane < LANES; lane++) {
          dx[row + lane] = delta[row + lane] * gx[lane];
          ddelta[row + lane] = Math.fma(x[row + lane], gx[lane], gd[lane]);
        }
      }
    }
    sumLanes(steps, states, scratch, 0, db);
    sumLanes(steps, states, scratch, sumsC, dc);
  }

  /** Sums of the lanes of {@code [states][run(steps)]}, as {@code [steps][states]}. */
  private static void sumLanes(int steps, int states, float[] lanes, int first, float[] sums) {
    for (int n = 0; n < states; n++) {
      for (int t = 0; t < steps; t++) {
        int i = first + n * Blocks.run(steps) + t * LANES;
        sums[t * states + n] =
            quarter(lanes, i)
                + quarter(lanes, i + 1)
                + (quarter(lanes, i + 2) + quarter(lanes, i + 3));
      }
    }
  }

  private static float quarter(float[] lanes, int i) {
    return lanes[i] + lanes[i + 8] + (lanes[i + 4] + lanes[i + 12]);
  }

  @Override
  public void causalConv(
      int steps, int width, int taps, float[] x, float[] weight, float[] bias, float[] y) {
    for (int t = 0; t < steps; t++) {
      for (int i = 0; i < width; i++) {
        float sum = bias[i];
        for (int tap = 0; tap < taps; tap++) {
          sum = Math.fma(weight[tap * width + i], x[(t + tap) * width + i], sum);
        }
        y[t * width + i] = sum;
      }
    }
  }

  @Override
  public void causalConvGradient(
      int steps,
      int width,
      int taps,
      float[] x,
      float[] weight,
      float[] dy,
      float[] dx,
      float[] sums) {
    for (int i = 0; i < width; i++) {
      float sum = sums[taps * width + i];
      for (int t = 0; t < steps; t++) {
        sum += dy[t * width + i];
      }
      sums[taps * width + i] = sum;
    }
    for (int t = 0; t < steps; t++) {
      for (int i = 0; i < width; i++) {
        float out = dy[t * width + i];
        float in = 0;
        for (int tap = 0; tap < taps; tap++) {
          int at = tap * width + i;
          // Step t is read by step t + taps - 1 - tap through this tap.
          in = Math.fma(weight[at], dy[(t + taps - 1 - tap) * width + i], in);
          sums[at] = Math.fma(x[t * width + at], out, sums[at]);
        }
        dx[t * width + i] = in;
      }
    }
  }

  @Override
  public void adamW(int count, float[] p, float[] m, float[] v, float[] g, float[] settings) {
    Adam adam = new Adam(settings);
    for (int i = 0; i < count; i++) {
      float gradient = g[i] * adam.scale();
      float first = Math.fma(m[i], adam.beta1(), gradient * adam.rest1());
      float second = Math.fma(v[i], adam.beta2(), gradient * gradient * adam.rest2());
      float root = (float) Math.sqrt(second * adam.correction2()) + adam.epsilon();
      m[i] = first;
      v[i] = second;
      p[i] = p[i] * adam.kept() - first * adam.rate() / root;
    }
  }

  private static float sigmoid(float x) {
    return 1f / (Exponential.of(Math.min(Math.max(-x, -200f), 200f)) + 1f);
  }

  @Override
  public void geluGradient(int count, float[] x, float[] dy, float[] dx) {
    for (int i = 0; i < count; i++) {
      float square = x[i] * x[i];
      // The half of 1 + tanh u is the sigmoid of 2 u: nothing cancels.
      float s = sigmoid(x[i] * Math.fma(square, Gelu.CUBIC, Gelu.LINEAR));
      float slope = Math.fma(square, 3f * Gelu.CUBIC, Gelu.LINEAR);
      dx[i] = dy[i] * Math.fma(x[i] * s * (1f - s), slope, s);
    }
  }

  @Override
  public void silu(int count, float[] x, float[] y) {
    for (int i = 0; i < count; i++) {
      y[i] = x[i] * sigmoid(x[i]);
    }
  }

  @Override
  public void siluGradient(int count, float[] x, float[] dy, float[] dx) {
    for (int i = 0; i < count; i++) {
      float s = sigmoid(x[i]);
      dx[i] = dy[i] * Math.fma(x[i] * s, 1f - s, s);
    }
  }

  @Override
  public void softplus(int count, float[] x, float[] y) {
    for (int i = 0; i < count; i++) {
      y[i] = Softplus.of(x[i]);
    }
  }

  @Override
  public void scaledExp(int count, float[] x, float scale, float[] y) {
    for (int i = 0; i < count; i++) {
      y[i] = Exponential.of(x[i]) * scale;
    }
  }

  @Override
  public void largest(int count, float[] x, float[] most) {
    for (int i = 0; i < count; i++) {
      most[i % LANES] = Math.max(most[i % LANES], x[i]);
    }
  }

  @Override
  public void expSums(int count, float[] x, float shift, float[] y, float[] sums) {
    for (int i = 0; i < count; i++) {
      y[i] = Exponential.of(x[i] - shift);
      sums[i % LANES] += y[i];
    }
  }

  @Override
  public void sumSquares(int count, int at, float[] x, float[] sums) {
    for (int i = 0; i < count; i++) {
      sums[i % LANES] = Math.fma(x[at + i], x[at + i], sums[i % LANES]);
    }
  }

  @Override
  public void normSums(
      int width,
      int at,
      float[] x,
      float[] dy,
      float[] scale,
      float mean,
      float inverse,
      float[] sums,
      float[] dscale,
      float[] dshift) {
    for (int i = 0; i < width; i++) {
      float normal = (x[at + i] - mean) * inverse;
      float out = dy[at + i];
      float scaled = out * scale[i];
      sums[i % LANES] += scaled;
      sums[LANES + i % LANES] = Math.fma(scaled, normal, sums[LANES + i % LANES]);
      dscale[i] = Math.fma(out, normal, dscale[i]);
      dshift[i] += out;
    }
  }

  @Override
  public void normGradient(
      int width,
      int at,
      float[] x,
      float[] dy,
      float[] scale,
      float mean,
      float inverse,
      float first,
      float second,
      float[] dx) {
    for (int i = 0; i < width; i++) {
      float normal = (x[at + i] - mean) * inverse;
      dx[at + i] = (dy[at + i] * scale[i] - first - normal * second) * inverse;
    }
  }

  @Override
  public void multiply(
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
      int cRow) {
    // Rows of their own, since only loops that index all arrays alike are turned into vector code.
    float[][] sums = new float[rows][columns];
    float[] row = new float[columns];
    for (int i = 0; i < rows; i++) {
      System.arraycopy(c, cAt + i * cRow, sums[i], 0, columns);
    }
    for (int k = 0; k < depth; k++) {
      System.arraycopy(b, bAt + k * bRow, row, 0, columns);
      for (int i = 0; i < rows; i++) {
        addProduct(a[aAt + i * aRow + k * aDepth], row, sums[i]);
      }
    }
    for (int i = 0; i < rows; i++) {
      System.arraycopy(sums[i], 0, c, cAt + i * cRow, columns);
    }
  }

  private static void addProduct(float factor, float[] x, float[] sums) {
    for (int j = 0; j < sums.length; j++) {
      sums[j] = Math.fma(factor, x[j], sums[j]);
    }
  }

  @Override
  public void softmax(int count, float[] s, float scale, float[] mask, int maskAt) {
    float[] most = new float[LANES];
    Arrays.fill(most, Float.NEGATIVE_INFINITY);
    for (int i = 0; i < count * LANES; i++) {
      s[i] = Math.fma(s[i], scale, mask[maskAt + i]);
      most[i % LANES] = Math.max(most[i % LANES], s[i]);
    }
    float[] sums = new float[LANES];
    for (int i = 0; i < count * LANES; i++) {
      s[i] = Exponential.of(Math.max(s[i] - most[i % LANES], Softmax.LEAST));
      sums[i % LANES] += s[i];
    }
    for (int lane = 0; lane < LANES; lane++) {
      sums[lane] = 1 / sums[lane];
    }
    for (int i = 0; i < count * LANES; i++) {
      s[i] *= sums[i % LANES];
    }
  }

  @Override
  public void softmaxGradient(int count, float[] p, float[] dp, float scale) {
    for (int lane = 0; lane < LANES; lane++) {
      float even = 0;
      float odd = 0;
      for (int at = lane; at < count * LANES; at += 2 * LANES) {
        even = Math.fma(p[at], dp[at], even);
        odd = Math.fma(p[at + LANES], dp[at + LANES], odd);
      }
      float sum = even + odd;
      for (int at = lane; at < count * LANES; at += LANES) {
        dp[at] = p[at] * (dp[at] - sum) * scale;
      }
    }
  }
}
