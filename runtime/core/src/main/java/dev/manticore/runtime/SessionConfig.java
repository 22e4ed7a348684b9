package dev.manticore.runtime;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;

/**
 * How a session is made. Execution is always sequential.
 *
 * @param intraOpThreads threads that share the work of one operator, the calling one included; at
 *     least 1
 * @param optimization how far ONNX Runtime rewrites the graph
 * @param disabledOptimizers names of ONNX Runtime's graph optimizers to leave out, {@code
 *     CommonSubexpressionElimination} for example
 * @param spinning whether idle threads wait busily during a run
 * @param memoryPattern whether the memory of a run is planned from the previous one
 * @param profilePrefix the prefix of the profile's file name, or empty for no profile
 */
public record SessionConfig(
    int intraOpThreads,
    Optimization optimization,
    ImmutableList<String> disabledOptimizers,
    Spinning spinning,
    MemoryPattern memoryPattern,
    String profilePrefix) {

  /** How far ONNX Runtime rewrites a graph. */
  public enum Optimization {
    NONE,
    BASIC,
    EXTENDED,
    ALL
  }

  /** Whether idle threads wait busily: faster, but only while nothing else wants the processor. */
  public enum Spinning {
    OFF,
    /** During a run, never between runs. */
    DURING_RUNS
  }

  /** Whether the memory of a run is planned from the previous run of the same shapes. */
  public enum MemoryPattern {
    OFF,
    ON
  }

  public SessionConfig {
    checkArgument(intraOpThreads >= 1, "a session needs a thread, not %s", intraOpThreads);
    requireNonNull(optimization, "optimization");
    requireNonNull(disabledOptimizers, "disabledOptimizers");
    requireNonNull(spinning, "spinning");
    requireNonNull(memoryPattern, "memoryPattern");
    requireNonNull(profilePrefix, "profilePrefix");
  }

  /** All processors, all optimizations, no profile. */
  public static SessionConfig defaults() {
    return new SessionConfig(
        Runtime.getRuntime().availableProcessors(),
        Optimization.ALL,
        ImmutableList.of(),
        Spinning.DURING_RUNS,
        // One block for all values of a run makes runs no faster but their peak much larger.
        MemoryPattern.OFF,
        "");
  }

  public SessionConfig withIntraOpThreads(int threads) {
    return new SessionConfig(
        threads, optimization, disabledOptimizers, spinning, memoryPattern, profilePrefix);
  }

  public SessionConfig withOptimization(Optimization changed) {
    return new SessionConfig(
        intraOpThreads, changed, disabledOptimizers, spinning, memoryPattern, profilePrefix);
  }

  public SessionConfig withDisabledOptimizers(String... names) {
    return new SessionConfig(
        intraOpThreads,
        optimization,
        ImmutableList.copyOf(names),
        spinning,
        memoryPattern,
        profilePrefix);
  }

  public SessionConfig withSpinning(Spinning changed) {
    return new SessionConfig(
        intraOpThreads, optimization, disabledOptimizers, changed, memoryPattern, profilePrefix);
  }

  public SessionConfig withMemoryPattern(MemoryPattern changed) {
    return new SessionConfig(
        intraOpThreads, optimization, disabledOptimizers, spinning, changed, profilePrefix);
  }

  public SessionConfig withProfilePrefix(String prefix) {
    return new SessionConfig(
        intraOpThreads, optimization, disabledOptimizers, spinning, memoryPattern, prefix);
  }
}
