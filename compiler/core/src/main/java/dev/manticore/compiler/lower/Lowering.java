package dev.manticore.compiler.lower;

import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.decode.DecoderState;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.lift.Lift;
import dev.manticore.ir.pass.CommonSubexpressions;
import dev.manticore.ir.pass.FoldConstants;
import dev.manticore.ir.pass.InlineBodies;
import dev.manticore.ir.pass.Pass;
import dev.manticore.ir.pass.PassPipeline;
import dev.manticore.ir.state.AliasingVerifier;
import dev.manticore.ir.state.StateBinding;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.JavaKernel;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * The pipelines of passes that bring a graph into the form of a target. A graph of another opset is
 * lifted first; one that cannot be is refused with {@code MNT-LIFT}, naming the node.
 */
public final class Lowering {

  /** Our operators that are kept whole until it is known how, and in which type, they run. */
  private static final ImmutableSet<OpId> STATE_SPACES =
      ImmutableSet.of(
          OpId.manticore("SelectiveScan"),
          OpId.manticore("SelectiveScanWithState"),
          OpId.manticore("StateSpaceDual"),
          OpId.manticore("StateSpaceDualWithState"));

  /** Our operators that matrix products are most of. */
  private static final ImmutableSet<OpId> PRODUCTS =
      ImmutableSet.of(
          OpId.manticore("Attention"),
          OpId.manticore("AttentionGrad"),
          OpId.manticore("CausalAttention"),
          OpId.manticore("CausalAttentionGrad"),
          OpId.manticore("Projector"));

  private Lowering() {}

  /** For our own process, with the kernels that a device has. */
  public static Graph forDevice(Graph graph, Device device) {
    return isCuda(device) ? forCuda(graph, kernels(device)) : forDevice(graph, kernels(device));
  }

  /**
   * A training step for our own process, with matrix products in a precision of fewer bits.
   *
   * @throws ManticoreException {@code MNT-PRECISION} if the device does not compute in it
   */
  public static Graph forDevice(Graph step, Device device, Precision precision) {
    if (precision == Precision.FLOAT32) {
      return forDevice(step, device);
    }
    if (!isCuda(device) || precision != Precision.BFLOAT16) {
      throw new ManticoreException(
          "MNT-PRECISION",
          "the device "
              + device.name()
              + " does not train in "
              + precision
              + ": use float32, or, on a GPU, bfloat16");
    }
    return forDevice(inPrecision(step, kernels(device), precision), device);
  }

  /**
   * Matrix products of a training step in a precision, those among them that our operators consist
   * of; else as it was.
   *
   * @param kernels names of kernels that compute operators of ours as they are, unless products are
   *     most of those
   */
  public static Graph inPrecision(Graph step, Set<String> kernels, Precision precision) {
    return PassPipeline.of(
            new Lift(),
            inlineWithout(kernels),
            // First: a kernel would compute their products in float32.
            InlineBodies.of(PRODUCTS::contains),
            new UseKernels(kernels),
            new CommonSubexpressions(),
            new FoldConstants(),
            LowerPrecision.ofTraining(precision))
        .run(step);
  }

  private static ImmutableSet<String> kernels(Device device) {
    return device.kernels().stream().map(JavaKernel::name).collect(ImmutableSet.toImmutableSet());
  }

  private static boolean isCuda(Device device) {
    return device.memoryName().equals(Device.CUDA_MEMORY);
  }

  /**
   * For our own process on a GPU: our operators as kernels where the device has them; what else
   * runs through time does so at once, not step after step.
   */
  private static Graph forCuda(Graph graph, Set<String> kernels) {
    return PassPipeline.of(
            new Lift(),
            inlineWithout(kernels),
            new UseKernels(kernels),
            new UseTrainingKernels(),
            new ParallelScan(),
            InlineBodies.of(Lowering::isUnknownToRuntimes),
            // Before masks are folded, which are too large to be compared.
            new CommonSubexpressions(),
            new FoldConstants(),
            new Simplify(),
            new FuseTransposes(),
            new CommonSubexpressions(),
            new LowerOpset())
        .run(graph);
  }

