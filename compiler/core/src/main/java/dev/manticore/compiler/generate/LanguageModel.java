package dev.manticore.compiler.generate;

import com.google.common.primitives.Longs;
import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.decode.Decoder;
import dev.manticore.compiler.decode.DecoderBuilder;
import dev.manticore.compiler.decode.DecoderSession;
import dev.manticore.compiler.lower.EmulateBrainFloat;
import dev.manticore.compiler.lower.GraphSession;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import dev.manticore.ir.TensorType;
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
abstract class LanguageModel implements AutoCloseable {

  private final int maxLength;

  /**
   * @param maxLength the longest sequence that the model reads
   */
  LanguageModel(int maxLength) {
    this.maxLength = maxLength;
  }

  /**
   * Loads a model, as a decoder where one can be made of it: then a token takes the time of a
   * token. Of others each token is computed from the whole text before it.
   *
   * @param model an artifact, a checkpoint directory, or an {@code .onnx} file, a decoder or not
   */
  static LanguageModel open(Path model, Device device) {
    SessionConfig config = SessionConfig.defaults();
    if (Files.isDirectory(model) && Artifact.isArtifact(model)) {
      Artifact artifact = Artifact.open(model);
      int maxLength = limit(artifact.manifest().maxLength());
      Optional<Path> decoder = artifact.decoder();
      return decoder.isPresent()
          ? new ReadingOn(
              openDecoder(OnnxImporter.read(decoder.get()), decoder.get(), device, config),
              maxLength)
          : new ReadingAll(ModelSession.open(device, artifact.deployed(), config), maxLength);
    }
    if (Files.isDirectory(model)) {
      return of(Models.load(model), device, config);
    }
    if (model.toString().endsWith(".onnx")) {
      Graph graph = OnnxImporter.read(model);
      return DecoderSession.isDecoder(graph)
          ? new ReadingOn(openDecoder(graph, model, device, config), told(graph))
          : of(graph, device, config);
    }
    throw new ManticoreException(
        "MNT-GENERATE",
        model + " is neither an artifact nor a checkpoint directory nor an .onnx file");
  }

  /** The longest sequence, as a decoder's file tells it. */
  private static int told(Graph decoder) {
    Long length = Longs.tryParse(decoder.metadata().getOrDefault(Decoder.MAX_LENGTH, "0"));
    return limit(length == null ? 0 : length);
  }

  /** A decoder of a file; one of a form that cannot be lifted runs from there, as it is. */
  private static ModelSession openDecoder(
      Graph decoder, Path file, Device device, SessionConfig config) {
    Graph lowered;
    try {
      lowered = Lowering.decoderForDevice(new EmulateBrainFloat().run(decoder), device);
    } catch (ManticoreException e) {
      if (!e.code().equals("MNT-LIFT")) {
        throw e;
      }
      return ModelSession.open(device, file, config);
    }
    return GraphSession.open(lowered, device, config);
  }

  private static LanguageModel of(Graph graph, Device device, SessionConfig config) {
    int maxLength = limit(ComponentFinder.maxLength(graph).orElse(0));
    Graph decoder;
    try {
      decoder = DecoderBuilder.build(graph).graph();
    } catch (ManticoreException e) {
      // It does something that is not understood in pieces, or cannot be lifted: it runs as it is.
      return new ReadingAll(open(graph, device, config), maxLength);
    }
    return new ReadingOn(
        GraphSession.open(Lowering.decoderForDevice(decoder, device), device, config), maxLength);
  }

  private static ModelSession open(Graph graph, Device device, SessionConfig config) {
    Graph lowered;
    try {
      lowered = Lowering.forDevice(graph, device);
    } catch (ManticoreException e) {
      lowered = graph;
    }
    return GraphSession.open(lowered, device, config);
  }

  private static int limit(long maxLength) {
    return maxLength <= 0 ? Integer.MAX_VALUE : (int) Math.min(maxLength, Integer.MAX_VALUE);
  }

  /** The number of logits, where the model says it. */
  abstract Optional<Long> vocabulary();

  /**
   * The logits of the token that follows; of a sequence that is too long for the model, the last
   * part is read.
   *
   * @param ids at least one
   * @param vocabulary how many logits are wanted; those of rows that only pad a table are not
   * @param checkpoint called now and then while a long text is read; what it throws ends the
   *     reading
   */
  final float[] next(int[] ids, int vocabulary, Runnable checkpoint) {
    int from = Math.max(0, ids.length - maxLength);
    Tensor logits = read(ids, from, checkpoint);
    if (logits.elementType() != ElementType.FLOAT32) {
      throw new ManticoreException(
          "MNT-GENERATE", "the model's logits are " + logits.type() + ", but should be f32");
    }
    long row = logits.shape().dim(-1).extent();
    long rows = logits.shape().dim(1).extent();
    ByteBuffer last = ByteBuffer.allocate(4 * vocabulary).order(ByteOrder.LITTLE_ENDIAN);
    logits.data().read(4 * row * (rows - 1), last);
    float[] values = new float[vocabulary];
    last.flip().asFloatBuffer().get(values);
    return values;
  }

