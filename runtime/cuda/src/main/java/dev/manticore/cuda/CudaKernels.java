package dev.manticore.cuda;

import static dev.manticore.ir.ElementType.FLOAT32;
import static dev.manticore.ir.ElementType.INT64;

import com.google.common.annotations.VisibleForTesting;
import com.google.common.collect.ImmutableList;
import dev.manticore.cuda.Launcher.Grid;
import dev.manticore.cuda.Launcher.Program;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.ManticoreException;
import dev.manticore.runtime.JavaKernel;
import dev.manticore.runtime.KernelContext;
import dev.manticore.runtime.Operands;
import java.util.Collections;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The kernels of a GPU. Each takes the operands, and gives the results, of the operator of its name
 * in the domain {@code dev.manticore}, which defines what it computes. They are started on the
 * stream of ONNX Runtime's run and not waited for.
 */
final class CudaKernels {

  private static final Logger LOG = LoggerFactory.getLogger(CudaKernels.class);

  /** Steps of a chunk where no gradient is wanted; each chunk takes a state's memory. */
  private static final int CHUNK = 64;

  /** As the source has them. */
  private static final int GRADIENT_CHUNK = 16;

  private static final int PIECES = 4;
  private static final int CONVOLUTION_CHUNK = 32;
  private static final int NORM_ROWS = 16;
  private static final int DIGIT_BITS = 4;
  private static final int SORT_CHUNK = 32;

  /** What a block's shared memory has room for. */
  private static final int MOST_STATES = 92;

  private static final int MOST_WIDTH = 352;

  /** Every part of a kernel's memory to work in begins at so many floats. */
  private static final int ALIGNED = 64;

  private final Launcher launcher;

  private CudaKernels(Launcher launcher) {
    this.launcher = launcher;
  }

  /** The kernels of a device; none, with a warning, where there is no compiler. */
  static ImmutableList<JavaKernel> of(int device, CudaMachine.Gpu gpu) {
    CudaCompiler.obstacle().ifPresent(LOG::warn);
    return CudaCompiler.obstacle().isPresent()
        ? ImmutableList.of()
        : of(new GpuLauncher(device, gpu));
  }

  @VisibleForTesting
  static ImmutableList<JavaKernel> of(Launcher launcher) {
    CudaKernels kernels = new CudaKernels(launcher);
    return ImmutableList.of(
        Entry.of("SelectiveScan", floats(5), 1, kernels::selectiveScan),
        Entry.of("SelectiveScanWithState", floats(6), 2, kernels::selectiveScanWithState),
        Entry.of("SelectiveScanGrad", floats(6), 5, kernels::selectiveScanGrad),
        attention("Attention", 4, 1, kernels::attention).withIntegerAttributes("heads"),
        attention("AttentionGrad", 5, 3, kernels::attentionGrad).withIntegerAttributes("heads"),
        attention("CausalAttention", 3, 1, kernels::causalAttention)
            .withIntegerAttributes("heads", "window"),
        attention("CausalAttentionGrad", 4, 3, kernels::causalAttentionGrad)
            .withIntegerAttributes("heads", "window"),
        Entry.of("CausalConv", floats(3), 1, kernels::causalConv),
        Entry.of("CausalConvGrad", floats(3), 3, kernels::causalConvGrad),
        Entry.of("EmbeddingGrad", ImmutableList.of(INT64, FLOAT32), 1, kernels::embeddingGrad)
            .withIntegerAttributes("rows"),
        Entry.of(
            "CrossEntropyGrad",
            ImmutableList.of(FLOAT32, FLOAT32, INT64),
            1,
            kernels::crossEntropyGrad),
        Entry.of("LayerNormGrad", floats(5), 3, kernels::layerNormGrad),
        Entry.of("RmsNormGrad", floats(3), 2, kernels::rmsNormGrad).withFloatAttributes("epsilon"),
        Entry.of("AdamW", floats(5), 3, kernels::adamW),
        Entry.of("Silu", floats(1), 1, kernels::silu),
        Entry.of(
            "SiluGrad", floats(2), 1, (o, c) -> kernels.elementwiseGrad("silu_gradient", o, c)),
        Entry.of(
            "GeluTanhGrad",
            floats(2),
            1,
            (o, c) -> kernels.elementwiseGrad("gelu_gradient", o, c)));
  }

