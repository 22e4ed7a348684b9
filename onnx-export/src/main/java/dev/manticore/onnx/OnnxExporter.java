package dev.manticore.onnx;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableMap;
import com.google.protobuf.CodedOutputStream;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import dev.manticore.ir.Value;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.io.FileProblems;
import dev.manticore.onnx.proto.ModelProto;
import dev.manticore.onnx.proto.TensorProto;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Writes ONNX models: the same graph always as the same bytes. Parameters become initializers, in
 * the file or in one file of external data beside it; functions become model-local functions;
 * symbolic dimensions {@code dim_param}. Origins are not written.
 */
public final class OnnxExporter {

  /** Where the data of parameters is written. */
  public enum Placement {
    /** Into the model file, which then cannot be larger than 2 GiB. */
    INLINE,
    /** Into a file beside it, but for tensors below 1 KiB. */
    EXTERNAL,
    /** Inline if the parameters take no more than 64 MiB together, else external. */
    AUTOMATIC
  }

  /**
   * How to write.
   *
   * @param irVersion the version of the format, 10 or 11
   * @param producerVersion written beside the producer's name, {@code manticore}; may be empty
   */
  public record Options(Placement placement, int irVersion, String producerVersion) {

    public static final Options DEFAULT = new Options(Placement.AUTOMATIC, 10, "");

    public Options {
      requireNonNull(placement, "placement");
      requireNonNull(producerVersion, "producerVersion");
      checkArgument(irVersion == 10 || irVersion == 11, "irVersion is %s", irVersion);
    }

    public Options withPlacement(Placement changed) {
      return new Options(changed, irVersion, producerVersion);
    }
  }

  private static final long AUTOMATIC_BYTES = 64L << 20;

  /** Smaller tensors are read by shape inference, which wants them in the model. */
  private static final long EXTERNAL_BYTES = 1024;

  private static final int BUFFER_BYTES = 1 << 20;

  /** A cache line, and more than the widest vector register. */
  private static final int ALIGNMENT = 64;

  private OnnxExporter() {}

  /**
   * A model with all its data.
   *
   * @throws ManticoreException {@code MNT-ONNX-SIZE} if it is larger than 2 GiB, {@code
   *     MNT-ONNX-OPSET} if nodes of one domain are of different versions, {@code MNT-ONNX-FUNCTION}
   *     if a function's body has parameters
   */
  public static byte[] toBytes(Graph graph) {
    ModelProto model =
        new GraphWriter(graph, (value, tensor) -> Optional.empty()).write(Options.DEFAULT);
    byte[] bytes = new byte[size(model, graph)];
    try {
      CodedOutputStream out = CodedOutputStream.newInstance(bytes);
      out.useDeterministicSerialization();
      model.writeTo(out);
      out.checkNoSpaceLeft();
    } catch (IOException e) {
      throw new AssertionError("an array of the message's size was too small for it", e);
    }
    return bytes;
  }

  /**
   * Writes a model, and {@code <name>.data} beside it where the data is external. Both are complete
   * on the disk under other names before they take their own, the model last; if anything fails,
   * files that were there are as they were.
   *
   * @throws ManticoreException {@code MNT-ONNX-WRITE} if it cannot be written, and as {@link
   *     #toBytes}
   */
  public static void write(Graph graph, Path file, Options options) {
    try {
      if (external(graph, options)) {
        writeExternal(graph, file, options);
      } else {
        ModelProto model =
            new GraphWriter(graph, (value, tensor) -> Optional.empty()).write(options);
        AtomicFiles.replace(ImmutableMap.of(file, content(model, graph)));
      }
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-ONNX-WRITE", "model " + file + " cannot be written: " + FileProblems.reason(e), e);
    }
  }

  private static boolean external(Graph graph, Options options) {
    return switch (options.placement()) {
      case INLINE -> false;
      case EXTERNAL -> true;
      case AUTOMATIC ->
          graph.parameters().values().stream().mapToLong(tensor -> tensor.data().byteSize()).sum()
              > AUTOMATIC_BYTES;
    };
  }

  private static void writeExternal(Graph graph, Path file, Options options) throws IOException {
    String location = file.getFileName() + ".data";
    List<TensorData> pieces = new ArrayList<>();
    long[] end = {0};
    ModelProto model =
        new GraphWriter(
                graph,
                (value, tensor) -> {
                  if (tensor.data().byteSize() < EXTERNAL_BYTES
                      || tensor.elementType() == ElementType.STRING) {
                    return Optional.empty();
                  }
                  long start = aligned(end[0]);
                  end[0] = start + tensor.data().byteSize();
                  pieces.add(tensor.data());
                  return Optional.of(reference(value, tensor, location, start));
                })
            .write(options);
    AtomicFiles.replace(
        ImmutableMap.of(
            file.resolveSibling(location),
            channel -> {
              long position = 0;
              for (TensorData piece : pieces) {
                AtomicFiles.writeFully(
                    channel, ByteBuffer.allocate((int) (aligned(position) - position)));
                AtomicFiles.writeFully(channel, piece);
                position = aligned(position) + piece.byteSize();
              }
            },
            file,
            content(model, graph)));
  }

  private static TensorProto reference(Value value, Tensor tensor, String location, long offset) {
    TensorProto.Builder proto =
        GraphWriter.typed(GraphWriter.header(value), tensor)
            .setDataLocation(TensorProto.DataLocation.EXTERNAL);
    proto.addExternalDataBuilder().setKey("location").setValue(location);
    proto.addExternalDataBuilder().setKey("offset").setValue(Long.toString(offset));
    proto
        .addExternalDataBuilder()
        .setKey("length")
        .setValue(Long.toString(tensor.data().byteSize()));
    return proto.build();
  }

  private static long aligned(long offset) {
    return (offset + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  private static AtomicFiles.Content content(ModelProto model, Graph graph) {
    // Asked for its size, so that a model of more than 2 GiB is noticed before it is written.
    size(model, graph);
    return channel -> {
      CodedOutputStream out =
          CodedOutputStream.newInstance(Channels.newOutputStream(channel), BUFFER_BYTES);
      out.useDeterministicSerialization();
      model.writeTo(out);
      out.flush();
    };
  }

  /** The size of the message, whose computation overflows beyond 2 GiB. */
  private static int size(ModelProto model, Graph graph) {
    long data =
        model.getGraph().getInitializerList().stream()
            .mapToLong(tensor -> tensor.getRawData().size())
            .sum();
    int size = data > Integer.MAX_VALUE ? -1 : model.getSerializedSize();
    if (size < 0) {
      throw new ManticoreException(
          "MNT-ONNX-SIZE",
          graph + " does not fit a model file, which ends at 2 GiB; export with external data");
    }
    return size;
  }
}
