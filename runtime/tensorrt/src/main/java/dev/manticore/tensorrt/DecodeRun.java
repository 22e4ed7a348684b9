package dev.manticore.tensorrt;

import static org.bytedeco.cuda.global.cudart.cudaMalloc;
import static org.bytedeco.cuda.global.cudart.cudaMemcpy;
import static org.bytedeco.cuda.global.cudart.cudaMemcpyDeviceToHost;
import static org.bytedeco.cuda.global.cudart.cudaMemcpyHostToDevice;
import static org.bytedeco.cuda.global.cudart.cudaMemset;
import static org.bytedeco.cuda.global.cudart.cudaStreamCreate;
import static org.bytedeco.cuda.global.cudart.cudaStreamSynchronize;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.bytedeco.tensorrt.global.nvinfer;
import org.bytedeco.tensorrt.nvinfer.Dims64;
import org.bytedeco.tensorrt.nvinfer.ICudaEngine;
import org.bytedeco.tensorrt.nvinfer.IExecutionContext;
import org.bytedeco.tensorrt.nvinfer.IRuntime;

/**
 * Decodes with a plan for prompts and one for single tokens. Both carry the same states, which stay
 * on the device: two sets of buffers, each the next run's input in turn.
 */
final class DecodeRun {

  /** Part of a file that is read at once; a {@link ByteBuffer} ends at 2 GiB. */
  private static final long WINDOW = 1L << 26;

  private final JsonNode request;
  private final int batch;
  private final long[] ids;
  private final int length;
  private final long vocabulary;
  private final Map<String, String> carried = new LinkedHashMap<>();
  private final CUstream_st stream = new CUstream_st();
  private final Map<String, Pointer[]> states = new LinkedHashMap<>();
  private final Map<String, Long> sizes = new LinkedHashMap<>();