  private static Entry attention(String name, int inputs, int outputs, Computation computation) {
    return Entry.of(name, floats(inputs), outputs, computation).withFloatAttributes("scale");
  }

  private static ImmutableList<ElementType> floats(int count) {
    return ImmutableList.copyOf(Collections.nCopies(count, FLOAT32));
  }

  private interface Computation {
    void start(Operands operands, KernelContext context);
  }

  /** All results are float32. */
  private record Entry(
      String name,
      ImmutableList<ElementType> inputs,
      ImmutableList<ElementType> outputs,
      ImmutableList<String> integerAttributes,
      ImmutableList<String> floatAttributes,
      Computation computation)
      implements JavaKernel {

    static Entry of(
        String name, ImmutableList<ElementType> inputs, int outputs, Computation computation) {
      return new Entry(
          name, inputs, floats(outputs), ImmutableList.of(), ImmutableList.of(), computation);
    }

    Entry withIntegerAttributes(String... names) {
      return new Entry(
          name, inputs, outputs, ImmutableList.copyOf(names), floatAttributes, computation);
    }

    Entry withFloatAttributes(String... names) {
      return new Entry(
          name, inputs, outputs, integerAttributes, ImmutableList.copyOf(names), computation);
    }

    @Override
    public String executionProvider() {
      return "CUDAExecutionProvider";
    }

    @Override
    public void compute(KernelContext context) {
      computation.start(new Operands(name, context), context);
    }
  }

  /** The extents of a scan: x and delta [batch, length, channels], a [channels, states]. */
  private record Scan(long batch, long length, long channels, int states) {

    static Scan of(Operands operands, KernelContext context) {
      long[] x = context.inputShape(0);
      operands.check(0, x.length == 3);
      operands.checkSame(0, 1);
      long[] a = context.inputShape(2);
      operands.check(2, a.length == 2 && a[0] == x[2]);
      operands.checkShape(3, x[0], x[1], a[1]);
      operands.checkShape(4, x[0], x[1], a[1]);
      if (a[1] > MOST_STATES) {
        throw new ManticoreException(
            "MNT-RUNTIME-KERNEL",
            operands.kernel()
                + ": on CUDA there is room for "
                + MOST_STATES
                + " states of a channel, not for "
                + a[1]
                + "; use the device cpu");
      }
      return new Scan(x[0], x[1], x[2], Math.toIntExact(a[1]));
    }

    boolean isEmpty() {
      return batch == 0 || channels == 0 || states == 0;
    }

    Program program() {
      return new Program("STATES", states);
    }

    long chunks(int chunk) {
      return (length + chunk - 1) / chunk;
    }

    /** A block for so many channels of each chunk. */
    Grid perChunk(int chunk) {
      return Grid.of(channels, chunks(chunk), batch);
    }

    Grid perState() {
      return Grid.of(channels, states, batch);
    }

    /** Elements of the states of all chunks. */
    long stateCount(int chunk) {
      return batch * chunks(chunk) * states * channels;
    }

    long sumCount(int chunk) {
      return batch * chunks(chunk) * channels;
    }
  }

  /** Addresses of the parts of one block of memory, each of so many floats. */
  private static long[] scratch(KernelContext context, long... counts) {
    long[] at = new long[counts.length];
    long total = 0;
    for (int i = 0; i < counts.length; i++) {
      at[i] = total;
      total += (counts[i] + ALIGNED - 1) / ALIGNED * ALIGNED;
    }
    long address = context.scratch(Float.BYTES * total);
    for (int i = 0; i < counts.length; i++) {
      at[i] = address + Float.BYTES * at[i];
    }
    return at;
  }

