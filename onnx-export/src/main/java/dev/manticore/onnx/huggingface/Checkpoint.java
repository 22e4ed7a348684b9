package dev.manticore.onnx.huggingface;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.io.ForeignFormats;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import dev.manticore.onnx.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
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
  private static final ImmutableMap<String, String> FORMAT = ImmutableMap.of("format", "pt");
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
      Optional<String> advice = ForeignFormats.advice(directory);
      if (advice.isPresent()) {
        throw failure(directory + " " + advice.get());
      }
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
        .map(file -> failure(file + " " + ForeignFormats.pickle(file)))
        .orElseGet(() -> failure(directory + " has neither " + SINGLE + " nor " + INDEX));
  }

  /**
   * Writes a model directory, making it where needed: the tensors first, {@code config.json} last.
   * Tensors that take more bytes than a file may hold are spread over {@code
   * model-0000i-of-0000n.safetensors}, in order, and {@code model.safetensors.index.json} lists
   * them.
   *
   * @param shardBytes the most bytes of tensors in one file; a larger tensor has one for itself
   * @throws ManticoreException {@code MNT-WRITE} if it cannot be written, or if the directory holds
   *     tensors that readers would take for these or mix with them
   */
  public static void write(
      Path directory, ModelConfig config, Map<String, Tensor> tensors, long shardBytes) {
    try {
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-WRITE", "cannot make the directory " + directory + ": " + e.getMessage(), e);
    }
    List<Map<String, Tensor>> shards = spread(tensors, shardBytes);
    refuseToMix(directory.resolve(INDEX));
    if (shards.size() == 1) {
      SafetensorsWriter.write(directory.resolve(SINGLE), tensors, FORMAT);
    } else {
      refuseToMix(directory.resolve(SINGLE));
      writeShards(directory, shards);
    }
    AtomicFiles.writeString(directory.resolve(CONFIG), config.toText());
  }

  /** Whether all files of a checkpoint are in a directory; what is in them is not looked at. */
  public static boolean isWholeIn(Path directory) {
    if (!Files.isRegularFile(directory.resolve(CONFIG))) {
      return false;
    }
    Path index = directory.resolve(INDEX);
    return Files.isRegularFile(directory.resolve(SINGLE))
        || Files.isRegularFile(index)
            && files(index).values().stream()
                .allMatch(file -> Files.isRegularFile(directory.resolve(file)));
  }

  private static void refuseToMix(Path file) {
    if (Files.exists(file)) {
      throw new ManticoreException(
          "MNT-WRITE",
          file + " is of another checkpoint; remove that one, or write to another directory");
    }
  }

  private static List<Map<String, Tensor>> spread(Map<String, Tensor> tensors, long shardBytes) {
    List<Map<String, Tensor>> shards = new ArrayList<>(List.of(new LinkedHashMap<>()));
    long filled = 0;
    for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
      long size = entry.getValue().data().byteSize();
      if (filled > 0 && filled + size > shardBytes) {
        shards.add(new LinkedHashMap<>());
        filled = 0;
      }
      shards.get(shards.size() - 1).put(entry.getKey(), entry.getValue());
      filled += size;
    }
    return shards;
  }

  private static void writeShards(Path directory, List<Map<String, Tensor>> shards) {
    Map<String, String> files = new TreeMap<>();
    long total = 0;
    for (int i = 0; i < shards.size(); i++) {
      String file =
          String.format(Locale.ROOT, "model-%05d-of-%05d.safetensors", i + 1, shards.size());
      SafetensorsWriter.write(directory.resolve(file), shards.get(i), FORMAT);
      shards.get(i).keySet().forEach(name -> files.put(name, file));
      total += shards.get(i).values().stream().mapToLong(tensor -> tensor.data().byteSize()).sum();
    }
    ObjectNode index = ModelConfig.JSON.createObjectNode();
    index.putObject("metadata").put("total_size", total);
    ObjectNode map = index.putObject("weight_map");
    files.forEach(map::put);
    AtomicFiles.writeString(directory.resolve(INDEX), index.toPrettyString() + "\n");
  }

  private static ImmutableMap<String, Tensor> shards(Path directory, Path index) {
    ImmutableMap<String, String> files = files(index);
    Map<String, SafetensorsFile> open = new LinkedHashMap<>();
    ImmutableMap.Builder<String, Tensor> tensors = ImmutableMap.builder();
    files.forEach(
        (name, file) -> {
          SafetensorsFile shard =
              open.computeIfAbsent(file, key -> SafetensorsFile.open(directory.resolve(key)));
          Tensor tensor = shard.tensors().get(name);
          if (tensor == null) {
            throw failure(
                shard.path() + " has no tensor '" + name + "', which " + index + " says is there");
          }
          tensors.put(name, tensor);
        });
    for (SafetensorsFile shard : open.values()) {
      for (String name : shard.tensors().keySet()) {
        if (!files.containsKey(name)) {
          throw failure(shard.path() + " has a tensor '" + name + "' that " + index + " lacks");
        }
      }
    }
    return tensors.buildOrThrow();
  }

  /** The file of each tensor, as an index says. */
  private static ImmutableMap<String, String> files(Path index) {
    if (!(ModelConfig.readObject(index).get("weight_map") instanceof ObjectNode map)) {
      throw failure(index + " has no object 'weight_map' of tensor names to files");
    }
    ImmutableMap.Builder<String, String> files = ImmutableMap.builder();
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
      files.put(entry.getKey(), file);
    }
    return files.buildOrThrow();
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
