package dev.manticore.compiler.bench;

import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.process.Subprocess;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.kernels.Forms;
import java.util.List;
import java.util.function.Function;

/**
 * Kernels in each of their forms, each in a virtual machine of its own: what it has learnt of one
 * form while compiling does the other no good.
 */
public final class KernelForms {

  private KernelForms() {}

  /**
   * Times them.
   *
   * @param timing the process that prints a JSON object of kernels and their times, by the option
   *     of the virtual machine that says which form they have
   * @return the times by form, {@code vector} where there is one and {@code plain}, in milliseconds
   * @throws dev.manticore.ir.ManticoreException {@code MNT-BENCH} if a process fails
   */
  public static ImmutableMap<String, ImmutableMap<String, Double>> times(
      Function<String, Subprocess> timing, Cancellation cancellation) {
    ImmutableMap.Builder<String, ImmutableMap<String, Double>> times = ImmutableMap.builder();
    for (String form : Forms.hasVector() ? List.of("vector", "plain") : List.of("plain")) {
      ImmutableMap.Builder<String, Double> byKernel = ImmutableMap.builder();
      ComparisonBenchmark.measure(
              "the process that times kernels in their " + form + " form",
              timing.apply("-Dmanticore.kernels=" + form),
              cancellation)
          .properties()
          .forEach(one -> byKernel.put(one.getKey(), one.getValue().asDouble()));
      times.put(form, byKernel.buildOrThrow());
    }
    return times.buildOrThrow();
  }
}