  private void selectiveScan(Operands operands, KernelContext context) {
    Scan scan = Scan.of(operands, context);
    forward(scan, context, 0, context.outputAddress(0, context.inputShape(0)), 0);
  }

  private void selectiveScanWithState(Operands operands, KernelContext context) {
    Scan scan = Scan.of(operands, context);
    operands.checkShape(5, scan.batch(), scan.channels(), scan.states());
    forward(
        scan,
        context,
        context.inputAddress(5),
        context.outputAddress(0, context.inputShape(0)),
        context.outputAddress(1, context.inputShape(5)));
  }

  /**
   * @param before the address of the first state; 0 for zeros
   * @param after the address of the last state; 0 where it is not wanted
   */
  private void forward(Scan scan, KernelContext context, long before, long y, long after) {
    if (scan.isEmpty()) {
      return;
    }
    long[] work = scratch(context, scan.stateCount(CHUNK), scan.sumCount(CHUNK));
    long states = work[0];
    begin(scan, context, CHUNK, before, states, work[1], after);
    if (scan.length() > 0) {
      launcher.launch(
          scan.program(),
          "scan_outputs",
          scan.perChunk(CHUNK),
          context.stream(),
          context.inputAddress(0),
          context.inputAddress(1),
          context.inputAddress(2),
          context.inputAddress(3),
          context.inputAddress(4),
          states,
          y,
          scan.length(),
          scan.channels(),
          CHUNK);
    }
  }

  /** The states that chunks begin with. */
  private void begin(
      Scan scan,
      KernelContext context,
      int chunk,
      long before,
      long states,
      long sums,
      long after) {
    if (scan.length() > 0) {
      launcher.launch(
          scan.program(),
          "scan_chunks",
          scan.perChunk(chunk),
          context.stream(),
          context.inputAddress(0),
          context.inputAddress(1),
          context.inputAddress(2),
          context.inputAddress(3),
          states,
          sums,
          scan.length(),
          scan.channels(),
          chunk);
    }
    launcher.launch(
        scan.program(),
        "scan_carry",
        scan.perState(),
        context.stream(),
        context.inputAddress(2),
        before,
        states,
        sums,
        after,
        scan.channels(),
        scan.chunks(chunk));
  }

  private void selectiveScanGrad(Operands operands, KernelContext context) {
    Scan scan = Scan.of(operands, context);
    operands.checkSame(0, 5);
    long dx = context.outputAddress(0, context.inputShape(0));
    long ddelta = context.outputAddress(1, context.inputShape(1));
    long da = context.outputAddress(2, context.inputShape(2));
    long db = context.outputAddress(3, context.inputShape(3));
    long dc = context.outputAddress(4, context.inputShape(4));
    if (scan.channels() == 0 || scan.states() == 0) {
      return;
    }
    Program program = scan.program();
    long stream = context.stream();
    long x = context.inputAddress(0);
    long delta = context.inputAddress(1);
    long a = context.inputAddress(2);
    long b = context.inputAddress(3);
    long c = context.inputAddress(4);
    long dy = context.inputAddress(5);
    long length = scan.length();
    long channels = scan.channels();
    long chunks = scan.chunks(GRADIENT_CHUNK);
    long rows = scan.batch() * length;
    Grid perChunk = scan.perChunk(GRADIENT_CHUNK);
    long pieces = (long) perChunk.x() * PIECES;
    long[] work =
        scratch(
            context,
            scan.stateCount(GRADIENT_CHUNK),
            scan.stateCount(GRADIENT_CHUNK),
            scan.sumCount(GRADIENT_CHUNK),
            rows * 2 * scan.states() * pieces);
    long states = work[0];
    long adjoints = work[1];
    long sums = work[2];
    long parts = work[3];
    if (rows > 0) {
      begin(scan, context, GRADIENT_CHUNK, 0, states, sums, 0);
      launcher.launch(
          program, "adjoint_chunks", perChunk, stream, delta, a, c, dy, adjoints, length, channels);
      launcher.launch(
          program, "adjoint_carry", scan.perState(), stream, a, adjoints, sums, channels, chunks);
      launcher.launch(
          program,
          "scan_gradient",
          perChunk,
          stream,
          x,
          delta,
          a,
          b,
          c,
          dy,
          states,
          adjoints,
          dx,
          ddelta,
          parts,
          length,
          channels);
      launcher.launch(
          program,
          "scan_mixing_gradient",
          Grid.of(rows * 2 * scan.states(), 1, 1),
          stream,
          parts,
          db,
          dc,
          rows,
          pieces);
    }
    launcher.launch(
        program,
        "scan_rate_gradient",
        Grid.of(channels, scan.states(), 1),
        stream,
        states,
        da,
        channels,
        scan.batch() * chunks);
  }

