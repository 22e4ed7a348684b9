package dev.manticore.compiler.engine;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import com.google.common.primitives.Ints;
import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.artifact.Manifest;
import dev.manticore.compiler.decode.Decoder;
import dev.manticore.compiler.decode.DecoderBuilder;
import dev.manticore.compiler.decode.DecoderState;
import dev.manticore.compiler.lower.GraphSession;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.compiler.pipeline.Hashes;
import dev.manticore.compiler.pipeline.OutputDirectory;
import dev.manticore.ir.Dim;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import dev.manticore.ir.Value;
import dev.manticore.ir.pass.Specialise;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * Adds engines to an artifact, in its directory {@code engine/}: one that reads prompts, one that
 * reads single tokens, over the same states, verified against the hybrid. They are bound to a
 * machine, so the artifact's manifest knows nothing of them; theirs is {@link EngineManifest}.
 */
public final class EngineBuilder {

  /** Where an artifact's engines are. */
  public static final String DIRECTORY = "engine";

  /** The engine that reads any number of tokens up to the longest prompt. */
  public static final String PREFILL = "prefill.plan";

  /** The engine that reads single tokens. */
  public static final String DECODE = "decode.plan";

  private static final String TIMING_CACHE = "timing.cache";

  /** What float32 on a GPU may differ by: sums of another order, no TF32. */
  private static final double TOLERANCE = 1e-3;

  private static final long SEED = 1;
  private static final int SINGLE_TOKENS = 16;
  private static final int REPETITIONS = 10;

  /** Sequences that are verified, if a batch has so many. */
  private static final int VERIFIED = 2;

  /** Bytes of logits that are compared at once. */
  private static final int WINDOW = 1 << 18;

  private final EngineTool tool;
  private final Device device;

  /**
   * @param device what the hybrid is run on, to compare with
   */
  public EngineBuilder(EngineTool tool, Device device) {
    this.tool = tool;
    this.device = device;
  }

  /** The decoder as a graph for an engine: of prompts and single tokens, up to the capacity. */
  public static Graph decoder(Graph model, EngineOptions options) {
    Decoder decoder = DecoderBuilder.withCapacity(model, options.capacity());
    return Lowering.forTarget(decoder.graph(), options.target(), options.precision());
  }

  private static Graph single(Graph model, EngineOptions options) {
    Decoder decoder = DecoderBuilder.withCapacity(model, options.capacity());
    Graph step = Specialise.of(Map.of(Decoder.LENGTH, 1L)).run(decoder.graph());
    return Lowering.forTarget(step, options.target(), options.precision());
  }

  /**
   * Builds and verifies engines, in the place of those that are there.
   *
   * @throws ManticoreException {@code MNT-TARGET} if TensorRT would refuse the graphs, which is
   *     known without it; {@code MNT-ENGINE} if there is no device, it does refuse them, or the
   *     engines are further from the hybrid than they may be: nothing is written then
   */
  public EngineManifest build(Artifact artifact, EngineOptions asked) {
    EngineOptions options =
        new EngineOptions(
            asked.target(),
            asked.precision(),
            asked.limits().within(artifact.manifest().maxLength()),
            asked.workspaceBytes());
    Graph model = artifact.hybrid().graph();
    Graph prefill = decoder(model, options);
    Graph single = single(model, options);
    EngineManifest.Platform here = platform();
    requireVersion(options, here);
    Path place = artifact.directory().resolve(DIRECTORY);
    try (OutputDirectory output = OutputDirectory.open(place, EngineManifest.FILE)) {
      Path directory = output.staging();
      try {
        takeOverTimes(place, here, directory);
        plan(prefill, directory, PREFILL, options, options.prompt());
        plan(single, directory, DECODE, options, 1);
        EngineManifest.Verified verified = verify(model, prefill, directory, options);
        EngineManifest.Times times = measure(prefill, directory, options);
        EngineManifest manifest =
            new EngineManifest(
                EngineManifest.FORMAT,
                Hashes.sha256(artifact.directory().resolve(Manifest.FILE)),
                options.target().toString(),
                options.precision().toString(),
                options.batch(),
                options.prompt(),
                options.capacity(),
                here,
                verified,
                times,
                hashes(directory));
        AtomicFiles.writeString(directory.resolve(EngineManifest.FILE), manifest.json());
        output.commit();
        return manifest;
      } catch (IOException e) {
        throw output.failure(e);
      }
    }
  }

  /** What an earlier build has measured on such a machine need not be measured again. */
  private static void takeOverTimes(Path before, EngineManifest.Platform here, Path directory)
      throws IOException {
    Path times = before.resolve(TIMING_CACHE);
    if (!Files.isRegularFile(times)) {
      return;
    }
    try {
      EngineManifest.read(before).requireRunsOn(here);
    } catch (ManticoreException e) {
      return;
    }
    Files.copy(times, directory.resolve(TIMING_CACHE));
  }

