package dev.manticore.compiler.bench;

import dev.manticore.ir.Graph;
import dev.manticore.ir.Verifier;
import dev.manticore.ir.lift.Lift;
import dev.manticore.ir.pass.PassPipeline;
import dev.manticore.ir.rewrite.Canonicalise;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.OnnxImporter;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import java.util.function.Supplier;

/**
 * Times what a compile does to a graph before any of it runs, for graphs of many nodes and small
 * tensors: so it is the cost of the nodes that is measured.
 */
public final class CompileBenchmark {

  private static final long SEED = 0;

  private CompileBenchmark() {}

  /**
   * What each part took, in seconds.
   *
   * @param nodes of the graph that was imported
   * @param bytes of the file that was written
   * @param importing reading the file into a graph, with the types of all values inferred
   */
  public record Result(
      int nodes,
      long bytes,
      double importing,
      double canonicalising,
      double verifying,
      double exporting) {

    public double total() {
      return importing + canonicalising + verifying + exporting;
    }
  }

  /** A GPT-Neo of as many layers as it takes to have so many nodes, as a file of ONNX. */
  public static byte[] model(int nodes) {
    int perLayer = graph(3).nodes().size() - graph(2).nodes().size();
    int around = graph(2).nodes().size() - 2 * perLayer;
    return OnnxExporter.toBytes(graph(Math.max(2, (nodes - around + perLayer - 1) / perLayer)));
  }

  private static Graph graph(int layers) {
    String config =
        """
        {"model_type": "gpt_neo", "vocab_size": 16, "hidden_size": 8, "num_layers": %d,
         "num_heads": 2, "max_position_embeddings": 16, "window_size": 4}
        """
            .formatted(layers);
    return Models.fresh("bench", ModelConfig.parse("the benchmark's GPT-Neo", config), SEED);
  }

  /** Takes a file through all of it, once. */
  public static Result run(byte[] model) {
    Timer timer = new Timer();
    Graph imported = timer.time(() -> OnnxImporter.read(model));
    double importing = timer.seconds;
    Graph canonical =
        timer.time(() -> PassPipeline.of(new Lift(), new Canonicalise()).run(imported));
    double canonicalising = timer.seconds;
    timer.time(
        () -> {
          Verifier.verify(canonical);
          return canonical;
        });
    double verifying = timer.seconds;
    byte[] exported = timer.time(() -> OnnxExporter.toBytes(canonical));
    return new Result(
        imported.nodes().size(),
        exported.length,
        importing,
        canonicalising,
        verifying,
        timer.seconds);
  }

  private static final class Timer {
    private double seconds;

    <T> T time(Supplier<T> work) {
      long start = System.nanoTime();
      T result = work.get();
      seconds = (System.nanoTime() - start) / 1e9;
      return result;
    }
  }
}