  /**
   * The extents of an attention: queries and results {@code [batch, queries, heads * width]}, keys
   * and values {@code [batch, keys, heads * width]}.
   *
   * @param mask the address of {@code [queries, keys]}; 0 where the attention is causal
   * @param window how many keys a query sees at most where it is
   */
  private record Heads(
      long batch, long queries, long keys, long heads, int width, long mask, long window) {

    static Heads masked(Operands operands, KernelContext context) {
      long[] q = context.inputShape(0);
      long[] k = context.inputShape(1);
      operands.check(0, q.length == 3);
      operands.check(1, k.length == 3 && k[0] == q[0] && k[2] == q[2]);
      operands.checkSame(1, 2);
      operands.checkShape(3, q[1], k[1]);
      return of(operands, context, context.inputAddress(3), 1);
    }

    static Heads causal(Operands operands, KernelContext context) {
      operands.check(0, context.inputShape(0).length == 3);
      operands.checkSame(0, 1, 2);
      long window = context.integer("window");
      if (window < 1) {
        throw new ManticoreException(
            "MNT-RUNTIME-KERNEL",
            operands.kernel() + ": attribute 'window' should be 1 or more, not " + window);
      }
      // No more than there are, so that no sum of it overflows.
      long keys = context.inputShape(1)[1];
      return of(operands, context, 0, Math.min(window, Math.max(1, keys)));
    }

    private static Heads of(Operands operands, KernelContext context, long mask, long window) {
      long[] q = context.inputShape(0);
      long heads = context.integer("heads");
      operands.check(0, heads > 0 && q[2] % heads == 0);
      long width = q[2] / heads;
      if (width > MOST_WIDTH) {
        throw new ManticoreException(
            "MNT-RUNTIME-KERNEL",
            operands.kernel()
                + ": on CUDA there is room for heads of width "
                + MOST_WIDTH
                + ", not of "
                + width
                + "; use the device cpu");
      }
      return new Heads(
          q[0], q[1], context.inputShape(1)[1], heads, Math.toIntExact(width), mask, window);
    }

    boolean isEmpty() {
      return batch == 0 || queries == 0 || keys == 0 || width == 0;
    }

    Program program() {
      return new Program("WIDTH", width);
    }

    /** Queries of a tile, as the source has it. */
    int tileOfQueries() {
      return width <= 96 ? 64 : width <= 160 ? 32 : 16;
    }

    /** Queries, and keys, of a tile of the gradients, as the source has it. */
    int tileOfGradient() {
      return width <= 72 ? 32 : width <= 176 ? 16 : 8;
    }

    Grid perTile(long rows, int tile) {
      return new Grid(
          Math.toIntExact((rows + tile - 1) / tile),
          Math.toIntExact(heads),
          Math.toIntExact(batch));
    }
  }

  private void attention(Operands operands, KernelContext context) {
    attend(Heads.masked(operands, context), context);
  }

  private void causalAttention(Operands operands, KernelContext context) {
    attend(Heads.causal(operands, context), context);
  }

