package dev.manticore.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.bench.MachineLimits;
import dev.manticore.compiler.bench.StepLimits;
import dev.manticore.compiler.bench.StepLimits.Kind;
import java.util.Locale;

/**
 * A step beside what the machine allows it, in words and as JSON.
 *
 * @param stepMilliseconds what the step took
 * @param threads that shared its work
 * @param measured what the nodes of an operator took in a profile, in milliseconds; empty where
 *     there is none
 */
record StepLimitsReport(
    StepLimits limits,
    double stepMilliseconds,
    int threads,
    ImmutableMap<String, Double> measured) {

  /** Kinds with a smaller part of the floor are told in JSON only. */
  private static final double LEAST_SHARE = 0.005;

  ImmutableList<String> lines() {
    ImmutableList.Builder<String> lines = ImmutableList.builder();
    lines.add(
        "",
        line(
            "This machine with %d thread%s: %s",
            threads, threads == 1 ? "" : "s", machine(limits.machine())),
        line(
            "The step's products of %d shapes, each alone: %,.0f GFLOP/s together, the fastest"
                + " %,.0f",
            limits.productShapes(), limits.productRate() / 1e9, limits.fastestProduct() / 1e9),
        "",
        line("A step of %.1f ms does", stepMilliseconds),
        line(
            "  %,.2f GFLOP of products: %,.0f GFLOP/s, %.0f %% of their rate alone",
            limits.productOperations() / 1e9,
            perSecond(limits.productOperations()) / 1e9,
            100 * limits.productMilliseconds() / stepMilliseconds),
        line(
            "  %,.1f million exponentials: %,.2f billion/s, %.0f %% of their rate",
            limits.exponentials() / 1e6,
            perSecond(limits.exponentials()) / 1e9,
            100 * perSecond(limits.exponentials()) / limits.machine().exponentialsPerSecond()),
        line(
            "  %,.0f MB read and written at least: %,.1f GB/s, %.0f %% of the bandwidth",
            limits.leastBytes() / 1e6,
            perSecond(limits.leastBytes()) / 1e9,
            100 * perSecond(limits.leastBytes()) / limits.machine().bandwidth()),
        line(
            "Its floor is %.1f ms, of which it reaches %.0f %%:",
            limits.floorMilliseconds(), 100 * limits.floorMilliseconds() / stepMilliseconds),
        "",
        measured.isEmpty()
            ? "   floor ms  bound         nodes  operator"
            : "   floor ms  measured ms  reached  bound         nodes  operator");
    for (Kind kind : limits.kinds()) {
      if (kind.floorMilliseconds() >= LEAST_SHARE * limits.floorMilliseconds()) {
        lines.add(row(kind));
      }
    }
    if (limits.unknown() > 0) {
      lines.add(line("%d nodes are of no known shape and count nothing", limits.unknown()));
    }
    return lines.add("").build();
  }

  private String row(Kind kind) {
    String bound = kind.bound().name().toLowerCase(Locale.ROOT);
    String end = line("%-12s  %5d  %s", bound, kind.nodes(), kind.operator());
    if (measured.isEmpty()) {
      return line("%11.2f  %s", kind.floorMilliseconds(), end);
    }
    Double took = measured.get(kind.operator());
    return took == null
        ? line("%11.2f  %11s  %7s  %s", kind.floorMilliseconds(), "-", "-", end)
        : line(
            "%11.2f  %11.2f  %5.0f %%  %s",
            kind.floorMilliseconds(), took, 100 * kind.floorMilliseconds() / took, end);
  }

  private double perSecond(double amount) {
    return 1e3 * amount / stepMilliseconds;
  }

  /** How fast a machine is, in words. */
  static String machine(MachineLimits machine) {
    return line(
        "exp %,.2f billion/s; memory %,.1f GB/s reading, %,.1f GB/s copying; cache %,.1f GB/s",
        machine.exponentialsPerSecond() / 1e9,
        machine.readBytesPerSecond() / 1e9,
        machine.copyBytesPerSecond() / 1e9,
        machine.nearBytesPerSecond() / 1e9);
  }

  private static String line(String format, Object... values) {
    return String.format(Locale.ROOT, format, values);
  }

  ObjectNode json() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.set("machine", json(limits.machine()));
    json.put("step_ms", stepMilliseconds)
        .put("product_shapes", limits.productShapes())
        .put("product_flops", limits.productOperations())
        .put("product_flops_per_s", limits.productRate())
        .put("fastest_product_flops_per_s", limits.fastestProduct())
        .put("product_ms", limits.productMilliseconds())
        .put("exps", limits.exponentials())
        .put("least_bytes", limits.leastBytes())
        .put("floor_ms", limits.floorMilliseconds())
        .put("floor_share", limits.floorMilliseconds() / stepMilliseconds)
        .put("unknown_nodes", limits.unknown());
    ArrayNode kinds = json.putArray("kinds");
    for (Kind kind : limits.kinds()) {
      ObjectNode one =
          kinds
              .addObject()
              .put("operator", kind.operator())
              .put("nodes", kind.nodes())
              .put("flops", kind.operations())
              .put("exps", kind.exponentials())
              .put("bytes", kind.bytes())
              .put("flops_ms", kind.operationMilliseconds())
              .put("exp_ms", kind.exponentialMilliseconds())
              .put("bytes_ms", kind.byteMilliseconds())
              .put("floor_ms", kind.floorMilliseconds());
      Double took = measured.get(kind.operator());
      if (took != null) {
        one.put("measured_ms", took);
      }
    }
    return json;
  }

  static ObjectNode json(MachineLimits machine) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("exps_per_s", machine.exponentialsPerSecond())
        .put("read_bytes_per_s", machine.readBytesPerSecond())
        .put("copy_bytes_per_s", machine.copyBytesPerSecond())
        .put("near_bytes_per_s", machine.nearBytesPerSecond())
        .put("cache_bytes", machine.cacheBytes())
        .put("array_bytes", machine.arrayBytes());
  }
}
