package dev.manticore.compiler.bench;

/**
 * The sizes that kernels are timed at: those of a step of a model of such a width.
 *
 * @param width of the residual stream, a multiple of 32, the width of an attention head; a state
 *     space has twice as many channels
 * @param batch sequences
 * @param length tokens of a sequence, at least 2
 * @param vocabulary rows of the table
 * @param states states of a channel
 * @param threads threads that share the work of a kernel
 */
public record KernelRequest(
    int width, int batch, int length, int vocabulary, int states, int threads) {

  public KernelRequest {
    StepRequest.requireWidth(width);
    StepRequest.require("batch", batch, 1);
    StepRequest.require("length", length, 2);
    StepRequest.require("vocab", vocabulary, 2);
    StepRequest.require("states", states, 1);
    StepRequest.require("threads", threads, 1);
  }

  int heads() {
    return width / StepBenchmark.HEAD_WIDTH;
  }

  int channels() {
    return 2 * width;
  }

  /** Columns of a time step, as published models have them. */
  int rank() {
    return width / 16;
  }
}
