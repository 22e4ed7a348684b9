package dev.manticore.onnx.io;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Formats that models come in and that are not read here, known by their first bytes, so that an
 * error can say what to do. Nothing is ever unpacked, and no pickle loaded.
 */
public final class ForeignFormats {

  private static final int LOOKED_AT = 512;
  private static final int TAR_MAGIC = 257;

  private ForeignFormats() {}

  /**
   * What a file is and what to do with it; empty if it is no such file, or cannot be read.
   *
   * @return the end of a sentence that begins with the file's name
   */
  public static Optional<String> advice(Path file) {
    if (!Files.isRegularFile(file)) {
      return Optional.empty();
    }
    byte[] bytes;
    try (InputStream in = Files.newInputStream(file)) {
      bytes = in.readNBytes(LOOKED_AT);
    } catch (IOException e) {
      return Optional.empty();
    }
    String start = new String(bytes, StandardCharsets.ISO_8859_1);
    // A safetensors file may begin as any of these, with the size of its header, but then goes on
    // in JSON.
    if (start.startsWith("{", Long.BYTES)) {
      return Optional.empty();
    }
    // PyTorch's own archives hold the pickle data.pkl, the first of their entries.
    boolean pickled = start.startsWith("PK\3\4") && start.contains("data.pkl");
    if (pickled || start.matches("(?s)\u0080[\2-\5].*")) {
      return Optional.of(pickle(file));
    }
    boolean archive =
        start.startsWith("PK\3\4")
            || start.startsWith("\u001f\u008b")
            || start.startsWith("BZh")
            || start.startsWith("\u00fd7zXZ")
            || start.startsWith("7z\u00bc\u00af")
            || start.startsWith("(\u00b5/\u00fd")
            || start.startsWith("ustar", TAR_MAGIC);
    if (archive) {
      return Optional.of(
          "is an archive, and archives are not unpacked here; unpack it, look at what it holds, and"
              + " give that");
    }
    if (start.startsWith("GGUF")) {
      return Optional.of(
          "is a GGUF file, which is not read; get the model's safetensors or ONNX form");
    }
    if (start.startsWith("\u0089HDF")) {
      return Optional.of(
          "is an HDF5 file, which is not read; get the model's safetensors or ONNX form");
    }
    return Optional.empty();
  }

  /** What to do with a file of which only the name tells that it is a pickle. */
  public static String pickle(Path file) {
    return "is a pickle, which can run code when loaded, and is not read; convert it once: python -c"
        + " \"import torch, safetensors.torch as s; s.save_file({k: v.clone().contiguous() for k, v"
        + " in torch.load('"
        + file.getFileName()
        + "', map_location='cpu', weights_only=True).items()}, 'model.safetensors')\" in that"
        + " directory";
  }
}
