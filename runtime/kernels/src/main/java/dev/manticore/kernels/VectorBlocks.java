package dev.manticore.kernels;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The vector form. Only such operations are used as the incubator module has in JDK 17 and in JDK
 * 25, and as the compilers of both turn into instructions: no conversions, no reductions, no masks.
 */
final class VectorBlocks implements Blocks {

  private static final VectorSpecies<Float> SPECIES =
      FloatVector.SPECIES_PREFERRED.length() <= LANES
          ? FloatVector.SPECIES_PREFERRED
          : FloatVector.SPECIES_512;

  private static final int STEP = SPECIES.length();

  /**
   * Whether the gradient of a scan takes two vectors of channels at a time: only where there are
   * registers for what that keeps in them.
   */
  private static final boolean TWO_BLOCKS = STEP == LANES;

  /** States of one channel that the gradient of a scan goes back through at a time, and decays. */
  private static final int SLOTS = 4;

  private static FloatVector exp(FloatVector x) {
    FloatVector rounded = x.fma(Exponential.LOG2_E, Exponential.ROUND);
    FloatVector k = rounded.sub(Exponential.ROUND);
    FloatVector r = k.fma(all(Exponential.MINUS_LN2_HIGH), x);
    r = k.fma(all(Exponential.MINUS_LN2_LOW), r);
    FloatVector p = all(Exponential.P5).fma(r, all(Exponential.P4));
    p = p.fma(r, all(Exponential.P3));
    p = p.fma(r, all(Exponential.P2));
    p = p.fma(r, all(Exponential.P1));
    p = p.fma(r, all(Exponential.P0));
    p = p.fma(r.mul(r), r).add(1f);
    IntVector exponent = rounded.reinterpretAsInts().sub(Exponential.ROUND_BITS).max(0).min(254);
    return p.mul(exponent.lanewise(VectorOperators.LSHL, 23).reinterpretAsFloats());
  }

  private static FloatVector all(float value) {
    return FloatVector.broadcast(SPECIES, value);
  }

