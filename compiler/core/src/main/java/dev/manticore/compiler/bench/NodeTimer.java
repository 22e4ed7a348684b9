package dev.manticore.compiler.bench;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.runtime.Binding;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.DeviceState;
import dev.manticore.runtime.DeviceTensor;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;

/**
 * Times nodes each alone, in a session of nothing else: what they can be at best, their operands
 * hot and nothing between two runs of them.
 */
final class NodeTimer {

  private static final long SEED = 0;

  /** Runs that are timed at least, of which the best counts. */
  private static final int LEAST_RUNS = 5;

  private final Device device;
  private final SessionConfig config;
  private final Duration warm;
  private final Duration timed;

  /**
   * @param warm time of the runs before those that are timed
   * @param timed time of those
   */
  NodeTimer(Device device, int threads, Duration warm, Duration timed) {
    this.device = device;
    this.config = SessionConfig.defaults().withIntraOpThreads(threads);
    this.warm = warm;
    this.timed = timed;
  }

  /** A graph of a node of another graph alone; what is constant there is constant here. */
  static Graph alone(Graph graph, Node node) {
    GraphEditor editor = new GraphEditor(node.name());
    for (Value input : new LinkedHashSet<>(node.presentInputs())) {
      Tensor parameter = graph.parameters().get(input);
      Optional<Node> constant =
          graph.producer(input).filter(producer -> producer.op().isOnnx("Constant"));
      if (parameter != null) {
        editor.setParameter(input, parameter);
      } else if (constant.isPresent()) {
        editor.addNode(constant.get());
      } else {
        editor.addInput(input);
      }
    }
    editor.addNode(node);
    node.presentOutputs().forEach(editor::output);
    return editor.freeze();
  }

  /** The best time of a graph on random numbers, in milliseconds. */
  double milliseconds(Graph graph) {
    return milliseconds(graph, Map.of(), Map.of());
  }

  /**
   * The best time of a graph, in milliseconds.
   *
   * @param contents of inputs; others hold random numbers
   * @param inPlace outputs that are written where an input is
   */
  double milliseconds(Graph graph, Map<String, Tensor> contents, Map<String, String> inPlace) {
    Map<String, TensorType> types = new LinkedHashMap<>();
    graph.inputs().forEach(input -> types.put(input.name(), input.type()));
    graph.outputs().stream()
        .filter(output -> !inPlace.containsKey(output.name()))
        .forEach(output -> types.put(output.name(), output.type()));
    try (DeviceState state = DeviceState.allocate(device, types);
        ModelSession session = ModelSession.open(device, OnnxExporter.toBytes(graph), config);
        Binding binding = session.bind().bindAll(state)) {
      inPlace.forEach((output, input) -> binding.bindOutput(output, state.get(input)));
      for (Value input : graph.inputs()) {
        Tensor given = contents.get(input.name());
        if (given != null) {
          state.get(input.name()).write(given.data());
        } else {
          fill(state.get(input.name()));
        }
      }
      return best(binding);
    }
  }

  private static void fill(DeviceTensor tensor) {
    if (tensor.type().elementType() == ElementType.FLOAT32) {
      SplittableRandom random = new SplittableRandom(SEED);
      float[] values = new float[Math.toIntExact(tensor.type().shape().elementCount())];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) random.nextDouble(-1, 1);
      }
      tensor.setFloats(values);
    } else {
      tensor.zero();
    }
  }

  private double best(Binding binding) {
    long begin = System.nanoTime();
    do {
      binding.run();
    } while (System.nanoTime() - begin < warm.toNanos());
    long best = Long.MAX_VALUE;
    begin = System.nanoTime();
    for (int run = 0; run < LEAST_RUNS || System.nanoTime() - begin < timed.toNanos(); run++) {
      long start = System.nanoTime();
      binding.run();
      best = Math.min(best, System.nanoTime() - start);
    }
    return best / 1e6;
  }
}
