package dev.manticore.kernels;

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
    int decays = (steps + 1) * size;
    float[] gx = new float[LANES];
    float[] gd = new float[LANES];
    for (int block = 0; block < width; block += LANES) {
      int base = block * states;
      System.arraycopy(h, base, scratch, 0, size);
      for (int t = 0; t < steps; t++) {
        int row = t * width + block;
        for (int n = 0; n < states; n++) {
          int before = t * size + n * LANES;
          float bn = b[t * states + n];
          for (int lane = 0; lane < LANES; lane++) {
            float d = delta[row + lane];
            float decay = Exponential.of(d * a[base + n * LANES + lane]);
            scratch[decays + before + lane] = decay;
            scratch[before + size + lane] =
                Math.fma(decay, scratch[before + lane], d * x[row + lane] * bn);
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
          float bn = b[t * states + n];
          float cn = c[t * states + n];
          for (int lane = 0; lane < LANES; lane++) {
            float d = delta[row + lane];
            float out = dy[row + lane];
            float gn = Math.fma(out, cn, g[at + lane]);
            dc[before + lane] = Math.fma(out, scratch[before + size + lane], dc[before + lane]);
            db[before + lane] = Math.fma(gn, d * x[row + lane], db[before + lane]);
            gx[lane] = Math.fma(gn, bn, gx[lane]);
            float carried = gn * scratch[decays + before + lane];
            g[at + lane] = carried;
            float past = carried * scratch[before + lane];
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
  }
}
