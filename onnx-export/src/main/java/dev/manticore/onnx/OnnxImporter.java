package dev.manticore.onnx;

import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * Reads ONNX models. Initializers become parameters (also where they are listed as inputs), whose
 * data stays in the file, or in the external data beside it, until it is asked for. Nodes keep
 * their operator, its version as the model imports it, their names and their values' names; of the
 * values of subgraphs, one whose name another subgraph has too is renamed. Operators outside the
 * catalogue pass through.
 *
 * <p>Types are inferred from node to node. Where the file says more of a shape than inference finds
 * out, what the file says is kept; where they contradict each other, inference is right. Operators
 * that the catalogue does not know, or does not understand in the model's version, have the types
 * of the file, and none (unranked) where it says nothing.
 *
 * <p>Strings are kept as their bytes are, UTF-8 or not. Dropped are the producer's name and
 * version, device configurations, and documentation strings of attributes and of tensors in
 * attributes. Refused are training information, and tensors given in segments.
 */
public final class OnnxImporter {

  /** What becomes of a model's functions. */
  public enum Functions {
    /**
     * A call of a function that is an operator of our own, by name and by body, becomes a node of
     * the operator; other calls are replaced by the nodes of the function. The graph has no
     * functions.
     */
    RESOLVE,
    /** Functions and calls stay. The bodies have no types. */
    KEEP
  }

  private OnnxImporter() {}

  /**
   * Reads a model file and resolves its functions; its external data lies in or below its
   * directory.
   *
   * @throws ManticoreException {@code MNT-ONNX-READ} if it cannot be read, {@code MNT-ONNX-SIZE} if
   *     it is larger than a model file can be, {@code MNT-ONNX-PARSE} if it is not protobuf, {@code
   *     MNT-ONNX-INVALID} if it breaks a rule of ONNX, {@code MNT-ONNX-EXTERNAL} if its external
   *     data does, {@code MNT-ONNX-UNSUPPORTED} if it holds something of the list above
   */
  public static Graph read(Path model) {
    return read(model, Functions.RESOLVE);
  }

  /** Like {@link #read(Path)}. */
  public static Graph read(Path model, Functions functions) {
    String source = "model " + model;
    Optional<Path> directory = Optional.ofNullable(model.toAbsolutePath().getParent());
    return bounded(
        source, () -> new GraphReader(ModelFile.read(model), source, directory, functions).read());
  }

  /** Reads a model held in memory, which may not have external data, and resolves its functions. */
  public static Graph read(byte[] model) {
    return read(model, Optional.empty(), Functions.RESOLVE);
  }

  /**
   * Reads a model held in memory.
   *
   * @param baseDirectory where its external data lies
   * @throws ManticoreException as for a file
   */
  public static Graph read(byte[] model, Optional<Path> baseDirectory, Functions functions) {
    String source = "the model in memory";
    return bounded(
        source,
        () ->
            new GraphReader(ModelFile.parse(model, source), source, baseDirectory, functions)
                .read());
  }

  private static Graph bounded(String source, Supplier<Graph> reading) {
    try {
      return reading.get();
    } catch (OutOfMemoryError e) {
      // The caps bound what is read; what becomes of it is only known afterwards, and is garbage
      // by now.
      throw new ManticoreException(
          "MNT-ONNX-SIZE",
          source + " does not fit the heap; give the Java machine more with -Xmx",
          e);
    }
  }
}