  /**
   * The logits after each token of some sequences, [batch,length,rows]; apart from what is read
   * token by token.
   *
   * @param ids i64[batch,length]
   * @throws ManticoreException {@code MNT-GENERATE} if they are longer than what the model reads
   */
  final Tensor logits(Tensor ids) {
    long length = ids.shape().dim(1).extent();
    if (length > maxLength) {
      throw new ManticoreException(
          "MNT-GENERATE",
          "the model reads sequences of up to " + maxLength + " tokens, not " + length);
    }
    return whole(ids);
  }

  abstract Tensor whole(Tensor ids);

  /** The logits of the ids from {@code from} on, of the last at least, [1,ids,vocabulary]. */
  abstract Tensor read(int[] ids, int from, Runnable checkpoint);

  @Override
  public abstract void close();

  private static Optional<Long> rowsOf(ModelSession session, String output) {
    return Optional.of(session.outputs().get(output).shape())
        .filter(Shape::isRanked)
        .map(shape -> shape.dim(-1))
        .filter(dim -> dim.isKnown())
        .map(dim -> dim.extent());
  }

  /** A model that reads whole sequences only. */
  private static final class ReadingAll extends LanguageModel {
    private final ModelSession session;
    private final String input;
    private final TensorType inputType;
    private final String output;

    ReadingAll(ModelSession session, int maxLength) {
      super(maxLength);
      this.session = session;
      this.input = session.inputs().keySet().iterator().next();
      this.inputType = session.inputs().get(input);
      this.output = session.outputs().keySet().iterator().next();
    }

    @Override
    Optional<Long> vocabulary() {
      return rowsOf(session, output);
    }

    @Override
    Tensor read(int[] ids, int from, Runnable checkpoint) {
      long[] read = Arrays.stream(ids, from, ids.length).asLongStream().toArray();
      return whole(Tensor.ofLongs(Shape.of(1, read.length), read));
    }

    @Override
    Tensor whole(Tensor ids) {
      Tensor sequence = ids;
      if (inputType.elementType() != ElementType.INT64) {
        sequence =
            Tensor.ofDoubles(inputType.elementType(), sequence.shape(), sequence.toDoubles());
      }
      return session.run(Map.of(input, sequence)).get(output);
    }

    @Override
    public void close() {
      session.close();
    }
  }

  /** A decoder: what it has read it need not read again. */
  private static final class ReadingOn extends LanguageModel {
    /** Tokens that are read at once: enough for large products, and logits for so many only. */
    private static final int PIECE = 256;

    private final ModelSession model;
    private final DecoderSession session;
    private final Optional<Long> vocabulary;
    private int[] read = new int[0];

    ReadingOn(ModelSession session, int maxLength) {
      super(maxLength);
      this.vocabulary = rowsOf(session, Decoder.LOGITS);
      this.model = session;
      try {
        this.session = new DecoderSession(session, 1);
      } catch (RuntimeException e) {
        session.close();
        throw e;
      }
    }

    @Override
    Optional<Long> vocabulary() {
      return vocabulary;
    }

    @Override
    Tensor read(int[] ids, int from, Runnable checkpoint) {
      int[] wanted = Arrays.copyOfRange(ids, from, ids.length);
      boolean goesOn =
          wanted.length > read.length
              && Arrays.equals(read, 0, read.length, wanted, 0, read.length);
      if (!goesOn) {
        // Positions have moved, or it is another text.
        session.reset();
        read = new int[0];
      }
      Tensor logits = null;
      while (read.length < wanted.length) {
        checkpoint.run();
        int next = Math.min(wanted.length, read.length + PIECE);
        logits = session.read(Arrays.copyOfRange(wanted, read.length, next));
        read = Arrays.copyOf(wanted, next);
      }
      return logits;
    }

    @Override
    Tensor whole(Tensor ids) {
      int batch = Math.toIntExact(ids.shape().dim(0).extent());
      int length = Math.toIntExact(ids.shape().dim(1).extent());
      try (DecoderSession reading = new DecoderSession(model, batch, Math.max(1, length))) {
        Tensor logits = reading.read(ids.toLongs());
        return new Tensor(logits.type(), TensorData.ofBytes(logits.data().toByteArray()));
      }
    }

    @Override
    public void close() {
      session.close();
      model.close();
    }
  }
}