  /**
   * Verifies engines that are there, on this machine.
   *
   * @throws ManticoreException {@code MNT-ENGINE} if they are of another artifact or for another
   *     machine, a file has changed, or they are further from the hybrid than they may be
   */
  public EngineManifest.Verified check(Artifact artifact) {
    Path directory = artifact.directory().resolve(DIRECTORY);
    EngineManifest manifest = EngineManifest.of(artifact);
    manifest.requireRunsOn(platform());
    EngineOptions options = manifest.options();
    Graph model = artifact.hybrid().graph();
    try {
      return verify(model, decoder(model, options), directory, options);
    } catch (IOException e) {
      throw EngineTool.failure("the engines of " + directory + " cannot be run: " + e.getMessage());
    }
  }

  private EngineManifest.Platform platform() {
    ObjectNode request = JsonNodeFactory.instance.objectNode().put("command", "probe");
    return EngineManifest.Platform.of(tool.call(request));
  }

  private static void requireVersion(EngineOptions options, EngineManifest.Platform here) {
    String version = options.target().toString().replace("tensorrt-", "");
    if (!here.tensorrt().startsWith(version + ".")) {
      throw EngineTool.failure(
          "the target is " + options.target() + ", but here is TensorRT " + here.tensorrt());
    }
  }

  private void plan(Graph graph, Path directory, String plan, EngineOptions options, int most)
      throws IOException {
    Path onnx = Files.createDirectory(directory.resolve("onnx"));
    try {
      Path file = onnx.resolve("model.onnx");
      OnnxExporter.write(graph, file, OnnxExporter.Options.DEFAULT);
      ObjectNode request =
          JsonNodeFactory.instance
              .objectNode()
              .put("command", "build")
              .put("model", file.toString())
              .put("plan", directory.resolve(plan).toString())
              .put("layers", directory.resolve(plan.replace(".plan", ".layers.json")).toString())
              .put("timing_cache", directory.resolve(TIMING_CACHE).toString())
              .put("workspace_bytes", options.workspaceBytes());
      ObjectNode inputs = request.putObject("inputs");
      for (Value input : graph.inputs()) {
        ObjectNode profile = inputs.putObject(input.name());
        extents(profile.putArray("min"), input, 1, 1);
        extents(profile.putArray("opt"), input, options.batch(), most);
        extents(profile.putArray("max"), input, options.batch(), most);
      }
      tool.call(request);
    } finally {
      MoreFiles.deleteRecursively(onnx, RecursiveDeleteOption.ALLOW_INSECURE);
    }
    if (!Files.isRegularFile(directory.resolve(plan))) {
      throw EngineTool.failure("TensorRT left no " + plan);
    }
  }

  private static void extents(ArrayNode into, Value input, long batch, long length) {
    Shape shape = input.shape();
    for (int axis = 0; axis < shape.rank(); axis++) {
      Dim dim = shape.dim(axis);
      into.add(dim.isKnown() ? dim.extent() : axis == 0 ? batch : length);
    }
  }

  /**
   * How many tokens a run reads: half of the longest prompt, single tokens, and prompts again to
   * the end, none of them longer than an engine takes.
   */
  static int[] pieces(int length, int prompt) {
    List<Integer> pieces = new ArrayList<>();
    int half = Math.max(1, prompt / 2);
    pieces.add(half);
    int rest = length - half;
    for (int i = 0; i < SINGLE_TOKENS / 2 && rest > 0; i++) {
      pieces.add(1);
      rest--;
    }
    while (rest > 0) {
      pieces.add(Math.min(prompt, rest));
      rest -= Math.min(prompt, rest);
    }
    return Ints.toArray(pieces);
  }

