package dev.manticore.kernels;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * The kernels on one thread and on arrays, at the sizes of a step of 1,024 tokens: what their loops
 * cost, without ONNX Runtime around them.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 3, time = 2)
@Measurement(iterations = 5, time = 2)
@Fork(value = 2, jvmArgsAppend = {"--add-modules", "jdk.incubator.vector"})
public class KernelBenchmarks {

  private static final int BATCH = 8;
  private static final int LENGTH = 128;
  private static final int HEAD = 32;
  private static final int STATES = 16;
  private static final int TAPS = 4;
  private static final int VOCABULARY = 512;
  private static final long SEED = 0;

  /** Width of the residual stream; a state space has twice as many channels. */
  @Param("256")
  public int width;

  private final Parallel parallel = Parallel.none();
  private final SplittableRandom random = new SplittableRandom(SEED);

  private int tokens;
  private SelectiveScan scan;
  private Attention attention;
  private CausalConv convolution;
  private EmbeddingGradient embedding;
  private Rows rows;
  private Rows logits;

  // Values of each token, four times the width: large enough for every kernel.
  private Floats x;
  private Floats y;
  private Floats z;
  private Floats dy;
  private Floats dx;
  private Floats dz;
  private Floats delta;

  private Floats a;
  private Floats da;
  private Floats b;
  private Floats c;
  private Floats db;
  private Floats dc;
  private Mask mask;
  private Floats taps;
  private Floats dtaps;
  private Floats scale;
  private Floats dscale;
  private Floats dbias;
  private Floats mean;
  private Floats inverse;
  private Floats table;
  private Floats logProbabilities;
  private Floats dlogits;
  private int[] ids;
  private long[] labels;
  private float[] settings;
  private long parameters;

  /** Draws the operands. */
  @Setup
  public void draw() {
    tokens = BATCH * LENGTH;
    int channels = 2 * width;
    scan = new SelectiveScan(BATCH, LENGTH, channels, STATES);
    attention =
        new Attention(BATCH, LENGTH, LENGTH, width / HEAD, HEAD, (float) (1 / Math.sqrt(HEAD)));
    convolution = new CausalConv(BATCH, LENGTH, channels, TAPS);
    embedding = new EmbeddingGradient(VOCABULARY, width);
    rows = new Rows(tokens, width);
    logits = new Rows(tokens, VOCABULARY);
    int most = tokens * 4 * width;
    x = drawn(most);
    y = drawn(most);
    z = drawn(most);
    dy = drawn(most);
    dx = drawn(most);
    dz = drawn(most);
    delta = filled(most, 0.1f);
    a = filled(channels * STATES, -1);
    da = drawn(channels * STATES);
    b = drawn(tokens * STATES);
    c = drawn(tokens * STATES);
    db = drawn(tokens * STATES);
    dc = drawn(tokens * STATES);
    mask = Mask.causal(LENGTH);
    taps = drawn(channels * TAPS);
    dtaps = drawn(channels * TAPS);
    scale = drawn(width);
    dscale = drawn(width);
    dbias = drawn(channels);
    mean = drawn(tokens);
    inverse = filled(tokens, 1);
    table = drawn(VOCABULARY * width);
    logProbabilities = filled(tokens * VOCABULARY, -6);
    dlogits = drawn(tokens * VOCABULARY);
    ids = random.ints(tokens, 0, VOCABULARY).toArray();
    labels = Arrays.stream(ids).asLongStream().toArray();
    settings = new float[] {1e-3f, 0.9f, 0.999f, 1e-8f, 0.01f, 0.5f, 0.5f, 1};
    parameters = 4L * width * width;
  }

  private Floats drawn(int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextDouble(-1, 1);
    }
    return Floats.of(values);
  }

  private static Floats filled(int count, float value) {
    float[] values = new float[count];
    Arrays.fill(values, value);
    return Floats.of(values);
  }

  @Benchmark
  public void selectiveScan(Form form) {
    scan.forward(parallel, x, delta, a, b, c, y);
  }

  @Benchmark
  public void selectiveScanGradient(Form form) {
    scan.gradient(parallel, x, delta, a, b, c, dy, dx, dz, da, db, dc);
  }

  @Benchmark
  public void attention(Form form) {
    attention.forward(parallel, x, y, z, mask, dx);
  }

  @Benchmark
  public void attentionGradient(Form form) {
    attention.gradient(parallel, x, y, z, mask, dy, dx, dz, delta);
  }

  @Benchmark
  public void causalConvGradient(Form form) {
    convolution.gradient(parallel, x, taps, dy, dx, dtaps, dbias);
  }

  @Benchmark
  public void embeddingGradient(Form form) {
    embedding.compute(parallel, ids, dy, table);
  }

  @Benchmark
  public void crossEntropyGradient(Form form) {
    logits.crossEntropyGradient(parallel, 1, logProbabilities, labels, dlogits);
  }

  @Benchmark
  public void layerNormGradient(Form form) {
    rows.layerNormGradient(parallel, x, scale, mean, inverse, dy, dx, dscale, dbias);
  }

  @Benchmark
  public void rmsNormGradient(Form form) {
    rows.rmsNormGradient(parallel, x, scale, dy, 1e-5f, dx, dscale);
  }

  @Benchmark
  public void geluGradient(Form form) {
    Elementwise.geluGradient(parallel, 4L * tokens * width, x, dy, dx);
  }

  @Benchmark
  public void siluGradient(Form form) {
    Elementwise.siluGradient(parallel, 2L * tokens * width, x, dy, dx);
  }

  /** In place, as a step has it; what is left of the moments after many steps is small. */
  @Benchmark
  public void adamW(Form form) {
    Elementwise.adamW(parallel, parameters, x, z, delta, dy, settings, x, z, delta);
  }

  /** As many exponentials as a scan needs, which bounds it; in the vector form where there is one. */
  @Benchmark
  public float exponentials() {
    return ExponentialRate.compute(tokens * 2 * width * STATES / ExponentialRate.WINDOW);
  }
}