  private void attend(Heads heads, KernelContext context) {
    long y = context.outputAddress(0, context.inputShape(0));
    if (heads.isEmpty()) {
      return;
    }
    launcher.launch(
        heads.program(),
        "attention",
        heads.perTile(heads.queries(), heads.tileOfQueries()),
        context.stream(),
        context.inputAddress(0),
        context.inputAddress(1),
        context.inputAddress(2),
        heads.mask(),
        y,
        heads.queries(),
        heads.keys(),
        heads.heads(),
        heads.window(),
        bits(context.real("scale")));
  }

  private void attentionGrad(Operands operands, KernelContext context) {
    operands.checkSame(0, 4);
    attendGrad(Heads.masked(operands, context), 4, context);
  }

  private void causalAttentionGrad(Operands operands, KernelContext context) {
    operands.checkSame(0, 3);
    attendGrad(Heads.causal(operands, context), 3, context);
  }

  /**
   * @param result the input that holds the gradient of the result
   */
  private void attendGrad(Heads heads, int result, KernelContext context) {
    long dq = context.outputAddress(0, context.inputShape(0));
    long dk = context.outputAddress(1, context.inputShape(1));
    long dv = context.outputAddress(2, context.inputShape(2));
    if (heads.isEmpty()) {
      return;
    }
    long q = context.inputAddress(0);
    long k = context.inputAddress(1);
    long v = context.inputAddress(2);
    long dy = context.inputAddress(result);
    long scale = bits(context.real("scale"));
    long statistics = scratch(context, heads.batch() * heads.heads() * 3 * heads.queries())[0];
    launcher.launch(
        heads.program(),
        "attention_query_gradient",
        heads.perTile(heads.queries(), heads.tileOfGradient()),
        context.stream(),
        q,
        k,
        v,
        heads.mask(),
        dy,
        dq,
        statistics,
        heads.queries(),
        heads.keys(),
        heads.heads(),
        heads.window(),
        scale);
    launcher.launch(
        heads.program(),
        "attention_key_gradient",
        heads.perTile(heads.keys(), heads.tileOfGradient()),
        context.stream(),
        q,
        k,
        v,
        heads.mask(),
        dy,
        statistics,
        dk,
        dv,
        heads.queries(),
        heads.keys(),
        heads.heads(),
        heads.window(),
        scale);
  }

  /** A float as an argument of a launch. */
  private static long bits(float value) {
    return Integer.toUnsignedLong(Float.floatToRawIntBits(value));
  }

  private void causalConv(Operands operands, KernelContext context) {
    long[] x = context.inputShape(0);
    long[] weight = checkConvolution(operands, context);
    operands.checkShape(2, x[2]);
    long y = context.outputAddress(0, x);
    if (count(x) > 0) {
      launcher.launch(
          new Program("TAPS", Math.toIntExact(weight[2])),
          "convolution",
          Grid.of(x[2], convolutionChunks(x), x[0]),
          context.stream(),
          context.inputAddress(0),
          context.inputAddress(1),
          context.inputAddress(2),
          y,
          x[1],
          x[2]);
    }
  }

  private static long convolutionChunks(long[] x) {
    return (x[1] + CONVOLUTION_CHUNK - 1) / CONVOLUTION_CHUNK;
  }

  /** The shape of the weights. */
  private static long[] checkConvolution(Operands operands, KernelContext context) {
    long[] x = context.inputShape(0);
    operands.check(0, x.length == 3);
    long[] weight = context.inputShape(1);
    operands.check(1, weight.length == 3 && weight[0] == x[2] && weight[1] == 1);
    return weight;
  }

