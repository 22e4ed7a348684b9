package dev.manticore.compiler.bench;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.decode.DecoderBuilder;
import dev.manticore.compiler.decode.DecoderSession;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Times decoding one sequence: reading a prompt at once, then a token at a time; beside it what
 * each token costs where the whole text is read again for it.
 */
public final class DecodeBenchmark {

  private static final int VOCABULARY_SEED = 1;

  /** Times that a whole text is read, of which the best or the median counts. */
  private static final int WHOLE_RUNS = 3;

  /** Time given to the virtual machine to compile the kernels, before anything is timed. */
  private static final long WARM_NANOS = 4_000_000_000L;

  private DecodeBenchmark() {}

  /**
   * What was measured after a number of tokens.
   *
   * @param position tokens read before the steps that were timed
   * @param prefillTokensPerSecond reading them at once
   * @param stepMilliseconds the median of single tokens read after them
   * @param recomputeMilliseconds the median of reading them, and one more, from the start
   */
  public record Result(
      int position,
      double prefillTokensPerSecond,
      double stepMilliseconds,
      double recomputeMilliseconds) {}

  /**
   * Measures at each of some positions.
   *
   * @param request its length bounds the positions; batch is taken as 1
   * @param positions each at least 1, and with the steps after it no more than the length
   */
  public static ImmutableList<Result> run(
      Device device, StepRequest request, List<Integer> positions) {
    Graph model = StepBenchmark.model(request);
    SessionConfig config = SessionConfig.defaults().withIntraOpThreads(request.threads());
    Graph decoder = DecoderBuilder.build(model).graph();
    int[] ids =
        new SplittableRandom(VOCABULARY_SEED)
            .ints(request.length(), 0, request.vocabulary())
            .toArray();
    ImmutableList.Builder<Result> results = ImmutableList.builder();
    try (ModelSession session = open(Lowering.decoderForDevice(decoder, device), device, config);
        DecoderSession reading = new DecoderSession(session, 1);
        ModelSession whole = open(Lowering.forDevice(model, device), device, config)) {
      warm(reading, ids);
      for (int position : positions) {
        int[] prompt = Arrays.copyOf(ids, position);
        double prefill = Double.POSITIVE_INFINITY;
        for (int run = 0; run < WHOLE_RUNS; run++) {
          reading.reset();
          long start = System.nanoTime();
          reading.read(prompt);
          prefill = Math.min(prefill, System.nanoTime() - start);
        }
        int steps = Math.min(request.steps(), request.length() - position);
        double[] step = new double[steps];
        for (int i = 0; i < steps; i++) {
          long start = System.nanoTime();
          reading.read(ids[position + i]);
          step[i] = (System.nanoTime() - start) / 1e6;
        }
        results.add(
            new Result(
                position,
                1e9 * position / prefill,
                median(step),
                median(recompute(whole, Arrays.copyOf(ids, position + 1)))));
      }
    }
    return results.build();
  }

  private static void warm(DecoderSession reading, int[] ids) {
    long start = System.nanoTime();
    while (System.nanoTime() - start < WARM_NANOS) {
      reading.reset();
      reading.read(Arrays.copyOf(ids, ids.length / 2));
      for (int i = ids.length / 2; i < ids.length; i++) {
        reading.read(ids[i]);
        if (System.nanoTime() - start > WARM_NANOS) {
          break;
        }
      }
    }
  }

  private static double[] recompute(ModelSession whole, int[] ids) {
    Tensor sequence =
        Tensor.ofLongs(Shape.of(1, ids.length), Arrays.stream(ids).asLongStream().toArray());
    String input = whole.inputs().keySet().iterator().next();
    double[] runs = new double[WHOLE_RUNS];
    for (int run = 0; run < WHOLE_RUNS; run++) {
      long start = System.nanoTime();
      whole.run(Map.of(input, sequence));
      runs[run] = (System.nanoTime() - start) / 1e6;
    }
    return runs;
  }

  private static ModelSession open(Graph lowered, Device device, SessionConfig config) {
    return ModelSession.open(device, OnnxExporter.toBytes(lowered), config);
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}