  /**
   * For our own process: our operators as kernels where the device has them, else as what they
   * stand for.
   *
   * @param kernels the names of the device's kernels
   */
  public static Graph forDevice(Graph graph, Set<String> kernels) {
    List<Pass> passes =
        new ArrayList<>(
            List.of(
                new Lift(),
                inlineWithout(kernels),
                new UseKernels(kernels),
                new UseTrainingKernels(),
                new ShortenChunks(),
                InlineBodies.of(Lowering::isUnknownToRuntimes),
                new ExpandSoftplus(),
                new CommonSubexpressions(),
                new FoldConstants(),
                new Simplify(),
                new FuseTransposes(),
                new CommonSubexpressions()));
    if (kernels.contains("FusedMatMul")) {
      passes.add(new UseProducts());
    }
    return PassPipeline.of(passes.toArray(Pass[]::new)).run(graph);
  }

  /**
   * A decoder for our own process, of a file or not: where the device has kernels for it, keys and
   * values stay where they are instead of growing, and state spaces are recognised and fused.
   */
  public static Graph decoderForDevice(Graph decoder, Device device) {
    Set<String> kernels = kernels(device);
    List<Pass> passes = new ArrayList<>();
    passes.add(new Lift());
    if (kernels.contains("SelectiveScanWithState")) {
      passes.add(new RecogniseScans());
    }
    if (kernels.contains("GatedScanWithState") && kernels.contains("SiluConvWithState")) {
      passes.add(new FuseStateSpaces());
    }
    // Last: it names what the caches become.
    if (kernels.contains("AttentionWithState")) {
      passes.add(new KeepCaches());
    }
    Graph lowered = forDevice(PassPipeline.of(passes.toArray(Pass[]::new)).run(decoder), device);
    AliasingVerifier.verify(
        lowered,
        DecoderState.of(lowered).stream()
            .filter(DecoderState::hasRoom)
            .map(state -> new StateBinding(state.past(), state.present()))
            .toList());
    return lowered;
  }

  /** An operator without a kernel is inlined where its body holds others that have one. */
  private static Pass inlineWithout(Set<String> kernels) {
    return InlineBodies.of(
        op ->
            op.domain().equals(OpId.MANTICORE)
                && op.name().startsWith("LinearCrossEntropy")
                && !kernels.contains(op.name()));
  }

  /** Whether an operator is our own, or of a later operator set than graphs are lifted to. */
  private static boolean isUnknownToRuntimes(OpId op) {
    return op.domain().equals(OpId.MANTICORE)
        || op.domain().equals(OpId.ONNX) && !Lift.isStandard(op);
  }

  /** For any runtime: standard operators alone, in float32, and no other domain imported. */
  public static Graph portable(Graph graph) {
    return portable(graph, Precision.FLOAT32, false);
  }

  /**
   * For a runtime that deployed graphs are for: standard operators alone, no other domain imported,
   * state spaces in the form that suits the device.
   *
   * @throws ManticoreException {@code MNT-TARGET}, naming nodes and rules, if the runtime refuses
   *     what comes out
   */
  public static Graph forTarget(Graph graph, Target target, Precision precision) {
    Graph lowered = portable(graph, precision, target != Target.ONNXRUNTIME_CPU);
    List<Node> foreign =
        lowered.nodes().stream().filter(node -> !node.op().domain().isEmpty()).limit(3).toList();
    if (!foreign.isEmpty()) {
      throw new ManticoreException(
          "MNT-TARGET", "no plain ai.onnx can be made of " + foreign + " and the like");
    }
    TargetCheck.require(lowered, target);
    return lowered;
  }

  private static Graph portable(Graph graph, Precision precision, boolean parallel) {
    List<Pass> passes = new ArrayList<>();
    passes.add(new Lift());
    passes.add(InlineBodies.of(op -> !Lift.isStandard(op) && !STATE_SPACES.contains(op)));
    // Else the shape of a weight keeps it.
    passes.add(new FoldConstants());
    passes.add(new LowerPrecision(precision));
    if (parallel) {
      passes.add(new ParallelScan());
    }
    passes.add(InlineBodies.of(op -> !Lift.isStandard(op)));
    passes.add(new FoldConstants());
    passes.add(new Simplify());
    passes.add(new CommonSubexpressions());
    Graph plain = PassPipeline.of(passes.toArray(Pass[]::new)).run(graph);
    // A graph keeps the domains it came with; some runtimes refuse those that they do not know.
    GraphEditor editor = new GraphEditor(plain.name());
    plain.inputs().forEach(editor::addInput);
    plain.parameters().forEach(editor::setParameter);
    plain.nodes().forEach(editor::addNode);
    plain.outputs().forEach(editor::output);
    plain.metadata().forEach(editor::metadata);
    return editor.freeze();
  }
}