  /**
   * @param request {@code prefill} and {@code decode}, plans; {@code carried}: the input that takes
   *     over each output; {@code states}: the bytes of each such input; {@code batch}; {@code
   *     length} and {@code vocabulary}; {@code ids}, row by row; {@code pieces}, how many tokens a
   *     run reads; {@code repeat}; {@code logits}, the file to write them to, float32
   */
  DecodeRun(JsonNode request) {
    this.request = request;
    this.batch = request.required("batch").asInt();
    this.length = request.required("length").asInt();
    this.vocabulary = request.required("vocabulary").asLong();
    this.ids = new long[batch * length];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = request.required("ids").get(i).asLong();
    }
    request
        .required("carried")
        .properties()
        .forEach(entry -> carried.put(entry.getKey(), entry.getValue().asText()));
    request
        .required("states")
        .properties()
        .forEach(entry -> sizes.put(entry.getKey(), entry.getValue().asLong()));
  }

  /** Milliseconds of each run, the best of all repetitions. */
  ObjectNode run() throws EngineException, IOException {
    TensorRt.Logger logger = new TensorRt.Logger();
    IRuntime runtime = nvinfer.createInferRuntime(logger);
    TensorRt.check(cudaStreamCreate(stream), "making a stream");
    Context prefill = new Context(runtime, logger, "prefill");
    Context single = new Context(runtime, logger, "decode");
    for (Map.Entry<String, Long> state : sizes.entrySet()) {
      states.put(
          state.getKey(), new Pointer[] {allocate(state.getValue()), allocate(state.getValue())});
    }
    Pointer input = allocate((long) ids.length * Long.BYTES);
    Pointer logits = allocate(ids.length * vocabulary * Float.BYTES);
    JsonNode pieces = request.required("pieces");
    double[] best = new double[pieces.size()];
    Arrays.fill(best, Double.POSITIVE_INFINITY);
    int repeat = request.required("repeat").asInt();
    try (FileChannel file =
        FileChannel.open(
            Path.of(request.required("logits").asText()),
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE)) {
      for (int time = 0; time < repeat; time++) {
        for (Map.Entry<String, Long> state : sizes.entrySet()) {
          TensorRt.check(
              cudaMemset(states.get(state.getKey())[0], 0, state.getValue()), "clearing states");
        }
        int from = 0;
        for (int i = 0; i < pieces.size(); i++) {
          int count = pieces.get(i).asInt();
          upload(input, from, count);
          Context context = count == 1 ? single : prefill;
          long start = System.nanoTime();
          context.run(input, logits, count, i % 2);
          best[i] = Math.min(best[i], (System.nanoTime() - start) / 1e6);
          if (time == 0) {
            download(logits, count, from, file);
          }
          from += count;
        }
      }
    }
    ArrayNode milliseconds = JsonNodeFactory.instance.arrayNode();
    Arrays.stream(best).forEach(milliseconds::add);
    return JsonNodeFactory.instance.objectNode().set("milliseconds", milliseconds);
  }

  private void upload(Pointer input, int from, int count) throws EngineException {
    long[] piece = new long[batch * count];
    for (int row = 0; row < batch; row++) {
      System.arraycopy(ids, row * length + from, piece, row * count, count);
    }
    try (LongPointer host = new LongPointer(piece)) {
      TensorRt.check(
          cudaMemcpy(input, host, (long) piece.length * Long.BYTES, cudaMemcpyHostToDevice),
          "copying ids to the device");
    }
  }

  /** Writes [batch,count,vocabulary] into the file's [batch,length,vocabulary]. */
  private void download(Pointer logits, int count, int from, FileChannel file)
      throws EngineException, IOException {
    long row = vocabulary * count * Float.BYTES;
    try (BytePointer host = new BytePointer(row)) {
      for (int sequence = 0; sequence < batch; sequence++) {
        Pointer source = new BytePointer(logits).position(sequence * row);
        TensorRt.check(
            cudaMemcpy(host, source, row, cudaMemcpyDeviceToHost), "copying logits back");
        long place = ((long) sequence * length + from) * vocabulary * Float.BYTES;
        file.write(host.asByteBuffer(), place);
      }
    }
  }

  private static Pointer allocate(long bytes) throws EngineException {
    try (PointerPointer<Pointer> out = new PointerPointer<>(1)) {
      TensorRt.check(cudaMalloc(out, Math.max(1, bytes)), "allocating " + bytes + " bytes");
      return new Pointer(out.get(0));
    }
  }

  /** A file of any size, outside the heap. */
  private static BytePointer read(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file)) {
      BytePointer bytes = new BytePointer(channel.size());
      for (long done = 0; done < channel.size(); done += WINDOW) {
        long end = Math.min(channel.size(), done + WINDOW);
        ByteBuffer window = new BytePointer(bytes).position(done).limit(end).asByteBuffer();
        while (window.hasRemaining() && channel.read(window) >= 0) {}
      }
      return bytes;
    }
  }

  /** An engine that can be run. */
  private final class Context {
    private final TensorRt.Logger logger;
    private final String name;
    private final IExecutionContext context;

    Context(IRuntime runtime, TensorRt.Logger logger, String key)
        throws EngineException, IOException {
      this.logger = logger;
      this.name = request.required(key).asText();
      try (BytePointer plan = read(Path.of(name))) {
        ICudaEngine engine = runtime.deserializeCudaEngine(plan, plan.capacity());
        if (engine == null || engine.isNull()) {
          throw EngineException.refused(name + " does not load here: " + logger.errors());
        }
        this.context = engine.createExecutionContext();
      }
      if (context == null || context.isNull()) {
        throw EngineException.refused(name + " cannot be run here: " + logger.errors());
      }
    }

    void run(Pointer input, Pointer logits, int count, int set) throws EngineException {
      Dims64 shape = new Dims64().nbDims(2).d(0, batch).d(1, count);
      boolean bound =
          context.setInputShape("input_ids", shape)
              && context.setTensorAddress("input_ids", input)
              && context.setTensorAddress("logits", logits);
      for (Map.Entry<String, String> state : carried.entrySet()) {
        Pointer[] buffers = states.get(state.getValue());
        Dims64 extents = context.getEngine().getTensorShape(state.getValue()).d(0, batch);
        bound &=
            context.setInputShape(state.getValue(), extents)
                && context.setTensorAddress(state.getValue(), buffers[set])
                && context.setTensorAddress(state.getKey(), buffers[1 - set]);
      }
      if (!bound || !context.enqueueV3(stream)) {
        throw EngineException.refused(name + " does not run: " + logger.errors());
      }
      TensorRt.check(cudaStreamSynchronize(stream), "running " + name);
    }
  }
}
