package dev.manticore.tensorrt;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.tensorrt.global.nvinfer;
import org.bytedeco.tensorrt.global.nvinfer.BuilderFlag;
import org.bytedeco.tensorrt.global.nvinfer.LayerInformationFormat;
import org.bytedeco.tensorrt.global.nvinfer.MemoryPoolType;
import org.bytedeco.tensorrt.global.nvinfer.NetworkDefinitionCreationFlag;
import org.bytedeco.tensorrt.global.nvinfer.OptProfileSelector;
import org.bytedeco.tensorrt.global.nvinfer.ProfilingVerbosity;
import org.bytedeco.tensorrt.global.nvonnxparser;
import org.bytedeco.tensorrt.nvinfer.Dims64;
import org.bytedeco.tensorrt.nvinfer.IBuilder;
import org.bytedeco.tensorrt.nvinfer.IBuilderConfig;
import org.bytedeco.tensorrt.nvinfer.ICudaEngine;
import org.bytedeco.tensorrt.nvinfer.IHostMemory;
import org.bytedeco.tensorrt.nvinfer.ILogger;
import org.bytedeco.tensorrt.nvinfer.INetworkDefinition;
import org.bytedeco.tensorrt.nvinfer.IOptimizationProfile;
import org.bytedeco.tensorrt.nvinfer.IRuntime;
import org.bytedeco.tensorrt.nvinfer.ITimingCache;
import org.bytedeco.tensorrt.nvonnxparser.IParser;
import org.bytedeco.tensorrt.nvonnxparser.IParserError;

/**
 * Builds a plan of an ONNX file: a strongly typed network, so that it computes in the types that
 * the file says, with one optimisation profile and without TF32.
 */
final class PlanBuilder {

  /** Part of a buffer that is written at once; a {@link ByteBuffer} ends at 2 GiB. */
  private static final long WINDOW = 1L << 26;

  private final JsonNode request;

  /**
   * @param request {@code model}, {@code plan}, {@code layers} and {@code timing_cache}, which are
   *     files; {@code workspace_bytes}; and {@code inputs}: for each its {@code min}, {@code opt}
   *     and {@code max} extents
   */
  PlanBuilder(JsonNode request) {
    this.request = request;
  }

  /** Builds and writes the plan, what is known of its layers, and the timing cache. */
  ObjectNode build() throws EngineException, IOException {
    long start = System.nanoTime();
    // What TensorRT makes lives as long as this process, which ends with the answer.
    TensorRt.Logger logger = new TensorRt.Logger();
    IBuilder builder = nvinfer.createInferBuilder(logger);
    if (builder == null || builder.isNull()) {
      throw EngineException.unavailable("TensorRT makes no builder: " + logger.errors());
    }
    INetworkDefinition network =
        builder.createNetworkV2(1 << NetworkDefinitionCreationFlag.kSTRONGLY_TYPED.value);
    parse(network, logger);
    IBuilderConfig config = builder.createBuilderConfig();
    config.clearFlag(BuilderFlag.kTF32);
    config.setProfilingVerbosity(ProfilingVerbosity.kDETAILED);
    config.setMemoryPoolLimit(
        MemoryPoolType.kWORKSPACE, request.required("workspace_bytes").asLong());
    Path cacheFile = file("timing_cache");
    useTimes(config, cacheFile);
    IOptimizationProfile profile = profile(builder);
    if (config.addOptimizationProfile(profile) < 0) {
      throw EngineException.refused("the profile is not valid: " + logger.errors());
    }
    IHostMemory plan = builder.buildSerializedNetwork(network, config);
    if (plan == null || plan.isNull()) {
      throw EngineException.refused(
          "no engine can be built of " + file("model") + ": " + logger.errors());
    }
    write(plan, file("plan"));
    write(config.getTimingCache().serialize(), cacheFile);
    IRuntime runtime = nvinfer.createInferRuntime(logger);
    ICudaEngine engine = runtime.deserializeCudaEngine(plan.data(), plan.size());
    if (engine == null || engine.isNull()) {
      throw EngineException.refused("the engine does not load again: " + logger.errors());
    }
    Files.writeString(
        file("layers"),
        engine.createEngineInspector().getEngineInformation(LayerInformationFormat.kJSON));
    return JsonNodeFactory.instance
        .objectNode()
        .put("layers", engine.getNbLayers())
        .put("bytes", plan.size())
        .put("device_memory_bytes", engine.getDeviceMemorySizeV2())
        .put("seconds", (System.nanoTime() - start) / 1e9);
  }

  private Path file(String key) {
    return Path.of(request.required(key).asText());
  }

  private void parse(INetworkDefinition network, ILogger logger) throws EngineException {
    IParser parser = nvonnxparser.createParser(network, logger);
    String model = file("model").toString();
    if (!parser.parseFromFile(model, ILogger.Severity.kWARNING.value)) {
      List<String> reasons = new ArrayList<>();
      for (int i = 0; i < parser.getNbErrors(); i++) {
        IParserError error = parser.getError(i);
        reasons.add(error.nodeOperator() + " '" + error.nodeName() + "': " + error.desc());
      }
      throw EngineException.refused(
          "the parser does not take " + model + ": " + String.join("; ", reasons));
    }
  }

  /** Begins with the times of earlier builds, or, where they are of another kind, with none. */
  private static void useTimes(IBuilderConfig config, Path file) throws IOException {
    if (Files.isRegularFile(file)) {
      byte[] before = Files.readAllBytes(file);
      try (BytePointer bytes = new BytePointer(before)) {
        ITimingCache cache = config.createTimingCache(bytes, before.length);
        if (cache != null && !cache.isNull() && config.setTimingCache(cache, false)) {
          return;
        }
      }
    }
    config.setTimingCache(config.createTimingCache(null, 0), false);
  }

  private IOptimizationProfile profile(IBuilder builder) throws EngineException {
    IOptimizationProfile profile = builder.createOptimizationProfile();
    for (Map.Entry<String, JsonNode> input : request.required("inputs").properties()) {
      set(profile, input, OptProfileSelector.kMIN, "min");
      set(profile, input, OptProfileSelector.kOPT, "opt");
      set(profile, input, OptProfileSelector.kMAX, "max");
    }
    return profile;
  }

  private static void set(
      IOptimizationProfile profile,
      Map.Entry<String, JsonNode> input,
      OptProfileSelector selector,
      String key)
      throws EngineException {
    JsonNode extents = input.getValue().required(key);
    if (!profile.setDimensions(input.getKey(), selector, dims(extents))) {
      throw EngineException.refused(
          "the engine has no input '"
              + input.getKey()
              + "' of "
              + extents
              + " at the least or most");
    }
  }

  static Dims64 dims(JsonNode extents) {
    Dims64 dims = new Dims64().nbDims(extents.size());
    for (int i = 0; i < extents.size(); i++) {
      dims.d(i, extents.get(i).asLong());
    }
    return dims;
  }

  private static void write(IHostMemory memory, Path file) throws IOException {
    try (OutputStream out = Files.newOutputStream(file);
        WritableByteChannel channel = Channels.newChannel(out)) {
      Pointer data = memory.data();
      for (long done = 0; done < memory.size(); done += WINDOW) {
        long count = Math.min(WINDOW, memory.size() - done);
        channel.write(new BytePointer(data).position(done).limit(done + count).asByteBuffer());
      }
    }
  }
}