  private static FloatVector load(float[] array, int index) {
    return FloatVector.fromArray(SPECIES, array, index);
  }

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
    for (int channel = 0; channel < width; channel += STEP) {
      int base = base(channel, states);
      for (int t = 0; t < steps; t++) {
        int row = t * width + channel;
        FloatVector d = load(delta, row);
        FloatVector dx = d.mul(load(x, row));
        FloatVector sum = FloatVector.zero(SPECIES);
        int in = t * states;
        for (int n = 0; n < states; n++) {
          int at = base + n * LANES;
          FloatVector decay = exp(d.mul(load(a, at)));
          FloatVector state = decay.fma(load(h, at), dx.mul(b[in + n]));
          state.intoArray(h, at);
          sum = state.fma(all(c[in + n]), sum);
        }
        sum.intoArray(y, row);
      }
    }
  }

  /** Where channel {@code channel} begins in an array laid out as a state. */
  private static int base(int channel, int states) {
    return channel / LANES * LANES * states + channel % LANES;
  }

  @Override
  public void scanState(
      int steps, int width, int states, float[] x, float[] delta, float[] a, float[] b, float[] h) {
    for (int channel = 0; channel < width; channel += STEP) {
      int base = base(channel, states);
      for (int t = 0; t < steps; t++) {
        int row = t * width + channel;
        FloatVector d = load(delta, row);
        FloatVector dx = d.mul(load(x, row));
        int in = t * states;
        for (int n = 0; n < states; n++) {
          int at = base + n * LANES;
          FloatVector decay = exp(d.mul(load(a, at)));
          decay.fma(load(h, at), dx.mul(b[in + n])).intoArray(h, at);
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
    Arrays.fill(scratch, 0, Blocks.scanSums(steps, states), 0);
    for (int channel = 0; channel < width; ) {
      int parts = TWO_BLOCKS && channel + LANES < width ? 2 : 1;
      for (int part = 0; part < parts; part++) {
        prepare(steps, width, states, channel + part * LANES, part, x, delta, dy, scratch);
      }
      for (int n = 0; n < states; n += 2) {
        back(steps, states, n, base(channel, states), parts, a, b, c, h, g, scratch, da);
      }
      for (int part = 0; part < parts; part++) {
        finish(steps, width, states, channel + part * LANES, part, x, scratch, dx, ddelta);
      }
      channel += parts * STEP;
    }
    sumLanes(steps, states, scratch, 0, db);
    sumLanes(steps, states, scratch, states * Blocks.run(steps), dc);
  }

  /**
   * The steps again and then backwards, for two states or the last one, of one or two vectors of
   * channels. The one state has no method of its own, so that this one is too large for the
   * compiler to put it where it is called: in there the loops would come out a sixth slower.
   */
  private static void back(
      int steps,
      int states,
      int n,
      int base,
      int parts,
      float[] a,
      float[] b,
      float[] c,
      float[] h,
      float[] g,
      float[] scratch,
      float[] da) {
    int count = Math.min(2, states - n);
    for (int slot = 0; slot < parts * count; slot++) {
      int part = slot / count;
      int state = n + slot % count;
      again(steps, states, state, base + part * LANES * states, part, slot, a, b, h, scratch);
    }
    if (parts * count == 4) {
      backFour(steps, states, n, base, a, b, c, g, scratch, da);
      return;
    }
    if (count == 2) {
      backTwo(steps, states, n, base, a, b, c, g, scratch, da);
      return;
    }
    int run = Blocks.run(steps);
    for (int part = 0; part < parts; part++) {
      int at = base + (part * states + n) * LANES;
      FloatVector rate = load(a, at);
      FloatVector gradient = load(g, at);
      FloatVector sum = load(da, at);
      int kept = slot(steps, states, part);
      int decays = kept + run + LANES;
      int sums = n * run + base % LANES;
      int sumsC = sums + states * run;
      int row = rows(steps, states, part);
      FloatVector after = load(scratch, kept + steps * LANES);
      for (int t = steps - 1; t >= 0; t--) {
        int step = t * LANES;
        FloatVector out = load(scratch, row + 2 * run + step);
        FloatVector gn = out.fma(all(c[t * states + n]), gradient);
        out.fma(after, load(scratch, sumsC + step)).intoArray(scratch, sumsC + step);
        gn.fma(load(scratch, row + run + step), load(scratch, sums + step))
            .intoArray(scratch, sums + step);
        gn.fma(all(b[t * states + n]), load(scratch, row + 3 * run + step))
            .intoArray(scratch, row + 3 * run + step);
        gradient = gn.mul(load(scratch, decays + step));
        after = load(scratch, kept + step);
        FloatVector past = gradient.mul(after);
        sum = past.fma(load(scratch, row + step), sum);
        past.fma(rate, load(scratch, row + 4 * run + step))
            .intoArray(scratch, row + 4 * run + step);
      }
      gradient.intoArray(g, at);
      sum.intoArray(da, at);
    }
  }

  /**
   * Sums of the lanes of {@code [states][run(steps)]}, as {@code [steps][states]}. Vectors are
   * halved by adding what lies half their lanes further; the lanes beyond count no longer. No
   * narrower vectors: with a second class of them loaded, the compiler of JDK 17 knows none.
   */
  private static void sumLanes(int steps, int states, float[] scratch, int first, float[] sums) {
    // What follows the sums is no longer needed.
    int eight = Blocks.scanSums(steps, states);
    int four = eight + Blocks.run(steps) + LANES;
    for (int n = 0; n < states; n++) {
      addShifted(steps, scratch, first + n * Blocks.run(steps), 8, eight);
      addShifted(steps, scratch, eight, 4, four);
      for (int t = 0; t < steps; t++) {
        int i = four + t * LANES;
        sums[t * states + n] = scratch[i] + scratch[i + 1] + (scratch[i + 2] + scratch[i + 3]);
      }
    }
  }

  private static void addShifted(int steps, float[] scratch, int from, int shift, int to) {
    for (int t = 0; t < steps; t++) {
      int i = from + t * LANES;
      load(scratch, i).add(load(scratch, i + shift)).intoArray(scratch, to + t * LANES);
    }
  }

  /** Where the rows of the first or the second channels begin in the scratch of a gradient. */
  private static int rows(int steps, int states, int part) {
    return slot(steps, states, SLOTS) + part * 5 * Blocks.run(steps);
  }

  /** Where the states of a slot begin there; its decays follow. */
  private static int slot(int steps, int states, int slot) {
    return Blocks.scanSums(steps, states) + slot * (2 * Blocks.run(steps) + LANES);
  }

  /**
   * Lays out what the loops over the steps read of some channels, step after step without gaps:
   * delta, delta x and dy; and zeros for what they add up.
   */
  private static void prepare(
      int steps,
      int width,
      int states,
      int channel,
      int part,
      float[] x,
      float[] delta,
      float[] dy,
      float[] scratch) {
    int run = Blocks.run(steps);
    int rows = rows(steps, states, part);
    for (int t = 0; t < steps; t++) {
      int row = t * width + channel;
      int to = rows + t * LANES;
      FloatVector d = load(delta, row);
      d.intoArray(scratch, to);
      d.mul(load(x, row)).intoArray(scratch, to + run);
      load(dy, row).intoArray(scratch, to + 2 * run);
      FloatVector.zero(SPECIES).intoArray(scratch, to + 3 * run);
      FloatVector.zero(SPECIES).intoArray(scratch, to + 4 * run);
    }
  }

  /** The gradients of x and delta from what was added up. */
  private static void finish(
      int steps,
      int width,
      int states,
      int channel,
      int part,
      float[] x,
      float[] scratch,
      float[] dx,
      float[] ddelta) {
    int run = Blocks.run(steps);
    int rows = rows(steps, states, part);
    for (int t = 0; t < steps; t++) {
      int row = t * width + channel;
      int from = rows + t * LANES;
      FloatVector gx = load(scratch, from + 3 * run);
      load(x, row).fma(gx, load(scratch, from + 4 * run)).intoArray(ddelta, row);
      load(scratch, from).mul(gx).intoArray(dx, row);
    }
  }

  /**
   * One state before and after each step, and its decays, kept in a slot of {@code scratch}. A
   * method of its own, as those after it are, since the compiler of JDK 17 and of JDK 25 allocates
   * a vector an operation when a method grows too large.
   */
  private static void again(
      int steps,
      int states,
      int n,
      int base,
      int part,
      int slot,
      float[] a,
      float[] b,
      float[] h,
      float[] scratch) {
    int run = Blocks.run(steps);
    FloatVector rate = load(a, base + n * LANES);
    FloatVector state = load(h, base + n * LANES);
    int at = slot(steps, states, slot);
    int decays = at + run + LANES;
    int row = rows(steps, states, part);
    state.intoArray(scratch, at);
    for (int t = 0; t < steps; t++) {
      int step = t * LANES;
      FloatVector decay = exp(load(scratch, row + step).mul(rate));
      decay.intoArray(scratch, decays + step);
      state = decay.fma(state, load(scratch, row + run + step).mul(b[t * states + n]));
      state.intoArray(scratch, at + step + LANES);
    }
  }

  /**
   * The steps backwards for two states of each of two vectors of channels, which share what they
   * add to the gradients of b and c. The gradients of the states stay in registers; a processor
   * with vectors of 512 bits has enough of them. Loads are written out, since of a method so large
   * the compiler inlines no more than what the vector module tells it to.
   */
  private static void backFour(
      int steps,
      int states,
      int n,
      int base,
      float[] a,
      float[] b,
      float[] c,
      float[] g,
      float[] scratch,
      float[] da) {
    int run = Blocks.run(steps);
    int at0 = base + n * LANES;
    int at1 = at0 + LANES * states;
    FloatVector a00 = FloatVector.fromArray(SPECIES, a, at0);
    FloatVector a01 = FloatVector.fromArray(SPECIES, a, at0 + LANES);
    FloatVector a10 = FloatVector.fromArray(SPECIES, a, at1);
    FloatVector a11 = FloatVector.fromArray(SPECIES, a, at1 + LANES);
    FloatVector g00 = FloatVector.fromArray(SPECIES, g, at0);
    FloatVector g01 = FloatVector.fromArray(SPECIES, g, at0 + LANES);
    FloatVector g10 = FloatVector.fromArray(SPECIES, g, at1);
    FloatVector g11 = FloatVector.fromArray(SPECIES, g, at1 + LANES);
    FloatVector da00 = FloatVector.fromArray(SPECIES, da, at0);
    FloatVector da01 = FloatVector.fromArray(SPECIES, da, at0 + LANES);
    FloatVector da10 = FloatVector.fromArray(SPECIES, da, at1);
    FloatVector da11 = FloatVector.fromArray(SPECIES, da, at1 + LANES);
    int states00 = slot(steps, states, 0);
    int states01 = slot(steps, states, 1);
    int states10 = slot(steps, states, 2);
    int states11 = slot(steps, states, 3);
    int decays = run + LANES;
    int sums0 = n * run;
    int sums1 = sums0 + run;
    int sumsC0 = sums0 + states * run;
    int sumsC1 = sums1 + states * run;
    int row0 = rows(steps, states, 0);
    int row1 = rows(steps, states, 1);
    FloatVector h00 = FloatVector.fromArray(SPECIES, scratch, states00 + steps * LANES);
    FloatVector h01 = FloatVector.fromArray(SPECIES, scratch, states01 + steps * LANES);
    FloatVector h10 = FloatVector.fromArray(SPECIES, scratch, states10 + steps * LANES);
    FloatVector h11 = FloatVector.fromArray(SPECIES, scratch, states11 + steps * LANES);
    for (int t = steps - 1; t >= 0; t--) {
      int step = t * LANES;
      int in = t * states + n;
      FloatVector out0 = FloatVector.fromArray(SPECIES, scratch, row0 + 2 * run + step);
      FloatVector out1 = FloatVector.fromArray(SPECIES, scratch, row1 + 2 * run + step);
      out1.fma(h10, out0.fma(h00, FloatVector.fromArray(SPECIES, scratch, sumsC0 + step)))
          .intoArray(scratch, sumsC0 + step);
      out1.fma(h11, out0.fma(h01, FloatVector.fromArray(SPECIES, scratch, sumsC1 + step)))
          .intoArray(scratch, sumsC1 + step);
      FloatVector c0 = FloatVector.broadcast(SPECIES, c[in]);
      FloatVector c1 = FloatVector.broadcast(SPECIES, c[in + 1]);
      g00 = out0.fma(c0, g00);
      g01 = out0.fma(c1, g01);
      g10 = out1.fma(c0, g10);
      g11 = out1.fma(c1, g11);
      FloatVector scaled0 = FloatVector.fromArray(SPECIES, scratch, row0 + run + step);
      FloatVector scaled1 = FloatVector.fromArray(SPECIES, scratch, row1 + run + step);
      g10.fma(scaled1, g00.fma(scaled0, FloatVector.fromArray(SPECIES, scratch, sums0 + step)))
          .intoArray(scratch, sums0 + step);
      g11.fma(scaled1, g01.fma(scaled0, FloatVector.fromArray(SPECIES, scratch, sums1 + step)))
          .intoArray(scratch, sums1 + step);
      FloatVector b0 = FloatVector.broadcast(SPECIES, b[in]);
      FloatVector b1 = FloatVector.broadcast(SPECIES, b[in + 1]);
      g01.fma(b1, g00.fma(b0, FloatVector.fromArray(SPECIES, scratch, row0 + 3 * run + step)))
          .intoArray(scratch, row0 + 3 * run + step);
      g11.fma(b1, g10.fma(b0, FloatVector.fromArray(SPECIES, scratch, row1 + 3 * run + step)))
          .intoArray(scratch, row1 + 3 * run + step);
      g00 = g00.mul(FloatVector.fromArray(SPECIES, scratch, states00 + decays + step));
      g01 = g01.mul(FloatVector.fromArray(SPECIES, scratch, states01 + decays + step));
      g10 = g10.mul(FloatVector.fromArray(SPECIES, scratch, states10 + decays + step));
      g11 = g11.mul(FloatVector.fromArray(SPECIES, scratch, states11 + decays + step));
      h00 = FloatVector.fromArray(SPECIES, scratch, states00 + step);
      h01 = FloatVector.fromArray(SPECIES, scratch, states01 + step);
      h10 = FloatVector.fromArray(SPECIES, scratch, states10 + step);
      h11 = FloatVector.fromArray(SPECIES, scratch, states11 + step);
      FloatVector past00 = g00.mul(h00);
      FloatVector past01 = g01.mul(h01);
      FloatVector past10 = g10.mul(h10);
      FloatVector past11 = g11.mul(h11);
      FloatVector d0 = FloatVector.fromArray(SPECIES, scratch, row0 + step);
      FloatVector d1 = FloatVector.fromArray(SPECIES, scratch, row1 + step);
      da00 = past00.fma(d0, da00);
      da01 = past01.fma(d0, da01);
      da10 = past10.fma(d1, da10);
      da11 = past11.fma(d1, da11);
      past01
          .fma(a01, past00.fma(a00, FloatVector.fromArray(SPECIES, scratch, row0 + 4 * run + step)))
          .intoArray(scratch, row0 + 4 * run + step);
      past11
          .fma(a11, past10.fma(a10, FloatVector.fromArray(SPECIES, scratch, row1 + 4 * run + step)))
          .intoArray(scratch, row1 + 4 * run + step);
    }
    g00.intoArray(g, at0);
    g01.intoArray(g, at0 + LANES);
    g10.intoArray(g, at1);
    g11.intoArray(g, at1 + LANES);
    da00.intoArray(da, at0);
    da01.intoArray(da, at0 + LANES);
    da10.intoArray(da, at1);
    da11.intoArray(da, at1 + LANES);
  }

  /** The same for two states of one vector of channels. */
  private static void backTwo(
      int steps,
      int states,
      int n,
      int base,
      float[] a,
      float[] b,
      float[] c,
      float[] g,
      float[] scratch,
      float[] da) {
    int run = Blocks.run(steps);
    int at = base + n * LANES;
    FloatVector a0 = load(a, at);
    FloatVector a1 = load(a, at + LANES);
    FloatVector g0 = load(g, at);
    FloatVector g1 = load(g, at + LANES);
    FloatVector da0 = load(da, at);
    FloatVector da1 = load(da, at + LANES);
    int states0 = slot(steps, states, 0);
    int states1 = slot(steps, states, 1);
    int decays0 = states0 + run + LANES;
    int decays1 = states1 + run + LANES;
    int sums0 = n * run + base % LANES;
    int sums1 = sums0 + run;
    int sumsC0 = sums0 + states * run;
    int sumsC1 = sums1 + states * run;
    int row = rows(steps, states, 0);
    FloatVector h0 = load(scratch, states0 + steps * LANES);
    FloatVector h1 = load(scratch, states1 + steps * LANES);
    for (int t = steps - 1; t >= 0; t--) {
      int step = t * LANES;
      int in = t * states + n;
      FloatVector out = load(scratch, row + 2 * run + step);
      FloatVector gn0 = out.fma(all(c[in]), g0);
      FloatVector gn1 = out.fma(all(c[in + 1]), g1);
      out.fma(h0, load(scratch, sumsC0 + step)).intoArray(scratch, sumsC0 + step);
      out.fma(h1, load(scratch, sumsC1 + step)).intoArray(scratch, sumsC1 + step);
      FloatVector scaled = load(scratch, row + run + step);
      gn0.fma(scaled, load(scratch, sums0 + step)).intoArray(scratch, sums0 + step);
      gn1.fma(scaled, load(scratch, sums1 + step)).intoArray(scratch, sums1 + step);
      gn1.fma(all(b[in + 1]), gn0.fma(all(b[in]), load(scratch, row + 3 * run + step)))
          .intoArray(scratch, row + 3 * run + step);
      g0 = gn0.mul(load(scratch, decays0 + step));
      g1 = gn1.mul(load(scratch, decays1 + step));
      h0 = load(scratch, states0 + step);
      h1 = load(scratch, states1 + step);
      FloatVector past0 = g0.mul(h0);
      FloatVector past1 = g1.mul(h1);
      FloatVector d = load(scratch, row + step);
      da0 = past0.fma(d, da0);
      da1 = past1.fma(d, da1);
      past1
          .fma(a1, past0.fma(a0, load(scratch, row + 4 * run + step)))
          .intoArray(scratch, row + 4 * run + step);
    }
    g0.intoArray(g, at);
    g1.intoArray(g, at + LANES);
    da0.intoArray(da, at);
    da1.intoArray(da, at + LANES);
  }

  @Override
  public void causalConv(
      int steps, int width, int taps, float[] x, float[] weight, float[] bias, float[] y) {
    for (int i = 0; i < width; i += STEP) {
      FloatVector shift = load(bias, i);
      for (int t = 0; t < steps; t++) {
        FloatVector sum = shift;
        for (int at = i; at < taps * width; at += width) {
          sum = load(weight, at).fma(load(x, t * width + at), sum);
        }
        sum.intoArray(y, t * width + i);
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
    for (int i = 0; i < width; i += STEP) {
      for (int tap = 0; tap < taps; tap++) {
        tapGradient(steps, width, taps, tap, i, x, weight, dy, dx, sums);
      }
      FloatVector sum = load(sums, taps * width + i);
      for (int row = i; row < steps * width; row += width) {
        sum = sum.add(load(dy, row));
      }
      sum.intoArray(sums, taps * width + i);
    }
  }

  /** What goes through one tap; the first of them begins the sums in {@code dx}. */
  private static void tapGradient(
      int steps,
      int width,
      int taps,
      int tap,
      int i,
      float[] x,
      float[] weight,
      float[] dy,
      float[] dx,
      float[] sums) {
    int at = tap * width + i;
    // Step t is read by step t + taps - 1 - tap through this tap.
    int later = (taps - 1 - tap) * width;
    FloatVector factor = load(weight, at);
    FloatVector sum = load(sums, at);
    for (int row = i; row < steps * width; row += width) {
      FloatVector before = tap == 0 ? FloatVector.zero(SPECIES) : load(dx, row);
      factor.fma(load(dy, row + later), before).intoArray(dx, row);
      sum = load(x, row + tap * width).fma(load(dy, row), sum);
    }
    sum.intoArray(sums, at);
  }

  @Override
  public void adamW(int count, float[] p, float[] m, float[] v, float[] g, float[] settings) {
    Adam adam = new Adam(settings);
    float scale = adam.scale();
    float beta1 = adam.beta1();
    float rest1 = adam.rest1();
    float beta2 = adam.beta2();
    float rest2 = adam.rest2();
    float correction2 = adam.correction2();
    float epsilon = adam.epsilon();
    float kept = adam.kept();
    float rate = adam.rate();
    for (int i = 0; i < count; i += STEP) {
      FloatVector gradient = load(g, i).mul(scale);
      FloatVector first = load(m, i).fma(all(beta1), gradient.mul(rest1));
      FloatVector second = load(v, i).fma(all(beta2), gradient.mul(gradient).mul(rest2));
      FloatVector root = second.mul(correction2).lanewise(VectorOperators.SQRT).add(epsilon);
      first.intoArray(m, i);
      second.intoArray(v, i);
      load(p, i).mul(kept).sub(first.mul(rate).div(root)).intoArray(p, i);
    }
  }

  private static FloatVector sigmoid(FloatVector x) {
    return all(1f).div(exp(x.neg().max(-200f).min(200f)).add(1f));
  }

  @Override
  public void geluGradient(int count, float[] x, float[] dy, float[] dx) {
    for (int i = 0; i < count; i += STEP) {
      FloatVector in = load(x, i);
      FloatVector square = in.mul(in);
      FloatVector s = sigmoid(in.mul(square.fma(Gelu.CUBIC, Gelu.LINEAR)));
      FloatVector slope = square.fma(3f * Gelu.CUBIC, Gelu.LINEAR);
      load(dy, i).mul(in.mul(s).mul(all(1f).sub(s)).fma(slope, s)).intoArray(dx, i);
    }
  }

  @Override
  public void silu(int count, float[] x, float[] y) {
    for (int i = 0; i < count; i += STEP) {
      FloatVector in = load(x, i);
      in.mul(sigmoid(in)).intoArray(y, i);
    }
  }

  @Override
  public void siluGradient(int count, float[] x, float[] dy, float[] dx) {
    for (int i = 0; i < count; i += STEP) {
      FloatVector in = load(x, i);
      FloatVector s = sigmoid(in);
      load(dy, i).mul(in.mul(s).fma(all(1f).sub(s), s)).intoArray(dx, i);
    }
  }

  @Override
  public void softplus(int count, float[] x, float[] y) {
    for (int i = 0; i < count; i += STEP) {
      FloatVector in = load(x, i);
      FloatVector e = exp(in.abs().neg().max(Softplus.LEAST));
      FloatVector z = e.div(e.add(2f));
      FloatVector square = z.mul(z);
      FloatVector ratio = square.fma(all(Softplus.P4), all(Softplus.P3));
      ratio = square.fma(ratio, all(Softplus.P2));
      ratio = square.fma(ratio, all(Softplus.P1));
      ratio = square.fma(ratio, all(Softplus.P0));
      z.fma(ratio, in.max(0f)).intoArray(y, i);
    }
  }

  @Override
  public void scaledExp(int count, float[] x, float scale, float[] y) {
    for (int i = 0; i < count; i += STEP) {
      exp(load(x, i)).mul(scale).intoArray(y, i);
    }
  }

  @Override
  public void largest(int count, float[] x, float[] most) {
    for (int lane = 0; lane < LANES; lane += STEP) {
      FloatVector greatest = load(most, lane);
      for (int i = lane; i < count; i += LANES) {
        greatest = greatest.max(load(x, i));
      }
      greatest.intoArray(most, lane);
    }
  }

  @Override
  public void expSums(int count, float[] x, float shift, float[] y, float[] sums) {
    for (int lane = 0; lane < LANES; lane += STEP) {
      FloatVector sum = load(sums, lane);
      for (int i = lane; i < count; i += LANES) {
        FloatVector each = exp(load(x, i).sub(shift));
        each.intoArray(y, i);
        sum = sum.add(each);
      }
      sum.intoArray(sums, lane);
    }
  }

  @Override
  public void sumSquares(int count, int at, float[] x, float[] sums) {
    for (int i = 0; i < count; i += STEP) {
      int lane = i % LANES;
      FloatVector in = load(x, at + i);
      in.fma(in, load(sums, lane)).intoArray(sums, lane);
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
    for (int lane = 0; lane < LANES; lane += STEP) {
      FloatVector plain = load(sums, lane);
      FloatVector weighted = load(sums, LANES + lane);
      for (int i = lane; i < width; i += LANES) {
        FloatVector normal = load(x, at + i).sub(mean).mul(inverse);
        FloatVector out = load(dy, at + i);
        FloatVector scaled = out.mul(load(scale, i));
        plain = plain.add(scaled);
        weighted = scaled.fma(normal, weighted);
        out.fma(normal, load(dscale, i)).intoArray(dscale, i);
        load(dshift, i).add(out).intoArray(dshift, i);
      }
      plain.intoArray(sums, lane);
      weighted.intoArray(sums, LANES + lane);
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
    for (int i = 0; i < width; i += STEP) {
      FloatVector normal = load(x, at + i).sub(mean).mul(inverse);
      load(dy, at + i)
          .mul(load(scale, i))
          .sub(first)
          .sub(normal.mul(second))
          .mul(inverse)
          .intoArray(dx, at + i);
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
    int whole = rows - rows % 4;
    for (int j = 0; j < columns; j += 2 * STEP) {
      boolean pair = j + 2 * STEP <= columns;
      for (int i = 0; i < whole; i += 4) {
        int from = aAt + i * aRow;
        int to = cAt + i * cRow + j;
        if (pair) {
          fourByTwo(depth, a, from, aRow, aDepth, b, bAt + j, bRow, c, to, cRow);
        } else if (i + 8 <= whole) {
          eightByOne(depth, a, from, aRow, aDepth, b, bAt + j, bRow, c, to, cRow);
          i += 4;
        } else {
          fourByOne(depth, a, from, aRow, aDepth, b, bAt + j, bRow, c, to, cRow);
        }
      }
    }
    for (int i = whole; i < rows; i++) {
      int from = aAt + i * aRow;
      int to = cAt + i * cRow;
      int j = 0;
      for (; j + 4 * STEP <= columns; j += 4 * STEP) {
        oneByFour(depth, a, from, aDepth, b, bAt + j, bRow, c, to + j);
      }
      for (; j < columns; j += STEP) {
        one(depth, a, from, aDepth, b, bAt + j, bRow, c, to + j);
      }
    }
  }

  /** Four rows by two vectors: as many sums as hide the latency of an addition. */
  private static void fourByTwo(
      int depth,
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
    FloatVector c00 = load(c, cAt);
    FloatVector c01 = load(c, cAt + STEP);
    FloatVector c10 = load(c, cAt + cRow);
    FloatVector c11 = load(c, cAt + cRow + STEP);
    FloatVector c20 = load(c, cAt + 2 * cRow);
    FloatVector c21 = load(c, cAt + 2 * cRow + STEP);
    FloatVector c30 = load(c, cAt + 3 * cRow);
    FloatVector c31 = load(c, cAt + 3 * cRow + STEP);
    int from = aAt;
    int at = bAt;
    for (int k = 0; k < depth; k++) {
      FloatVector b0 = load(b, at);
      FloatVector b1 = load(b, at + STEP);
      FloatVector factor = all(a[from]);
      c00 = factor.fma(b0, c00);
      c01 = factor.fma(b1, c01);
      factor = all(a[from + aRow]);
      c10 = factor.fma(b0, c10);
      c11 = factor.fma(b1, c11);
      factor = all(a[from + 2 * aRow]);
      c20 = factor.fma(b0, c20);
      c21 = factor.fma(b1, c21);
      factor = all(a[from + 3 * aRow]);
      c30 = factor.fma(b0, c30);
      c31 = factor.fma(b1, c31);
      from += aDepth;
      at += bRow;
    }
    c00.intoArray(c, cAt);
    c01.intoArray(c, cAt + STEP);
    c10.intoArray(c, cAt + cRow);
    c11.intoArray(c, cAt + cRow + STEP);
    c20.intoArray(c, cAt + 2 * cRow);
    c21.intoArray(c, cAt + 2 * cRow + STEP);
    c30.intoArray(c, cAt + 3 * cRow);
    c31.intoArray(c, cAt + 3 * cRow + STEP);
  }

  private static void eightByOne(
      int depth,
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
    FloatVector c0 = load(c, cAt);
    FloatVector c1 = load(c, cAt + cRow);
    FloatVector c2 = load(c, cAt + 2 * cRow);
    FloatVector c3 = load(c, cAt + 3 * cRow);
    FloatVector c4 = load(c, cAt + 4 * cRow);
    FloatVector c5 = load(c, cAt + 5 * cRow);
    FloatVector c6 = load(c, cAt + 6 * cRow);
    FloatVector c7 = load(c, cAt + 7 * cRow);
    int from = aAt;
    for (int k = 0; k < depth; k++) {
      FloatVector row = load(b, bAt + k * bRow);
      c0 = all(a[from]).fma(row, c0);
      c1 = all(a[from + aRow]).fma(row, c1);
      c2 = all(a[from + 2 * aRow]).fma(row, c2);
      c3 = all(a[from + 3 * aRow]).fma(row, c3);
      c4 = all(a[from + 4 * aRow]).fma(row, c4);
      c5 = all(a[from + 5 * aRow]).fma(row, c5);
      c6 = all(a[from + 6 * aRow]).fma(row, c6);
      c7 = all(a[from + 7 * aRow]).fma(row, c7);
      from += aDepth;
    }
    c0.intoArray(c, cAt);
    c1.intoArray(c, cAt + cRow);
    c2.intoArray(c, cAt + 2 * cRow);
    c3.intoArray(c, cAt + 3 * cRow);
    c4.intoArray(c, cAt + 4 * cRow);
    c5.intoArray(c, cAt + 5 * cRow);
    c6.intoArray(c, cAt + 6 * cRow);
    c7.intoArray(c, cAt + 7 * cRow);
  }

  private static void fourByOne(
      int depth,
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
    FloatVector c0 = load(c, cAt);
    FloatVector c1 = load(c, cAt + cRow);
    FloatVector c2 = load(c, cAt + 2 * cRow);
    FloatVector c3 = load(c, cAt + 3 * cRow);
    int from = aAt;
    for (int k = 0; k < depth; k++) {
      FloatVector row = load(b, bAt + k * bRow);
      c0 = all(a[from]).fma(row, c0);
      c1 = all(a[from + aRow]).fma(row, c1);
      c2 = all(a[from + 2 * aRow]).fma(row, c2);
      c3 = all(a[from + 3 * aRow]).fma(row, c3);
      from += aDepth;
    }
    c0.intoArray(c, cAt);
    c1.intoArray(c, cAt + cRow);
    c2.intoArray(c, cAt + 2 * cRow);
    c3.intoArray(c, cAt + 3 * cRow);
  }

  private static void oneByFour(
      int depth, float[] a, int aAt, int aDepth, float[] b, int bAt, int bRow, float[] c, int cAt) {
    FloatVector c0 = load(c, cAt);
    FloatVector c1 = load(c, cAt + STEP);
    FloatVector c2 = load(c, cAt + 2 * STEP);
    FloatVector c3 = load(c, cAt + 3 * STEP);
    int from = aAt;
    int at = bAt;
    for (int k = 0; k < depth; k++) {
      FloatVector factor = all(a[from]);
      c0 = factor.fma(load(b, at), c0);
      c1 = factor.fma(load(b, at + STEP), c1);
      c2 = factor.fma(load(b, at + 2 * STEP), c2);
      c3 = factor.fma(load(b, at + 3 * STEP), c3);
      from += aDepth;
      at += bRow;
    }
    c0.intoArray(c, cAt);
    c1.intoArray(c, cAt + STEP);
    c2.intoArray(c, cAt + 2 * STEP);
    c3.intoArray(c, cAt + 3 * STEP);
  }

  private static void one(
      int depth, float[] a, int aAt, int aDepth, float[] b, int bAt, int bRow, float[] c, int cAt) {
    FloatVector sum = load(c, cAt);
    for (int k = 0; k < depth; k++) {
      sum = all(a[aAt + k * aDepth]).fma(load(b, bAt + k * bRow), sum);
    }
    sum.intoArray(c, cAt);
  }

  @Override
  public void softmax(int count, float[] s, float scale, float[] mask, int maskAt) {
    int end = count * LANES;
    for (int lane = 0; lane < LANES; lane += STEP) {
      FloatVector sum = exponentials(lane, end, s, largest(lane, end, s, scale, mask, maskAt));
      FloatVector inverse = all(1f).div(sum);
      for (int i = lane; i < end; i += LANES) {
        load(s, i).mul(inverse).intoArray(s, i);
      }
    }
  }

  /** The largest values down some columns of {@code scale s + mask}, which replaces s. */
  private static FloatVector largest(
      int lane, int end, float[] s, float scale, float[] mask, int maskAt) {
    FloatVector most = all(Float.NEGATIVE_INFINITY);
    for (int i = lane; i < end; i += LANES) {
      FloatVector x = load(s, i).fma(all(scale), load(mask, maskAt + i));
      x.intoArray(s, i);
      most = most.max(x);
    }
    return most;
  }

  /**
   * Some columns of {@code exp(s - most)}, which replace s, and their sums. One row at a time: of
   * two, the compilers make code that allocates.
   */
  private static FloatVector exponentials(int lane, int end, float[] s, FloatVector most) {
    FloatVector sum = FloatVector.zero(SPECIES);
    for (int i = lane; i < end; i += LANES) {
      FloatVector e = exp(load(s, i).sub(most).max(Softmax.LEAST));
      e.intoArray(s, i);
      sum = sum.add(e);
    }
    return sum;
  }

  @Override
  public void softmaxGradient(int count, float[] p, float[] dp, float scale) {
    int end = count * LANES;
    for (int lane = 0; lane < LANES; lane += STEP) {
      FloatVector even = FloatVector.zero(SPECIES);
      FloatVector odd = FloatVector.zero(SPECIES);
      for (int i = lane; i < end; i += 2 * LANES) {
        even = load(p, i).fma(load(dp, i), even);
        odd = load(p, i + LANES).fma(load(dp, i + LANES), odd);
      }
      FloatVector sum = even.add(odd);
      for (int i = lane; i < end; i += LANES) {
        load(p, i).mul(load(dp, i).sub(sum)).mul(scale).intoArray(dp, i);
      }
    }
  }
}
