package dev.manticore.cuda;

import static dev.manticore.ir.ElementType.FLOAT32;

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

  /** What a block's shared memory has room for. */
  private static final int MOST_STATES = 92;

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
        new Entry("SelectiveScan", 5, 1, kernels::selectiveScan),
        new Entry("SelectiveScanWithState", 6, 2, kernels::selectiveScanWithState),
        new Entry("SelectiveScanGrad", 6, 5, kernels::selectiveScanGrad),
        new Entry("CausalConv", 3, 1, kernels::causalConv),
        new Entry("CausalConvGrad", 3, 3, kernels::causalConvGrad),
        new Entry("AdamW", 5, 3, kernels::adamW),
        new Entry("Silu", 1, 1, kernels::silu),
        new Entry("SiluGrad", 2, 1, (o, c) -> kernels.elementwiseGrad("silu_gradient", o, c)),
        new Entry("GeluTanhGrad", 2, 1, (o, c) -> kernels.elementwiseGrad("gelu_gradient", o, c)));
  }

  private interface Computation {
    void start(Operands operands, KernelContext context);
  }

  /** All operands are float32. */
  private record Entry(String name, int inputCount, int outputCount, Computation computation)
      implements JavaKernel {

    @Override
    public ImmutableList<ElementType> inputs() {
      return floats(inputCount);
    }

    @Override
    public ImmutableList<ElementType> outputs() {
      return floats(outputCount);
    }

    private static ImmutableList<ElementType> floats(int count) {
      return ImmutableList.copyOf(Collections.nCopies(count, FLOAT32));
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
