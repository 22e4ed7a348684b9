package dev.manticore.runtime;

import static dev.manticore.ir.ElementType.FLOAT32;
import static dev.manticore.ir.ElementType.INT64;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import com.google.common.primitives.Ints;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.ManticoreException;
import dev.manticore.kernels.Attention;
import dev.manticore.kernels.AttentionWithState;
import dev.manticore.kernels.CausalConv;
import dev.manticore.kernels.Elementwise;
import dev.manticore.kernels.EmbeddingGradient;
import dev.manticore.kernels.Forms;
import dev.manticore.kernels.GatedScanWithState;
import dev.manticore.kernels.Mask;
import dev.manticore.kernels.Rows;
import dev.manticore.kernels.SelectiveScan;
import dev.manticore.kernels.SiluConvWithState;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.function.BiConsumer;

/**
 * The kernels of the CPU: those that were measured to be faster than what ONNX Runtime makes of the
 * operator's definition. Each takes the operands, and gives the results, of the operator of its
 * name in the domain {@code dev.manticore}, which defines what it computes.
 */
final class CpuKernels {

  private static final ImmutableList<JavaKernel> ALL =
      ImmutableList.of(
          Entry.of("SelectiveScan", floats(5), 1, CpuKernels::selectiveScan),
          Entry.of("SelectiveScanWithState", floats(6), 2, CpuKernels::selectiveScanWithState),
          Entry.of("GatedScanWithState", floats(9), 2, CpuKernels::gatedScanWithState)
              .withIntegerAttributes("first"),
          Entry.of("SiluConvWithState", floats(5), 2, CpuKernels::siluConvWithState)
              .withIntegerAttributes("first"),
          Entry.of("SelectiveScanGrad", floats(6), 5, CpuKernels::selectiveScanGrad),
          Entry.of("Attention", floats(4), 1, CpuKernels::attention)
              .withIntegerAttributes("heads")
              .withFloatAttributes("scale"),
          causalAttention("", 3, 1, CpuKernels::causalAttention),
          Entry.of("AttentionWithState", floats(6), 3, CpuKernels::attentionWithState)
              .withIntegerAttributes("heads")
              .withFloatAttributes("scale"),
          Entry.of("AttentionGrad", floats(5), 3, CpuKernels::attentionGrad)
              .withIntegerAttributes("heads")
              .withFloatAttributes("scale"),
          causalAttention("Grad", 4, 3, CpuKernels::causalAttentionGrad),
          Entry.of("CausalConv", floats(3), 1, CpuKernels::causalConv),
          Entry.of("CausalConvGrad", floats(3), 3, CpuKernels::causalConvGrad),
          Entry.of("EmbeddingGrad", ImmutableList.of(INT64, FLOAT32), 1, CpuKernels::embeddingGrad)
              .withIntegerAttributes("rows"),
          Entry.of(
              "CrossEntropyGrad",
              ImmutableList.of(FLOAT32, FLOAT32, INT64),
              1,
              CpuKernels::crossEntropyGrad),
          linearCrossEntropy("", 1),
          linearCrossEntropy("Sum", 2),
          Entry.of("LayerNormGrad", floats(5), 3, CpuKernels::layerNormGrad),
          Entry.of("RmsNormGrad", floats(3), 2, CpuKernels::rmsNormGrad)
              .withFloatAttributes("epsilon"),
          Entry.of("GeluTanhGrad", floats(2), 1, CpuKernels::geluTanhGrad),
          Entry.of("SiluGrad", floats(2), 1, CpuKernels::siluGrad),
          Entry.of("AdamW", floats(5), 3, CpuKernels::adamW),
          product("FusedMatMul", 0),
          product("FusedMatMulAdd", 1),
          product("FusedMatMulAddAdd", 2));

  /** Those that consist of products by oneDNN. */
  private static final ImmutableSet<String> WITH_PRODUCTS =
      ImmutableSet.of(
          "FusedMatMul",
          "FusedMatMulAdd",
          "FusedMatMulAddAdd",
          "LinearCrossEntropy",
          "LinearCrossEntropySum");