  private EngineManifest.Verified verify(
      Graph model, Graph decoder, Path directory, EngineOptions options) throws IOException {
    int length = Math.min(options.capacity(), options.prompt() + SINGLE_TOKENS);
    Tensor ids = draw(decoder, Math.min(options.batch(), VERIFIED), length);
    TensorData expected = expected(model, ids).data();
    Path logits = Files.createTempFile("manticore-logits-", ".bin");
    double largest = 0;
    double difference = 0;
    try {
      int[] pieces = pieces(length, options.prompt());
      tool.call(decode(decoder, directory, ids, pieces, 1, logits));
      if (Files.size(logits) != expected.byteSize()) {
        throw EngineTool.failure("the engines gave " + Files.size(logits) + " bytes of logits");
      }
      ByteBuffer ours = window();
      ByteBuffer theirs = window();
      try (FileChannel actual = FileChannel.open(logits)) {
        for (long from = 0; from < expected.byteSize(); from += WINDOW) {
          int count = (int) Math.min(WINDOW, expected.byteSize() - from);
          expected.read(from, ours.clear().limit(count));
          theirs.clear().limit(count);
          while (theirs.hasRemaining() && actual.read(theirs) >= 0) {}
          for (int at = 0; at < count; at += Float.BYTES) {
            largest = most(largest, Math.abs(ours.getFloat(at)));
            difference = most(difference, Math.abs(theirs.getFloat(at) - ours.getFloat(at)));
          }
        }
      }
    } finally {
      Files.delete(logits);
    }
    double limit = options.precision().limit(largest, TOLERANCE);
    if (Double.isInfinite(largest) || !(difference <= limit)) {
      throw EngineTool.failure(
          String.format(
              Locale.ROOT,
              "the engines are not the hybrid: over %d tokens a logit differs by %.3e, where at most"
                  + " %.1e may be",
              ids.shape().elementCount(),
              difference,
              limit));
    }
    return new EngineManifest.Verified(ids.shape().elementCount(), difference, limit);
  }

  /** The larger of two numbers, infinite where one of them is none. */
  private static double most(double a, double b) {
    return Double.isNaN(b) ? Double.POSITIVE_INFINITY : Math.max(a, b);
  }

  private static ByteBuffer window() {
    return ByteBuffer.allocate(WINDOW).order(ByteOrder.LITTLE_ENDIAN);
  }

  private EngineManifest.Times measure(Graph decoder, Path directory, EngineOptions options)
      throws IOException {
    int singles = Math.min(SINGLE_TOKENS, options.capacity() - options.prompt());
    int[] pieces = new int[1 + singles];
    Arrays.fill(pieces, 1);
    pieces[0] = options.prompt();
    Tensor ids = draw(decoder, options.batch(), options.prompt() + singles);
    Path logits = Files.createTempFile("manticore-logits-", ".bin");
    try {
      JsonNode answer = tool.call(decode(decoder, directory, ids, pieces, REPETITIONS, logits));
      double[] milliseconds = new double[pieces.length];
      for (int i = 0; i < pieces.length; i++) {
        milliseconds[i] = answer.required("milliseconds").required(i).asDouble();
      }
      double[] steps = Arrays.copyOfRange(milliseconds, 1, milliseconds.length);
      Arrays.sort(steps);
      return new EngineManifest.Times(
          1e3 * options.batch() * options.prompt() / milliseconds[0],
          steps.length == 0 ? 0 : steps[steps.length / 2]);
    } finally {
      Files.delete(logits);
    }
  }

  private static ObjectNode decode(
      Graph decoder, Path directory, Tensor ids, int[] pieces, int repeat, Path logits) {
    long batch = ids.shape().dim(0).extent();
    ObjectNode request =
        JsonNodeFactory.instance
            .objectNode()
            .put("command", "decode")
            .put("prefill", directory.resolve(PREFILL).toString())
            .put("decode", directory.resolve(DECODE).toString())
            .put("batch", batch)
            .put("length", ids.shape().dim(1).extent())
            .put("vocabulary", decoder.output(Decoder.LOGITS).shape().dim(-1).extent())
            .put("repeat", repeat)
            .put("logits", logits.toString());
    ArrayNode values = request.putArray("ids");
    Arrays.stream(ids.toLongs()).forEach(values::add);
    ArrayNode counts = request.putArray("pieces");
    Arrays.stream(pieces).forEach(counts::add);
    ObjectNode carried = request.putObject("carried");
    ObjectNode states = request.putObject("states");
    for (DecoderState state : DecoderState.of(decoder)) {
      carried.put(state.present(), state.past());
      states.put(state.past(), state.typeAtFirst((int) batch, 0).byteSize());
    }
    return request;
  }

  private static Tensor draw(Graph decoder, int batch, int length) {
    int vocabulary = Math.toIntExact(decoder.output(Decoder.LOGITS).shape().dim(-1).extent());
    long[] ids =
        new SplittableRandom(SEED)
            .ints((long) batch * length, 0, vocabulary)
            .asLongStream()
            .toArray();
    return Tensor.ofLongs(Shape.of(batch, length), ids);
  }

  private Tensor expected(Graph model, Tensor ids) {
    Graph lowered = Lowering.forDevice(model, device);
    try (ModelSession session = GraphSession.open(lowered, device, SessionConfig.defaults())) {
      return session
          .run(Map.of(model.inputs().get(0).name(), ids))
          .get(model.outputs().get(0).name());
    }
  }

  private static TreeMap<String, String> hashes(Path directory) throws IOException {
    TreeMap<String, String> hashes = new TreeMap<>();
    try (Stream<Path> files = Files.list(directory)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        hashes.put(file.getFileName().toString(), Hashes.sha256(file));
      }
    }
    return hashes;
  }
}
