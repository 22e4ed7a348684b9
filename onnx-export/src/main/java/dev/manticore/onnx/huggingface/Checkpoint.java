package dev.manticore.onnx.huggingface;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import dev.manticore.onnx.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * A model directory: {@code config.json}, and the tensors of {@code model.safetensors} or of the
 * shards that {@code model.safetensors.index.json} lists, under the names and element types they
 * are stored with. The tensors' data stays in the files until it is read.
 *
 * @param weights the file that lists the tensors, for messages
 */
public record Checkpoint(
    Path directory, ModelConfig config, Path weights, ImmutableMap<String, Tensor> tensors) {

  private static final String CONFIG = "config.json";
  private static final String SINGLE = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";

  /**
   * Reads a model directory. Shards must lie in it; symbolic links are followed, since the Hugging
   * Face cache is made of them.
   *
   * @throws ManticoreException {@code MNT-CONFIG}, {@code MNT-CHECKPOINT} or {@code
   *     MNT-SAFETENSORS} if a file is missing or not well formed, or if there are only pickles
   */
  public static Checkpoint read(Path directory) {
    if (!Files.isDirectory(directory)) {
      throw failure(
          "cannot read " + directory + ": it is not a directory with config.json and " + SINGLE);
    }
    ModelConfig config = ModelConfig.read(directory.resolve(CONFIG));
    Path single = directory.resolve(SINGLE);
    if (Files.exists(single)) {
      return new Checkpoint(directory, config, single, SafetensorsFile.open(single).tensors());
    }
    Path index = directory.resolve(INDEX);
    if (Files.exists(index)) {
      return new Checkpoint(directory, config, index, shards(directory, index));
    }
    throw pickle(directory)
        .map(
            file ->
                failure(
                    file
                        + " is a pickle, which can run code when loaded, and is not read; convert"
                        + " it once: python -c \"import torch, safetensors.torch as s;"
                        + " s.save_file({k: v.clone().contiguous() for k, v in torch.load('"
                        + file.getFileName()
                        + "', map_location='cpu', weights_only=True).items()}, '"
                        + SINGLE
                        + "')\" in that directory"))
        .orElseGet(() -> failure(directory + " has neither " + SINGLE + " nor " + INDEX));
  }

  /**
   * Writes a model directory, making it where needed: the tensors first, {@code config.json} last.
   *
   * @throws ManticoreException {@code MNT-WRITE} if it cannot be written
   */
  public static void write(Path directory, ModelConfig config, Map<String, Tensor> tensors) {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-WRITE", "cannot make the directory " + directory + ": " + e.getMessage(), e);
    }
    SafetensorsWriter.write(directory.resolve(SINGLE), tensors, ImmutableMap.of("format", "pt"));
    AtomicFiles.writeString(directory.resolve(CONFIG), config.toText());
  }

  private static ImmutableMap<String, Tensor> shards(Path directory, Path index) {
    ObjectNode json = ModelConfig.readObject(index);
    if (!(json.get("weight_map") instanceof ObjectNode map)) {
      throw failure(index + " has no object 'weight_map' of tensor names to files");
    }
    Map<String, SafetensorsFile> open = new HashMap<>();
    ImmutableMap.Builder<String, Tensor> tensors = ImmutableMap.builder();
    for (Map.Entry<String, JsonNode> entry : map.properties()) {
      String file = entry.getValue().asText();
      // A plain name is in the directory; anything with a separator or ".." might not be.
      if (!entry.getValue().isTextual() || !file.matches("[\\w-][\\w.-]*\\.safetensors")) {
        throw failure(
            index
                + ": the file of tensor '"
                + entry.getKey()
                + "' is "
                + entry.getValue()
                + ", but should be the name of a .safetensors file in the same directory");
      }
      SafetensorsFile shard =
          open.computeIfAbsent(file, name -> SafetensorsFile.open(directory.resolve(name)));
      Tensor tensor = shard.tensors().get(entry.getKey());
      if (tensor == null) {
        throw failure(
            shard.path()
                + " has no tensor '"
                + entry.getKey()
                + "', which "
                + index
                + " says is there");
      }
      tensors.put(entry.getKey(), tensor);
    }
    return tensors.buildOrThrow();
  }

  private static Optional<Path> pickle(Path directory) {
    try (Stream<Path> files = Files.list(directory)) {
      List<Path> pickles =
          files
              .filter(file -> file.getFileName().toString().matches(".*\\.(bin|pt|pth|ckpt|pkl)"))
              .sorted()
              .toList();
      return pickles.stream().findFirst();
    } catch (IOException e) {
      throw failure("cannot list " + directory + ": " + e.getMessage());
    }
  }

  static ManticoreException failure(String message) {
    return new ManticoreException("MNT-CHECKPOINT", message);
  }
}