  /** Those that win in their vector form only. */
  private static final ImmutableSet<String> WITH_VECTORS =
      ImmutableSet.of("Attention", "AttentionGrad", "CausalAttention", "CausalAttentionGrad");

  private CpuKernels() {}

  /** All of them but those that win in a form only that is not there. */
  static ImmutableList<JavaKernel> all() {
    return ALL.stream()
        .filter(kernel -> Forms.hasVector() || !WITH_VECTORS.contains(kernel.name()))
        .filter(kernel -> OneDnn.available() || !WITH_PRODUCTS.contains(kernel.name()))
        .collect(ImmutableList.toImmutableList());
  }

  /** All of them, wherever they win. */
  static ImmutableList<JavaKernel> withVectors() {
    return ALL;
  }

  /** The form of the kernels in use, {@code plain} or {@code vector}. */
  static String form() {
    return Forms.inUse();
  }

  private static Entry product(String name, int addends) {
    return Entry.of(name, floats(2 + addends), 1, CpuKernels::fusedMatMul)
        .withIntegerAttributes("transA", "transB");
  }

  private static Entry causalAttention(
      String suffix, int inputs, int outputs, BiConsumer<Entry, KernelContext> computation) {
    return Entry.of("CausalAttention" + suffix, floats(inputs), outputs, computation)
        .withIntegerAttributes("heads", "window")
        .withFloatAttributes("scale");
  }

  private static Entry linearCrossEntropy(String suffix, int heads) {
    return Entry.of(
            "LinearCrossEntropy" + suffix,
            ImmutableList.<ElementType>builder().addAll(floats(2 * heads)).add(INT64).build(),
            1 + 2 * heads,
            CpuKernels::linearCrossEntropy)
        .withIntegerAttributes("transB", "rows");
  }

  private static ImmutableList<ElementType> floats(int count) {
    return ImmutableList.copyOf(Collections.nCopies(count, FLOAT32));
  }

