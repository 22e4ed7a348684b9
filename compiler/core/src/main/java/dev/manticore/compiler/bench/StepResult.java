package dev.manticore.compiler.bench;

/**
 * What a step benchmark measured.
 *
 * @param trainTokensPerSecond of a training step: forward, backward, clipping, AdamW
 * @param trainMilliseconds of that step
 * @param forwardTokensPerSecond of a forward to the logits
 * @param peakRssMebibytes the largest resident size that this process had until now; 0 where the
 *     operating system does not say
 * @param loss of the last training step
 * @param steps that were taken
 */
public record StepResult(
    double trainTokensPerSecond,
    double trainMilliseconds,
    double forwardTokensPerSecond,
    long peakRssMebibytes,
    double loss,
    int steps) {}
