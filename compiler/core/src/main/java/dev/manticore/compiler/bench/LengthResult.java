package dev.manticore.compiler.bench;

import java.util.Optional;

/**
 * What training steps on sequences of one length take.
 *
 * @param length tokens of a sequence
 * @param steps that were taken
 * @param milliseconds of the fastest step
 * @param plannedBytes the most that values of a step take at a time by the plan; empty without a
 *     budget
 * @param recomputed nodes that are run a second time by the plan; empty without a budget
 * @param heldBytes the most that the step's session held at a time, as {@link
 *     dev.manticore.runtime.ModelSession#peakBytes} has it; 0 if the device does not count it
 * @param peakRssMebibytes the largest resident size that the process had; 0 where the operating
 *     system does not say
 * @param loss of the last step
 */
public record LengthResult(
    int length,
    int steps,
    double milliseconds,
    Optional<Long> plannedBytes,
    Optional<Integer> recomputed,
    long heldBytes,
    long peakRssMebibytes,
    double loss) {}