  private void causalConvGrad(Operands operands, KernelContext context) {
    long[] x = context.inputShape(0);
    long[] weight = checkConvolution(operands, context);
    operands.checkSame(0, 2);
    long dx = context.outputAddress(0, x);
    long dweight = context.outputAddress(1, weight);
    long dbias = context.outputAddress(2, x[2]);
    if (x[2] == 0) {
      return;
    }
    int taps = Math.toIntExact(weight[2]);
    Program program = new Program("TAPS", taps);
    long chunks = convolutionChunks(x);
    long parts = scratch(context, x[0] * chunks * (taps + 1) * x[2])[0];
    if (x[0] * chunks > 0) {
      launcher.launch(
          program,
          "convolution_gradient",
          Grid.of(x[2], chunks, x[0]),
          context.stream(),
          context.inputAddress(0),
          context.inputAddress(1),
          context.inputAddress(2),
          dx,
          parts,
          x[1],
          x[2]);
    }
    launcher.launch(
        program,
        "convolution_weight_gradient",
        Grid.of(x[2], taps + 1L, 1),
        context.stream(),
        parts,
        dweight,
        dbias,
        x[2],
        x[0] * chunks);
  }

  private void embeddingGrad(Operands operands, KernelContext context) {
    long[] dy = operands.shape(1, 1);
    long uses = count(context.inputShape(0));
    long width = dy[dy.length - 1];
    operands.check(1, count(dy) == uses * width);
    long rows = context.integer("rows");
    long table = context.outputAddress(0, rows, width);
    if (rows == 0 || width == 0) {
      return;
    }
    long ids = context.inputAddress(0);
    long chunks = (uses + SORT_CHUNK - 1) / SORT_CHUNK;
    long digits = 1L << DIGIT_BITS;
    // All of 4 bytes, as floats are.
    long[] work = scratch(context, digits * chunks, uses, uses);
    long sorted = 0;
    // A use of no row counts as one of the row behind the last.
    for (int shift = 0; rows >> shift != 0; shift += DIGIT_BITS) {
      long next = work[1 + shift / DIGIT_BITS % 2];
      if (uses > 0) {
        sort(context, ids, sorted, work[0], next, uses, rows, chunks, shift);
      }
      sorted = next;
    }
    launcher.launch(
        Program.ANY,
        "embedding_gradient",
        new Grid(Math.toIntExact(rows), Grid.of(width, 1, 1).x(), 1),
        context.stream(),
        ids,
        sorted,
        context.inputAddress(1),
        table,
        uses,
        rows,
        width);
  }

  /** One pass of the sort, by one digit. */
  private void sort(
      KernelContext context,
      long ids,
      long sorted,
      long counts,
      long next,
      long uses,
      long rows,
      long chunks,
      int shift) {
    Grid perChunk = Grid.of(chunks, 1, 1);
    long stream = context.stream();
    launcher.launch(
        Program.ANY,
        "sort_counts",
        perChunk,
        stream,
        ids,
        sorted,
        counts,
        uses,
        rows,
        chunks,
        shift);
    launcher.launch(
        Program.ANY, "sort_starts", Grid.of(1, 1, 1), stream, counts, chunks << DIGIT_BITS);
    launcher.launch(
        Program.ANY,
        "sort_uses",
        perChunk,
        stream,
        ids,
        sorted,
        counts,
        next,
        uses,
        rows,
        chunks,
        shift);
  }

  private void crossEntropyGrad(Operands operands, KernelContext context) {
    long[] shape = operands.shape(1, 1);
    long width = shape[shape.length - 1];
    long rows = count(context.inputShape(2));
    operands.check(0, count(context.inputShape(0)) == 1);
    operands.check(2, count(shape) == rows * width);
    long dlogits = context.outputAddress(0, shape);
    if (count(shape) == 0) {
      return;
    }
    long labels = context.inputAddress(2);
    long total = scratch(context, 1)[0];
    launcher.launch(
        Program.ANY, "counted_labels", Grid.of(1, 1, 1), context.stream(), labels, total, rows);
    launcher.launch(
        Program.ANY,
        "cross_entropy_gradient",
        new Grid(Math.toIntExact(rows), 1, 1),
        context.stream(),
        context.inputAddress(0),
        context.inputAddress(1),
        labels,
        total,
        dlogits,
        width);
  }

