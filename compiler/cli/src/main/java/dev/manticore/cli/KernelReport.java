package dev.manticore.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.bench.MachineLimits;
import dev.manticore.compiler.bench.StepLimits.Kind;
import java.util.Locale;
import java.util.OptionalDouble;

/**
 * Kernels in their forms beside what the machine allows them, in words and as JSON.
 *
 * @param productRate operations a second of a product of matrices
 * @param times by form, then by kernel, in milliseconds
 */
record KernelReport(
    ImmutableList<Kind> kernels,
    MachineLimits machine,
    double productRate,
    ImmutableMap<String, ImmutableMap<String, Double>> times) {

  ImmutableList<String> lines() {
    ImmutableList.Builder<String> lines = ImmutableList.builder();
    lines.add(
        String.format(
            Locale.ROOT,
            "This machine: products %,.0f GFLOP/s; %s",
            productRate / 1e9,
            StepLimitsReport.machine(machine)));
    StringBuilder head = new StringBuilder(String.format("%-24s", "kernel"));
    times.keySet().forEach(form -> head.append(String.format("%12s ms", form)));
    lines.add(head + "    GB/s    floor ms  reached  bound");
    for (Kind kind : kernels) {
      StringBuilder row = new StringBuilder(String.format("%-24s", kind.operator()));
      for (ImmutableMap<String, Double> form : times.values()) {
        Double took = form.get(kind.operator());
        row.append(
            took == null ? String.format("%15s", "-") : String.format(Locale.ROOT, "%15.3f", took));
      }
      OptionalDouble best = best(kind);
      double floor = kind.floorMilliseconds();
      String bound = kind.bound().name().toLowerCase(Locale.ROOT);
      lines.add(
          best.isEmpty()
              ? row.toString()
              : row
                  + String.format(
                      Locale.ROOT,
                      "%8.1f %11.4f  %5.0f %%  %s",
                      kind.bytes() / best.getAsDouble() / 1e6,
                      floor,
                      100 * floor / best.getAsDouble(),
                      bound));
    }
    return lines.build();
  }

  /** The time of the faster form, in milliseconds. */
  private OptionalDouble best(Kind kind) {
    return times.values().stream()
        .filter(form -> form.containsKey(kind.operator()))
        .mapToDouble(form -> form.get(kind.operator()))
        .min();
  }

  ObjectNode json() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.set("machine", StepLimitsReport.json(machine));
    json.put("product_flops_per_s", productRate);
    ArrayNode described = json.putArray("kernels");
    for (Kind kind : kernels) {
      ObjectNode one =
          described
              .addObject()
              .put("kernel", kind.operator())
              .put("flops", kind.operations())
              .put("exps", kind.exponentials())
              .put("bytes", kind.bytes())
              .put("floor_ms", kind.floorMilliseconds())
              .put("bound", kind.bound().name().toLowerCase(Locale.ROOT));
      times.forEach(
          (form, byKernel) -> {
            if (byKernel.containsKey(kind.operator())) {
              one.put(form + "_ms", byKernel.get(kind.operator()));
            }
          });
    }
    return json;
  }
}
