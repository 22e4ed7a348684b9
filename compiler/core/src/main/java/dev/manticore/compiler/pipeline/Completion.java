package dev.manticore.compiler.pipeline;

import static java.util.Objects.requireNonNull;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSortedMap;
import com.google.common.hash.Hashing;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What a finished compile was made from and what it left, in {@code compiled.json} of the output
 * directory. A later compile of the same stages to the same files has nothing to do.
 *
 * @param stages the addresses of all stages, which stand for all that the compile depends on but
 *     for what only the files tell, such as the name of the hybrid
 * @param files the SHA-256 of every file but this one, by path, parts separated by slashes
 * @param summary what the compile came to
 */
record Completion(
    ImmutableList<String> stages,
    ImmutableSortedMap<String, String> files,
    Pipeline.Summary summary) {

  static final String FILE = "compiled.json";

  private static final ObjectMapper JSON = new ObjectMapper();

  Completion {
    requireNonNull(stages, "stages");
    requireNonNull(files, "files");
    requireNonNull(summary, "summary");
  }

  /** Describes a directory that is complete, hashing each file. */
  static Completion describe(Pipeline pipeline, Path directory, Pipeline.Summary summary)
      throws IOException {
    ImmutableSortedMap.Builder<String, String> files = ImmutableSortedMap.naturalOrder();
    try (Stream<Path> all = Files.walk(directory)) {
      List<Path> regular = all.filter(Files::isRegularFile).toList();
      for (Path file : regular) {
        files.put(directory.relativize(file).toString().replace('\\', '/'), Hashes.sha256(file));
      }
    }
    return new Completion(addresses(pipeline), files.buildOrThrow(), summary);
  }

  /** Reads what a directory says of itself; empty when there is nothing, or nothing readable. */
  static Optional<Completion> read(Path directory) {
    try {
      JsonNode root = JSON.readTree(Files.readString(directory.resolve(FILE)));
      ImmutableList.Builder<String> stages = ImmutableList.builder();
      root.required("stages").forEach(stage -> stages.add(stage.asText()));
      ImmutableSortedMap.Builder<String, String> files = ImmutableSortedMap.naturalOrder();
      for (Map.Entry<String, JsonNode> file : root.required("files").properties()) {
        files.put(file.getKey(), file.getValue().asText());
      }
      return Optional.of(
          new Completion(
              stages.build(),
              files.buildOrThrow(),
              new Pipeline.Summary(
                  String.join(
                      System.lineSeparator(),
                      root.required("text").valueStream().map(JsonNode::asText).toList()),
                  root.required("result").toString())));
    } catch (IOException | IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  /** Whether it is of these stages and with this recipe, and all files are as they were. */
  boolean holds(Pipeline pipeline, String recipeFile, String recipe, Path directory) {
    String hash = Hashing.sha256().hashString(recipe, StandardCharsets.UTF_8).toString();
    return stages.equals(addresses(pipeline))
        && hash.equals(files.get(recipeFile))
        && files.entrySet().stream().allMatch(file -> unchanged(directory, file));
  }

  private static boolean unchanged(Path directory, Map.Entry<String, String> file) {
    Path place = directory.resolve(file.getKey());
    try {
      return Files.isRegularFile(place) && Hashes.sha256(place).equals(file.getValue());
    } catch (ManticoreException e) {
      return false;
    }
  }

  /** The addresses of a pipeline's stages, in order. */
  static ImmutableList<String> addresses(Pipeline pipeline) {
    return pipeline.stages().stream()
        .map(stage -> StageId.of(stage).toString())
        .collect(ImmutableList.toImmutableList());
  }

  String json() throws IOException {
    ObjectNode root = JsonNodeFactory.instance.objectNode();
    ArrayNode addresses = root.putArray("stages");
    stages.forEach(addresses::add);
    ObjectNode hashes = root.putObject("files");
    files.forEach(hashes::put);
    ArrayNode text = root.putArray("text");
    summary.text().lines().forEach(text::add);
    root.set("result", JSON.readTree(summary.json()));
    return StableJson.text(root);
  }
}