  private void layerNormGrad(Operands operands, KernelContext context) {
    operands.checkSame(0, 4);
    long[] shape = operands.shape(0, 1);
    long width = shape[shape.length - 1];
    for (int statistic = 2; statistic < 4; statistic++) {
      operands.check(statistic, count(context.inputShape(statistic)) * width == count(shape));
    }
    normGrad(operands, context, context.inputAddress(2), context.inputAddress(3), 4, 0);
  }

  private void rmsNormGrad(Operands operands, KernelContext context) {
    operands.checkSame(0, 2);
    normGrad(operands, context, 0, 0, 2, context.real("epsilon"));
  }

  /**
   * @param mean the address of the rows' means; 0 if it is their mean square that they are divided
   *     by
   * @param inverse that of what they are multiplied by; 0 too then
   * @param result the input that holds the gradient of the result
   */
  private void normGrad(
      Operands operands,
      KernelContext context,
      long mean,
      long inverse,
      int result,
      float epsilon) {
    long[] shape = operands.shape(0, 1);
    long width = shape[shape.length - 1];
    operands.checkShape(1, width);
    long dx = context.outputAddress(0, shape);
    int weights = mean == 0 ? 1 : 2;
    long[] sums = new long[weights];
    for (int weight = 0; weight < weights; weight++) {
      sums[weight] = context.outputAddress(1 + weight, width);
    }
    if (width == 0) {
      return;
    }
    long rows = count(shape) / width;
    long blocks = (rows + NORM_ROWS - 1) / NORM_ROWS;
    long parts = scratch(context, blocks * weights * width)[0];
    if (rows > 0) {
      launcher.launch(
          Program.ANY,
          "norm_gradient",
          new Grid(Math.toIntExact(blocks), 1, 1),
          context.stream(),
          context.inputAddress(0),
          context.inputAddress(1),
          mean,
          inverse,
          context.inputAddress(result),
          dx,
          parts,
          rows,
          width,
          bits(epsilon));
    }
    for (int weight = 0; weight < weights; weight++) {
      launcher.launch(
          Program.ANY,
          "sum_of_rows",
          Grid.of(width, 1, 1),
          context.stream(),
          parts,
          sums[weight],
          width,
          blocks,
          weights * width,
          weight * width);
    }
  }

  private void adamW(Operands operands, KernelContext context) {
    operands.checkSame(0, 1, 2, 3);
    operands.checkShape(4, 8);
    long[] shape = context.inputShape(0);
    long count = count(shape);
    long parameter = context.outputAddress(0, shape);
    long first = context.outputAddress(1, shape);
    long second = context.outputAddress(2, shape);
    if (count > 0) {
      launcher.launch(
          Program.ANY,
          "adamw",
          Grid.of(count, 1, 1),
          context.stream(),
          context.inputAddress(0),
          context.inputAddress(1),
          context.inputAddress(2),
          context.inputAddress(3),
          context.inputAddress(4),
          parameter,
          first,
          second,
          count);
    }
  }

  private void silu(Operands operands, KernelContext context) {
    long[] shape = context.inputShape(0);
    long y = context.outputAddress(0, shape);
    if (count(shape) > 0) {
      launcher.launch(
          Program.ANY,
          "silu",
          Grid.of(count(shape), 1, 1),
          context.stream(),
          context.inputAddress(0),
          y,
          count(shape));
    }
  }

  private void elementwiseGrad(String kernel, Operands operands, KernelContext context) {
    operands.checkSame(0, 1);
    long[] shape = context.inputShape(0);
    long dx = context.outputAddress(0, shape);
    if (count(shape) > 0) {
      launcher.launch(
          Program.ANY,
          kernel,
          Grid.of(count(shape), 1, 1),
          context.stream(),
          context.inputAddress(0),
          context.inputAddress(1),
          dx,
          count(shape));
    }
  }

  private static long count(long[] shape) {
    long count = 1;
    for (long extent : shape) {
      count *= extent;
    }
    return count;
  }
}
