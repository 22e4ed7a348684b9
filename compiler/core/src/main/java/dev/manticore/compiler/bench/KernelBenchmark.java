package dev.manticore.compiler.bench;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.JavaKernel;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Times our own kernels each alone, at the sizes of a step, as ONNX Runtime calls them; and says
 * what each cannot do without. The form of the kernels is that of the process.
 */
public final class KernelBenchmark {

  /** Time for the virtual machine to compile a kernel, and for the kernel to choose its form. */
  private static final Duration WARM = Duration.ofMillis(1500);

  private static final Duration TIMED = Duration.ofMillis(700);

  private KernelBenchmark() {}

  /**
   * What the machine allows kernels at best, with operands that are in the cache where they fit it.
   *
   * @param productRate operations a second of a product of matrices
   * @param names those wanted; all if empty
   * @throws ManticoreException {@code MNT-BENCH} for a name that no kernel has
   */
  public static ImmutableList<StepLimits.Kind> limits(
      KernelRequest request, List<String> names, MachineLimits machine, double productRate) {
    return chosen(request, names).stream()
        .map(
            one -> {
              NodeWork work = NodeWork.of(one.graph(), one.node(), machine, value -> false);
              return StepLimits.Kind.of(
                  one.name(), 1, work, 1e3 * work.operations() / productRate, machine);
            })
        .collect(ImmutableList.toImmutableList());
  }

  /**
   * Refuses what cannot be timed.
   *
   * @throws ManticoreException {@code MNT-BENCH} for a name that no kernel has
   */
  public static void check(KernelRequest request, List<String> names) {
    chosen(request, names);
  }

  /**
   * Times kernels that a device has.
   *
   * @param names those wanted; all if empty
   * @return the best time of each, in milliseconds
   * @throws ManticoreException {@code MNT-BENCH} for a name that no kernel has
   */
  public static ImmutableMap<String, Double> run(
      Device device, KernelRequest request, List<String> names) {
    Set<String> there = device.kernels().stream().map(JavaKernel::name).collect(Collectors.toSet());
    NodeTimer timer = new NodeTimer(device, request.threads(), WARM, TIMED);
    ImmutableMap.Builder<String, Double> times = ImmutableMap.builder();
    for (KernelCase one : chosen(request, names)) {
      if (there.contains(one.name())) {
        times.put(one.name(), timer.milliseconds(one.graph(), one.contents(), one.inPlace()));
      }
    }
    return times.buildOrThrow();
  }

  /** Operations a second of the product of a step's largest layer. */
  public static double productRate(Device device, KernelRequest request) {
    long rows = (long) request.batch() * request.length();
    GraphEditor editor = new GraphEditor("product");
    Value a = editor.input("a", TensorType.of(ElementType.FLOAT32, rows, request.width()));
    Value b =
        editor.input(
            "b", TensorType.of(ElementType.FLOAT32, request.width(), 4L * request.width()));
    editor.output(editor.add(OpId.onnx("MatMul"), a, b));
    double milliseconds =
        new NodeTimer(device, request.threads(), WARM, TIMED).milliseconds(editor.freeze());
    return 2e3 * rows * request.width() * 4 * request.width() / milliseconds;
  }

  private static ImmutableList<KernelCase> chosen(KernelRequest request, List<String> names) {
    ImmutableList<KernelCase> all = KernelCase.all(request);
    ImmutableList<String> known =
        all.stream().map(KernelCase::name).collect(ImmutableList.toImmutableList());
    for (String name : names) {
      if (!known.contains(name)) {
        throw new ManticoreException(
            "MNT-BENCH",
            "there is no kernel '" + name + "' to measure; choose of " + String.join(", ", known));
      }
    }
    return all.stream()
        .filter(one -> names.isEmpty() || names.contains(one.name()))
        .collect(ImmutableList.toImmutableList());
  }
}