  private record Entry(
      String name,
      ImmutableList<ElementType> inputs,
      ImmutableList<ElementType> outputs,
      ImmutableList<String> integerAttributes,
      ImmutableList<String> floatAttributes,
      BiConsumer<Entry, KernelContext> computation)
      implements JavaKernel {

    static Entry of(
        String name,
        ImmutableList<ElementType> inputs,
        int outputs,
        BiConsumer<Entry, KernelContext> computation) {
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
    public void compute(KernelContext context) {
      computation.accept(this, context);
    }

    /** The shape of an input, of this rank at least. */
    long[] shape(KernelContext context, int input, int rank) {
      return new Operands(name, context).shape(input, rank);
    }

    /** Checks that inputs have the shape of the first. */
    void checkSame(KernelContext context, int first, int... others) {
      new Operands(name, context).checkSame(first, others);
    }

    void checkShape(KernelContext context, int input, long... shape) {
      new Operands(name, context).checkShape(input, shape);
    }

    void check(KernelContext context, int input, boolean fits) {
      new Operands(name, context).check(input, fits);
    }
  }

  private static SelectiveScan scan(Entry kernel, KernelContext context) {
    long[] x = context.inputShape(0);
    kernel.check(context, 0, x.length == 3);
    kernel.checkSame(context, 0, 1);
    long[] a = context.inputShape(2);
    kernel.check(context, 2, a.length == 2 && a[0] == x[2]);
    kernel.checkShape(context, 3, x[0], x[1], a[1]);
    kernel.checkShape(context, 4, x[0], x[1], a[1]);
    return new SelectiveScan(
        Math.toIntExact(x[0]), Math.toIntExact(x[1]), Math.toIntExact(x[2]), Math.toIntExact(a[1]));
  }

  private static void selectiveScan(Entry kernel, KernelContext context) {
    scan(kernel, context)
        .forward(
            context::parallel,
            context.floatInput(0),
            context.floatInput(1),
            context.floatInput(2),
            context.floatInput(3),
            context.floatInput(4),
            context.floatOutput(0, context.inputShape(0)));
  }

  private static void selectiveScanWithState(Entry kernel, KernelContext context) {
    SelectiveScan scan = scan(kernel, context);
    kernel.checkShape(context, 5, scan.batch(), scan.channels(), scan.states());
    scan.forwardFrom(
        context::parallel,
        context.floatInput(0),
        context.floatInput(1),
        context.floatInput(2),
        context.floatInput(3),
        context.floatInput(4),
        context.floatInput(5),
        context.floatOutput(0, context.inputShape(0)),
        context.floatOutput(1, context.inputShape(5)));
  }

  private static void gatedScanWithState(Entry kernel, KernelContext context) {
    long[] x = context.inputShape(0);
    int block = GatedScanWithState.BLOCK;
    kernel.check(context, 0, x.length == 3 && x[2] % block == 0);
    long[] weight = context.inputShape(2);
    kernel.check(context, 2, weight.length == 2 && weight[1] == x[2]);
    kernel.checkShape(context, 3, x[2]);
    kernel.checkShape(context, 4, x[0], x[1], 1);
    long[] a = context.inputShape(5);
    kernel.check(context, 5, a.length == 3 && a[0] == x[2] / block && a[2] == block);
    kernel.checkShape(context, 1, x[0], x[1], weight[0] + 2 * a[1]);
    kernel.checkShape(context, 6, x[2]);
    long columns = columns(kernel, context, 7, x[0], x[1], x[2]);
    kernel.checkShape(context, 8, x[0], a[0], a[1], block);
    new GatedScanWithState(
            Math.toIntExact(x[0]),
            Math.toIntExact(x[1]),
            Math.toIntExact(x[2]),
            Math.toIntExact(a[1]),
            Math.toIntExact(weight[0]),
            Math.toIntExact(columns),
            Math.toIntExact(context.integer("first")))
        .compute(
            context::parallel,
            new GatedScanWithState.Operands(
                context.floatInput(0),
                context.floatInput(1),
                context.floatInput(2),
                context.floatInput(3),
                context.floatInput(4),
                context.floatInput(5),
                context.floatInput(6),
                context.floatInput(7)),
            context.floatInput(8),
            context.floatOutput(0, x),
            context.floatOutput(1, context.inputShape(8)));
  }

  /** The columns of an input [batch,length,columns] that has so many of them from "first" on. */
  private static long columns(
      Entry kernel, KernelContext context, int input, long batch, long length, long wanted) {
    long[] shape = context.inputShape(input);
    long first = context.integer("first");
    kernel.check(
        context,
        input,
        shape.length == 3
            && shape[0] == batch
            && shape[1] == length
            && first >= 0
            && first <= shape[2] - wanted);
    return shape[2];
  }

  private static void siluConvWithState(Entry kernel, KernelContext context) {
    long[] x = context.inputShape(0);
    long[] weight = context.inputShape(2);
    kernel.check(context, 2, weight.length == 2 && weight[0] > 0);
    long channels = weight[1];
    kernel.check(context, 0, x.length == 3);
    long columns = columns(kernel, context, 0, x[0], x[1], channels);
    kernel.checkShape(context, 1, x[0], x[1], 1);
    kernel.checkShape(context, 3, channels);
    kernel.checkShape(context, 4, x[0], weight[0] - 1, channels);
    new SiluConvWithState(
            Math.toIntExact(x[0]),
            Math.toIntExact(x[1]),
            Math.toIntExact(channels),
            Math.toIntExact(weight[0]),
            Math.toIntExact(columns),
            Math.toIntExact(context.integer("first")))
        .compute(
            context::parallel,
            context.floatInput(0),
            context.floatInput(1),
            context.floatInput(2),
            context.floatInput(3),
            context.floatInput(4),
            context.floatOutput(0, x[0], x[1], channels),
            context.floatOutput(1, context.inputShape(4)));
  }

  private static void selectiveScanGrad(Entry kernel, KernelContext context) {
    SelectiveScan scan = scan(kernel, context);
    kernel.checkSame(context, 0, 5);
    scan.gradient(
        context::parallel,
        context.floatInput(0),
        context.floatInput(1),
        context.floatInput(2),
        context.floatInput(3),
        context.floatInput(4),
        context.floatInput(5),
        context.floatOutput(0, context.inputShape(0)),
        context.floatOutput(1, context.inputShape(1)),
        context.floatOutput(2, context.inputShape(2)),
        context.floatOutput(3, context.inputShape(3)),
        context.floatOutput(4, context.inputShape(4)));
  }

  private static Attention attentionOf(Entry kernel, KernelContext context) {
    long[] q = context.inputShape(0);
    long[] k = context.inputShape(1);
    long heads = context.integer("heads");
    kernel.check(context, 0, q.length == 3 && heads > 0 && q[2] % heads == 0);
    kernel.check(context, 1, k.length == 3 && k[0] == q[0] && k[2] == q[2]);
    kernel.checkSame(context, 1, 2);
    return new Attention(
        Math.toIntExact(q[0]),
        Math.toIntExact(q[1]),
        Math.toIntExact(k[1]),
        Math.toIntExact(heads),
        Math.toIntExact(q[2] / heads),
        context.real("scale"));
  }

  private static void attention(Entry kernel, KernelContext context) {
    Attention attention = attentionOf(kernel, context);
    forward(attention, maskOf(kernel, context, attention), context);
  }

  private static void attentionGrad(Entry kernel, KernelContext context) {
    Attention attention = attentionOf(kernel, context);
    kernel.checkSame(context, 0, 4);
    gradient(attention, maskOf(kernel, context, attention), 4, context);
  }

  private static Mask maskOf(Entry kernel, KernelContext context, Attention attention) {
    kernel.checkShape(context, 3, attention.queries(), attention.keys());
    return Mask.of(context.floatInput(3));
  }

  private static void causalAttention(Entry kernel, KernelContext context) {
    forward(attentionOf(kernel, context), causalMaskOf(kernel, context), context);
  }

  private static void causalAttentionGrad(Entry kernel, KernelContext context) {
    kernel.checkSame(context, 0, 3);
    gradient(attentionOf(kernel, context), causalMaskOf(kernel, context), 3, context);
  }

  private static Mask causalMaskOf(Entry kernel, KernelContext context) {
    kernel.checkSame(context, 0, 1);
    long window = context.integer("window");
    if (window < 1) {
      throw new ManticoreException(
          "MNT-RUNTIME-KERNEL",
          kernel.name() + ": attribute 'window' should be 1 or more, not " + window);
    }
    return Mask.causal(Ints.saturatedCast(window));
  }

  private static void forward(Attention attention, Mask mask, KernelContext context) {
    attention.forward(
        context::parallel,
        context.floatInput(0),
        context.floatInput(1),
        context.floatInput(2),
        mask,
        context.floatOutput(0, context.inputShape(0)));
  }

  /**
   * @param dy the input that holds the gradient of the result
   */
  private static void gradient(Attention attention, Mask mask, int dy, KernelContext context) {
    attention.gradient(
        context::parallel,
        context.floatInput(0),
        context.floatInput(1),
        context.floatInput(2),
        mask,
        context.floatInput(dy),
        context.floatOutput(0, context.inputShape(0)),
        context.floatOutput(1, context.inputShape(1)),
        context.floatOutput(2, context.inputShape(2)));
  }

  private static void attentionWithState(Entry kernel, KernelContext context) {
    long[] q = context.inputShape(0);
    long heads = context.integer("heads");
    kernel.check(context, 0, q.length == 3 && heads > 0 && q[2] % heads == 0);
    kernel.checkSame(context, 0, 1, 2);
    long width = q[2] / heads;
    long[] keys = context.inputShape(3);
    kernel.check(
        context, 3, keys.length == 4 && keys[0] == q[0] && keys[1] == heads && keys[2] == width);
    kernel.checkShape(context, 4, q[0], heads, keys[3], width);
    long[] bias = context.inputShape(5);
    kernel.check(
        context,
        5,
        bias.length == 4
            && (bias[0] == 1 || bias[0] == q[0])
            && (bias[1] == 1 || bias[1] == heads)
            && bias[2] == q[1]
            && bias[3] >= q[1]
            && bias[3] <= keys[3]);
    FloatView keysWith = context.floatOutput(1, keys);
    FloatView valuesWith = context.floatOutput(2, context.inputShape(4));
    keysWith.copyFrom(context.floatInput(3));
    valuesWith.copyFrom(context.floatInput(4));
    new AttentionWithState(
            Math.toIntExact(q[0]),
            Math.toIntExact(q[1]),
            Math.toIntExact(bias[3]),
            Math.toIntExact(keys[3]),
            Math.toIntExact(heads),
            Math.toIntExact(width),
            context.real("scale"),
            new AttentionWithState.Biases(bias[0] > 1, bias[1] > 1))
        .compute(
            context::parallel,
            context.floatInput(0),
            context.floatInput(1),
            context.floatInput(2),
            context.floatInput(5),
            keysWith,
            valuesWith,
            context.floatOutput(0, q));
  }

  private static CausalConv convolution(Entry kernel, KernelContext context) {
    long[] x = context.inputShape(0);
    kernel.check(context, 0, x.length == 3);
    long[] weight = context.inputShape(1);
    kernel.check(context, 1, weight.length == 3 && weight[0] == x[2] && weight[1] == 1);
    return new CausalConv(
        Math.toIntExact(x[0]),
        Math.toIntExact(x[1]),
        Math.toIntExact(x[2]),
        Math.toIntExact(weight[2]));
  }

  private static void causalConv(Entry kernel, KernelContext context) {
    CausalConv convolution = convolution(kernel, context);
    kernel.checkShape(context, 2, convolution.channels());
    convolution.forward(
        context::parallel,
        context.floatInput(0),
        context.floatInput(1),
        context.floatInput(2),
        context.floatOutput(0, context.inputShape(0)));
  }

  private static void causalConvGrad(Entry kernel, KernelContext context) {
    CausalConv convolution = convolution(kernel, context);
    kernel.checkSame(context, 0, 2);
    convolution.gradient(
        context::parallel,
        context.floatInput(0),
        context.floatInput(1),
        context.floatInput(2),
        context.floatOutput(0, context.inputShape(0)),
        context.floatOutput(1, context.inputShape(1)),
        context.floatOutput(2, convolution.channels()));
  }

  private static void embeddingGrad(Entry kernel, KernelContext context) {
    LongView ids = context.longInput(0);
    long[] dy = kernel.shape(context, 1, 1);
    long width = dy[dy.length - 1];
    kernel.check(context, 1, width * ids.size() == context.floatInput(1).size());
    long rows = context.integer("rows");
    int[] use = new int[Math.toIntExact(ids.size())];
    long[] given = values(ids);
    for (int i = 0; i < use.length; i++) {
      // As Gather has it, a negative index counts from the end.
      use[i] = inRange(kernel, given[i] < 0 ? given[i] + rows : given[i], rows);
    }
    new EmbeddingGradient(Math.toIntExact(rows), Math.toIntExact(width))
        .compute(
            context::parallel, use, context.floatInput(1), context.floatOutput(0, rows, width));
  }

  private static int inRange(Entry kernel, long index, long end) {
    if (index < 0 || index >= end) {
      throw new ManticoreException(
          "MNT-RUNTIME-KERNEL",
          kernel.name() + ": index " + index + " is not from 0 to " + (end - 1));
    }
    return Math.toIntExact(index);
  }

  private static long[] values(LongView view) {
    long[] values = new long[Math.toIntExact(view.size())];
    view.read(0, values, 0, values.length);
    return values;
  }

  private static Rows rows(long size, long[] shape) {
    long width = shape[shape.length - 1];
    return new Rows(width == 0 ? 0 : size / width, Math.toIntExact(width));
  }

  private static long[] labels(Entry kernel, KernelContext context, int input, Rows rows) {
    long[] labels = values(context.longInput(input));
    kernel.check(context, input, labels.length == rows.rows());
    for (long label : labels) {
      if (label != Rows.IGNORED) {
        inRange(kernel, label, rows.width());
      }
    }
    return labels;
  }

  private static void crossEntropyGrad(Entry kernel, KernelContext context) {
    FloatView logProbabilities = context.floatInput(1);
    long[] shape = kernel.shape(context, 1, 1);
    Rows rows = rows(logProbabilities.size(), shape);
    long[] labels = labels(kernel, context, 2, rows);
    float[] dloss = new float[1];
    context.floatInput(0).read(0, dloss, 0, 1);
    rows.crossEntropyGradient(
        context::parallel, dloss[0], logProbabilities, labels, context.floatOutput(0, shape));
  }

  private static void layerNormGrad(Entry kernel, KernelContext context) {
    FloatView x = context.floatInput(0);
    long[] shape = kernel.shape(context, 0, 1);
    Rows rows = rows(x.size(), shape);
    kernel.checkShape(context, 1, rows.width());
    kernel.check(context, 2, context.floatInput(2).size() == rows.rows());
    kernel.check(context, 3, context.floatInput(3).size() == rows.rows());
    kernel.checkSame(context, 0, 4);
    rows.layerNormGradient(
        context::parallel,
        x,
        context.floatInput(1),
        context.floatInput(2),
        context.floatInput(3),
        context.floatInput(4),
        context.floatOutput(0, shape),
        context.floatOutput(1, rows.width()),
        context.floatOutput(2, rows.width()));
  }

  private static void rmsNormGrad(Entry kernel, KernelContext context) {
    FloatView x = context.floatInput(0);
    long[] shape = kernel.shape(context, 0, 1);
    Rows rows = rows(x.size(), shape);
    kernel.checkShape(context, 1, rows.width());
    kernel.checkSame(context, 0, 2);
    rows.rmsNormGradient(
        context::parallel,
        x,
        context.floatInput(1),
        context.floatInput(2),
        context.real("epsilon"),
        context.floatOutput(0, shape),
        context.floatOutput(1, rows.width()));
  }

  private static void geluTanhGrad(Entry kernel, KernelContext context) {
    kernel.checkSame(context, 0, 1);
    FloatView x = context.floatInput(0);
    Elementwise.geluGradient(
        context::parallel,
        x.size(),
        x,
        context.floatInput(1),
        context.floatOutput(0, context.inputShape(0)));
  }

  private static void siluGrad(Entry kernel, KernelContext context) {
    kernel.checkSame(context, 0, 1);
    FloatView x = context.floatInput(0);
    Elementwise.siluGradient(
        context::parallel,
        x.size(),
        x,
        context.floatInput(1),
        context.floatOutput(0, context.inputShape(0)));
  }

  private static void adamW(Entry kernel, KernelContext context) {
    kernel.checkSame(context, 0, 1, 2, 3);
    kernel.checkShape(context, 4, 8);
    float[] settings = new float[8];
    context.floatInput(4).read(0, settings, 0, settings.length);
    long[] shape = context.inputShape(0);
    FloatView parameter = context.floatInput(0);
    Elementwise.adamW(
        context::parallel,
        parameter.size(),
        parameter,
        context.floatInput(1),
        context.floatInput(2),
        context.floatInput(3),
        settings,
        context.floatOutput(0, shape),
        context.floatOutput(1, shape),
        context.floatOutput(2, shape));
  }

  /**
   * As ONNX Runtime's operator of this name, of matrices, or of matrices in a with one b; and
   * addends, each as large as the product or one row of it.
   */
  private static void fusedMatMul(Entry kernel, KernelContext context) {
    long[] a = kernel.shape(context, 0, 2);
    boolean transposedA = context.integer("transA") != 0;
    boolean transposedB = context.integer("transB") != 0;
    kernel.check(context, 0, a.length == 2 || !transposedA);
    long[] b = context.inputShape(1);
    long rows = 1;
    for (int i = 0; i < a.length - 1; i++) {
      rows *= a[i];
    }
    long depth = a[a.length - 1];
    if (transposedA) {
      long swap = rows;
      rows = depth;
      depth = swap;
    }
    kernel.check(context, 1, b.length == 2 && b[transposedB ? 1 : 0] == depth);
    long columns = b[transposedB ? 0 : 1];
    long[] shape = a.clone();
    shape[0] = transposedA ? rows : shape[0];
    shape[a.length - 1] = columns;
    long size = rows * columns;
    ImmutableList.Builder<Long> addendRows = ImmutableList.builder();
    long[] addends = new long[kernel.inputs().size() - 2];
    for (int i = 0; i < addends.length; i++) {
      FloatView addend = context.floatInput(2 + i);
      kernel.check(context, 2 + i, addend.size() == size || addend.size() == columns);
      addendRows.add(addend.size() == size ? rows : 1L);
      addends[i] = addend.address();
    }
    MatrixProduct.Extents extents =
        new MatrixProduct.Extents(
            transposedA, transposedB, rows, columns, depth, addendRows.build(), false);
    product(context, extents)
        .compute(
            context::parallel,
            context.floatInput(0).address(),
            context.floatInput(1).address(),
            addends,
            context.floatOutput(0, shape).address());
  }

  private static MatrixProduct product(KernelContext context, MatrixProduct.Extents extents) {
    return context.kept(
        extents, MatrixProduct.class, () -> new MatrixProduct(extents, context.threads()));
  }

  /** One of the products that logits are the sum of. */
  private record Head(long width, long x, long weight, long dx, long dweight) {}

  /**
   * The logits of some rows at a time: their products, loss and gradient, and what the gradient
   * gives, before those of the next rows; so that all logits are never there.
   */
  private static void linearCrossEntropy(Entry kernel, KernelContext context) {
    boolean turned = context.integer("transB") != 0;
    int last = kernel.inputs().size() - 1;
    long classes = kernel.shape(context, 1, 2)[turned ? 0 : 1];
    long count = context.longInput(last).size();
    List<Head> heads = new ArrayList<>();
    for (int i = 0; i < last; i += 2) {
      long[] x = kernel.shape(context, i, 1);
      long width = x[x.length - 1];
      kernel.check(context, i, context.floatInput(i).size() == count * width);
      long[] weight = turned ? new long[] {classes, width} : new long[] {width, classes};
      kernel.checkShape(context, i + 1, weight);
      heads.add(
          new Head(
              width,
              context.floatInput(i).address(),
              context.floatInput(i + 1).address(),
              context.floatOutput(i + 1, x).address(),
              context.floatOutput(i + 2, weight).address()));
    }
    long[] labels = labels(kernel, context, last, new Rows(count, Math.toIntExact(classes)));
    float each = 1f / Rows.counted(labels);
    long wanted = Math.max(1, context.integer("rows"));
    long chunks = Math.max(1, (count + wanted - 1) / wanted);
    int most = Math.toIntExact((count + chunks - 1) / chunks);
    long logits = context.scratch(most * classes * Float.BYTES);
    double sum = 0;
    for (long first = 0; first < count; first += most) {
      int rows = (int) Math.min(most, count - first);
      for (Head head : heads) {
        product(
            context,
            extents(false, turned, rows, classes, head.width(), head != heads.get(0)),
            head.x() + Float.BYTES * first * head.width(),
            head.weight(),
            logits);
      }
      float[] losses = new float[rows];
      new Rows(rows, Math.toIntExact(classes))
          .crossEntropy(
              context::parallel,
              each,
              Arrays.copyOfRange(labels, (int) first, (int) first + rows),
              new FloatView(logits, rows * classes),
              losses);
      for (float loss : losses) {
        sum += loss;
      }
      for (Head head : heads) {
        long place = Float.BYTES * first * head.width();
        product(
            context,
            extents(false, !turned, rows, head.width(), classes, false),
            logits,
            head.weight(),
            head.dx() + place);
        long x = head.x() + place;
        product(
            context,
            turned
                ? extents(true, false, classes, head.width(), rows, first > 0)
                : extents(true, false, head.width(), classes, rows, first > 0),
            turned ? logits : x,
            turned ? x : logits,
            head.dweight());
      }
    }
    context.floatOutput(0).write(0, new float[] {(float) (sum * each)}, 0, 1);
  }

  private static void product(
      KernelContext context, MatrixProduct.Extents extents, long a, long b, long c) {
    product(context, extents).compute(context::parallel, a, b, new long[0], c);
  }

  private static MatrixProduct.Extents extents(
      boolean transposedA,
      boolean transposedB,
      long rows,
      long columns,
      long depth,
      boolean summed) {
    return new MatrixProduct.Extents(
        transposedA, transposedB, rows, columns, depth, ImmutableList.of(), summed);
  }
}
