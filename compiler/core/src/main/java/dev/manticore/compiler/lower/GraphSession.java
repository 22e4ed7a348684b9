package dev.manticore.compiler.lower;

import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Sessions of lowered graphs, of any size on a small heap. */
public final class GraphSession {

  /** What has more weights goes through a file: in a message they would be on the heap, twice. */
  private static final long LARGEST_MESSAGE = 64L << 20;

  private GraphSession() {}

  /**
   * Opens a session of a graph.
   *
   * @throws ManticoreException {@code MNT-WRITE} if there is no room for its weights among the
   *     temporary files, and as {@link ModelSession#open(Device, byte[], SessionConfig)} does
   */
  public static ModelSession open(Graph lowered, Device device, SessionConfig config) {
    long bytes =
        lowered.parameters().values().stream()
            .map(Tensor::data)
            .mapToLong(data -> data.byteSize())
            .sum();
    if (bytes <= LARGEST_MESSAGE) {
      return ModelSession.open(device, OnnxExporter.toBytes(lowered), config);
    }
    try {
      Path directory = Files.createTempDirectory("manticore-session-");
      try {
        Path file = directory.resolve("model.onnx");
        OnnxExporter.write(lowered, file, OnnxExporter.Options.DEFAULT);
        return ModelSession.open(device, file, config);
      } finally {
        // What is still read of it stays on the disk until the session is closed.
        MoreFiles.deleteRecursively(directory, RecursiveDeleteOption.ALLOW_INSECURE);
      }
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-WRITE",
          "the weights of "
              + lowered.name()
              + " cannot be put among the temporary files: "
              + e.getMessage()
              + "; make room there",
          e);
    }
  }
}
