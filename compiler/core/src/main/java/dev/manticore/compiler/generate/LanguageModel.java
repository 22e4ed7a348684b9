package dev.manticore.compiler.generate;

import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.OnnxImporter;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;

/** A loaded model that gives the logits of the token after a sequence. */
final class LanguageModel implements AutoCloseable {

  private final ModelSession session;
  private final String input;
  private final TensorType inputType;
  private final String output;
  private final int maxLength;

  private LanguageModel(ModelSession session, int maxLength) {
    this.session = session;
    this.input = session.inputs().keySet().iterator().next();
    this.inputType = session.inputs().get(input);
    this.output = session.outputs().keySet().iterator().next();
    this.maxLength = maxLength;
  }

  /**
   * @param model an artifact, a checkpoint directory, or an {@code .onnx} file
   */
  static LanguageModel open(Path model, Device device) {
    SessionConfig config = SessionConfig.defaults();
    if (Files.isDirectory(model) && Artifact.isArtifact(model)) {
      Artifact artifact = Artifact.open(model);
      return new LanguageModel(
          ModelSession.open(device, artifact.deployed(), config),
          limit(artifact.manifest().maxLength()));
    }
    if (Files.isDirectory(model)) {
      Graph graph = Models.load(model);
      return new LanguageModel(
          ModelSession.open(
              device, OnnxExporter.toBytes(Lowering.forDevice(graph, device)), config),
          maxLength(graph));
    }
    if (model.toString().endsWith(".onnx")) {
      return new LanguageModel(
          ModelSession.open(device, model, config), maxLength(OnnxImporter.read(model)));
    }
    throw new ManticoreException(
        "MNT-GENERATE",
        model + " is neither an artifact nor a checkpoint directory nor an .onnx file");
  }

  private static int maxLength(Graph graph) {
    try {
      return limit(ComponentFinder.find(graph.name(), graph).maxLength().orElse(0));
    } catch (ManticoreException e) {
      // Not one stack of layers: nothing is known of its positions.
      return Integer.MAX_VALUE;
    }
  }

  private static int limit(long maxLength) {
    return maxLength == 0 ? Integer.MAX_VALUE : (int) Math.min(maxLength, Integer.MAX_VALUE);
  }

  /** The number of logits, where the model says it. */
  Optional<Long> vocabulary() {
    return Optional.of(session.outputs().get(output).shape())
        .filter(Shape::isRanked)
        .map(shape -> shape.dim(-1))
        .filter(dim -> dim.isKnown())
        .map(dim -> dim.extent());
  }

  /**
   * The logits of the token that follows; of a sequence that is too long for the model, the last
   * part is read.
   *
   * @param ids at least one
   * @param vocabulary how many logits are wanted; those of rows that only pad a table are not
   */
  float[] next(int[] ids, int vocabulary) {
    int length = Math.min(ids.length, maxLength);
    long[] read = Arrays.stream(ids, ids.length - length, ids.length).asLongStream().toArray();
    Tensor sequence = Tensor.ofLongs(Shape.of(1, length), read);
    if (inputType.elementType() != ElementType.INT64) {
      sequence = Tensor.ofDoubles(inputType.elementType(), sequence.shape(), sequence.toDoubles());
    }
    Tensor logits = session.run(Map.of(input, sequence)).get(output);
    if (logits.elementType() != ElementType.FLOAT32) {
      throw new ManticoreException(
          "MNT-GENERATE", "the model's logits are " + logits.type() + ", but should be f32");
    }
    long row = logits.shape().dim(-1).extent();
    ByteBuffer last = ByteBuffer.allocate(4 * vocabulary).order(ByteOrder.LITTLE_ENDIAN);
    logits.data().read(4 * row * (length - 1), last);
    float[] values = new float[vocabulary];
    last.flip().asFloatBuffer().get(values);
    return values;
  }

  @Override
  public void close() {
    session.close();
  }
}
