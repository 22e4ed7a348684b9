package dev.manticore.compiler.bench;

import com.google.common.annotations.VisibleForTesting;
import com.google.common.collect.ImmutableList;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import com.google.common.primitives.Doubles;
import dev.manticore.compiler.decode.DecoderBuilder;
import dev.manticore.compiler.decode.DecoderSession;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Times decoding one sequence: reading a prompt at once, then a token at a time; beside it what
 * each token costs where the whole text is read again for it, and what reading the weights once
 * costs.
 */
public final class DecodeBenchmark {

  private static final int VOCABULARY_SEED = 1;

  /** Times that a whole text is read, of which the best or the median counts. */
  private static final int WHOLE_RUNS = 3;

  /** Time given to the virtual machine to compile the kernels, before anything is timed. */
  private static final Duration WARM = Duration.ofSeconds(10);

  /** Tokens of the prompts of that time, at most: most of it goes to single tokens. */
  private static final int WARM_PROMPT = 64;

  /** Of the heap, what is read in place of the weights takes one part of so many. */
  private static final int PARTS_OF_HEAP = 2;

  private DecodeBenchmark() {}

  /**
   * What was measured after a number of tokens.
   *
   * @param position tokens read before the steps that were timed
   * @param prefillTokensPerSecond reading them at once
   * @param stepMilliseconds single tokens read after them
   * @param readMilliseconds reading as many bytes as the weights have from memory, by turns with
   *     these; on another device than the processor nothing
   * @param recomputeMilliseconds the median of reading them, and one more, from the start
   */
  public record Result(
      int position,
      double prefillTokensPerSecond,
      Samples stepMilliseconds,
      ImmutableList<Double> readMilliseconds,
      double recomputeMilliseconds) {}

  /**
   * What was measured.
   *
   * @param weightBytes of the weights that a token is computed with: all but the tables of which it
   *     takes a row
   */
  public record Report(long weightBytes, ImmutableList<Result> results) {}

  /**
   * Measures at each of some positions.
   *
   * @param request its length bounds the positions; batch is taken as 1
   * @param positions each at least 1, and with the steps after it no more than the length
   */
  public static Report run(Device device, StepRequest request, List<Integer> positions) {
    return run(device, request, positions, WARM);
  }

  @VisibleForTesting
  static Report run(
      Device device, StepRequest request, List<Integer> positions, Duration warmTime) {
    Graph model = StepBenchmark.model(request);
    SessionConfig config = SessionConfig.defaults().withIntraOpThreads(request.threads());
    Graph decoder = DecoderBuilder.build(model).graph();
    long weightBytes = weightBytes(decoder);
    int[] ids = ids(request);
    ImmutableList.Builder<Result> results = ImmutableList.builder();
    try (SharedThreads threads =
            new SharedThreads(request.threads(), Duration.ZERO, Duration.ZERO);
        ModelSession session = open(Lowering.decoderForDevice(decoder, device), device, config);
        DecoderSession reading = new DecoderSession(session, 1);
        ModelSession whole = open(Lowering.forDevice(model, device), device, config)) {
      boolean besideMemory = device.executionProviders().isEmpty();
      EqualArrays arrays =
          new EqualArrays(
              threads,
              besideMemory
                  ? Math.min(weightBytes, Runtime.getRuntime().maxMemory() / PARTS_OF_HEAP)
                  : 0);
      warm(reading, arrays, ids, warmTime);
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
        ImmutableList.Builder<Double> read = ImmutableList.builder();
        for (int i = 0; i < steps; i++) {
          long start = System.nanoTime();
          reading.read(ids[position + i]);
          step[i] = (System.nanoTime() - start) / 1e6;
          if (besideMemory) {
            read.add(arrays.readingMilliseconds() * weightBytes / arrays.bytes());
          }
        }
        results.add(
            new Result(
                position,
                1e9 * position / prefill,
                Samples.of(Doubles.asList(step)),
                read.build(),
                median(recompute(whole, Arrays.copyOf(ids, position + 1)))));
      }
    }
    return new Report(weightBytes, results.build());
  }

  /** Where the time of a token goes that is read after some others. */
  public static RunProfile profile(Device device, StepRequest request, int position)
      throws IOException {
    Path directory = Files.createTempDirectory("manticore-profile");
    try {
      SessionConfig config =
          SessionConfig.defaults()
              .withIntraOpThreads(request.threads())
              .withProfilePrefix(directory.resolve("token").toString());
      Graph decoder =
          Lowering.decoderForDevice(
              DecoderBuilder.build(StepBenchmark.model(request)).graph(), device);
      int[] ids = ids(request);
      try (ModelSession session = open(decoder, device, config);
          DecoderSession reading = new DecoderSession(session, 1)) {
        reading.read(Arrays.copyOf(ids, position));
        int steps = Math.min(request.steps(), request.length() - position);
        for (int i = 0; i < steps; i++) {
          reading.read(ids[position + i]);
        }
        return RunProfile.read(session.finishProfile().orElseThrow(), decoder);
      }
    } finally {
      MoreFiles.deleteRecursively(directory, RecursiveDeleteOption.ALLOW_INSECURE);
    }
  }

  /** Bytes of the parameters, but for those of which rows are taken and nothing else. */
  @VisibleForTesting
  static long weightBytes(Graph decoder) {
    Set<Value> read = new HashSet<>();
    for (Node node : decoder.nodes()) {
      node.reads().stream()
          .filter(value -> !(node.op().isOnnx("Gather") && node.input(0).equals(value)))
          .forEach(read::add);
    }
    return decoder.parameters().keySet().stream()
        .filter(read::contains)
        .mapToLong(parameter -> parameter.type().byteSize())
        .sum();
  }

  private static int[] ids(StepRequest request) {
    return new SplittableRandom(VOCABULARY_SEED)
        .ints(request.length(), 0, request.vocabulary())
        .toArray();
  }

  private static void warm(DecoderSession reading, EqualArrays arrays, int[] ids, Duration time) {
    long start = System.nanoTime();
    int prompt = Math.min(WARM_PROMPT, ids.length / 2);
    while (System.nanoTime() - start < time.toNanos()) {
      reading.reset();
      reading.read(Arrays.copyOf(ids, prompt));
      for (int i = prompt; i < ids.length; i++) {
        reading.read(ids[i]);
        arrays.readingMilliseconds();
        if (System.nanoTime() - start > time.toNanos()) {
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
    return Samples.of(Doubles.asList(values)).median();
  }
}
