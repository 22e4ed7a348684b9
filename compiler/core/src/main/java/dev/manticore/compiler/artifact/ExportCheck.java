package dev.manticore.compiler.artifact;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.decode.DecoderSession;
import dev.manticore.compiler.lower.EmulateBrainFloat;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.OnnxImporter;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Runs exported models beside the graph that they were made of, on the same inputs: the graph as it
 * is trained, with this process's kernels, the models from their files without.
 */
final class ExportCheck {

  private static final int SINGLE_TOKENS = 4;

  /** An exported model, and what it computes in. */
  record Exported(Path file, Precision precision) {}

  private final Device device;

  ExportCheck(Device device) {
    this.device = device;
  }

  /**
   * @param files the exported models by the names that the result has for them
   * @param inputs token ids, i64[batch,length] each
   * @param scratch where the graph may be written while it runs
   */
  ExportDiscrepancy run(
      Graph graph,
      ImmutableMap<String, Exported> files,
      List<Tensor> inputs,
      double limit,
      Path scratch) {
    Path own = scratch.resolve("reference.onnx");
    OnnxExporter.write(Lowering.forDevice(graph, device), own, OnnxExporter.Options.DEFAULT);
    double[] largest = {0};
    List<ExportDiscrepancy.Model> models = new ArrayList<>();
    try (ModelSession reference = ModelSession.open(device, own, SessionConfig.defaults())) {
      for (Map.Entry<String, Exported> file : files.entrySet()) {
        double difference = 0;
        Precision precision = file.getValue().precision();
        try (ModelSession exported = open(file.getValue(), scratch)) {
          for (Tensor ids : inputs) {
            double[] expected = logits(reference, ids);
            Arrays.stream(expected).forEach(x -> largest[0] = Math.max(largest[0], Math.abs(x)));
            double[] computed =
                DecoderSession.isDecoder(exported)
                    ? inPieces(exported, ids)
                    : logits(exported, ids);
            difference = Math.max(difference, difference(computed, expected));
          }
        }
        double most = precision.limit(largest[0], limit);
        models.add(
            new ExportDiscrepancy.Model(
                file.getKey(), precision.toString(), difference, most, difference <= most));
      }
    }
    ImmutableList<long[]> shapes =
        inputs.stream().map(ids -> ids.shape().extents()).collect(ImmutableList.toImmutableList());
    return new ExportDiscrepancy(
        "the tuned hybrid, float32, run by ONNX Runtime on " + device.name(),
        shapes.stream().mapToLong(shape -> shape[0]).sum(),
        shapes.stream().mapToLong(shape -> shape[0] * shape[1]).sum(),
        shapes.stream().map(shape -> shape[1]).toList(),
        largest[0],
        models,
        limit,
        models.stream().allMatch(ExportDiscrepancy.Model::passed));
  }

  /** What the device has no kernels for is emulated. */
  private ModelSession open(Exported exported, Path scratch) {
    if (exported.precision() != Precision.BFLOAT16) {
      return ModelSession.open(device, exported.file(), SessionConfig.defaults());
    }
    Path file = scratch.resolve("emulated.onnx");
    Graph graph = new EmulateBrainFloat().run(OnnxImporter.read(exported.file()));
    OnnxExporter.write(graph, file, OnnxExporter.Options.DEFAULT);
    return ModelSession.open(device, file, SessionConfig.defaults());
  }

  private static double[] logits(ModelSession session, Tensor ids) {
    String input = session.inputs().keySet().iterator().next();
    String output = session.outputs().keySet().iterator().next();
    return session.run(Map.of(input, ids)).get(output).toDoubles();
  }

  /**
   * The logits of a decoder that reads the first half at once, then token by token, then the rest.
   */
  private static double[] inPieces(ModelSession session, Tensor ids) {
    int batch = Math.toIntExact(ids.shape().dim(0).extent());
    int length = Math.toIntExact(ids.shape().dim(1).extent());
    long[] all = ids.toLongs();
    double[] logits = new double[0];
    try (DecoderSession reading = new DecoderSession(session, batch)) {
      for (int from = 0; from < length; ) {
        int half = Math.max(1, length / 2);
        boolean single = from >= half && from < half + SINGLE_TOKENS;
        int steps = from < half ? half : single ? 1 : length - from;
        long[] piece = new long[batch * steps];
        for (int sequence = 0; sequence < batch; sequence++) {
          System.arraycopy(all, sequence * length + from, piece, sequence * steps, steps);
        }
        Tensor read = reading.read(piece);
        int row = Math.toIntExact(read.shape().dim(-1).extent());
        if (from == 0) {
          logits = new double[batch * length * row];
        }
        double[] values = read.toDoubles();
        for (int sequence = 0; sequence < batch; sequence++) {
          System.arraycopy(
              values,
              sequence * steps * row,
              logits,
              (sequence * length + from) * row,
              steps * row);
        }
        from += steps;
      }
    }
    return logits;
  }

  /** Infinite where one of them is no number. */
  private static double difference(double[] computed, double[] expected) {
    if (computed.length != expected.length) {
      return Double.POSITIVE_INFINITY;
    }
    double largest = 0;
    for (int i = 0; i < computed.length; i++) {
      double difference = Math.abs(computed[i] - expected[i]);
      largest = Double.isNaN(difference) ? Double.POSITIVE_INFINITY : Math.max(largest, difference);
    }
    return largest;
  }
}
