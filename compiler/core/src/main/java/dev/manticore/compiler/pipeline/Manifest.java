package dev.manticore.compiler.pipeline;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What a complete stage directory says of itself, in {@code manifest.json}. Equal runs write equal
 * bytes: times and facts about the machine are in {@code host.json} instead.
 */
record Manifest(
    String stage,
    int version,
    String manticore,
    ImmutableMap<String, String> inputs,
    ImmutableList<OutputFile> outputs) {

  static final String FILE = "manifest.json";
  static final String HOST_FILE = "host.json";

  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * A file of the result.
   *
   * @param path relative to the directory, parts separated by slashes
   */
  record OutputFile(String path, long bytes, String sha256) {}

  /** Describes the files in a directory, hashing each. */
  static Manifest describe(Stage<?> stage, Path directory) throws IOException {
    ImmutableList.Builder<OutputFile> outputs = ImmutableList.builder();
    try (Stream<Path> files = Files.walk(directory)) {
      List<Path> sorted = files.filter(Files::isRegularFile).sorted().toList();
      for (Path file : sorted) {
        String path = directory.relativize(file).toString().replace('\\', '/');
        boolean working = path.startsWith(StageRunner.CHECKPOINTS + "/");
        if (!path.equals(FILE) && !path.equals(HOST_FILE) && !working) {
          outputs.add(new OutputFile(path, Files.size(file), Hashes.sha256(file)));
        }
      }
    }
    return new Manifest(
        stage.name(),
        stage.version(),
        ToolVersion.current(),
        stage.inputs().entries(),
        outputs.build());
  }

  /** Reads the manifest of a directory; empty when there is none or it is not one. */
  static Optional<Manifest> read(Path directory) {
    try {
      JsonNode root = JSON.readTree(Files.readString(directory.resolve(FILE)));
      ImmutableMap.Builder<String, String> inputs = ImmutableMap.builder();
      for (Map.Entry<String, JsonNode> input : root.required("inputs").properties()) {
        inputs.put(input.getKey(), input.getValue().asText());
      }
      ImmutableList.Builder<OutputFile> outputs = ImmutableList.builder();
      for (JsonNode output : root.required("outputs")) {
        outputs.add(
            new OutputFile(
                output.required("path").asText(),
                output.required("bytes").asLong(),
                output.required("sha256").asText()));
      }
      return Optional.of(
          new Manifest(
              root.required("stage").asText(),
              root.required("version").asInt(),
              root.required("manticore").asText(),
              inputs.buildOrThrow(),
              outputs.build()));
    } catch (IOException | IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  /** The first output that is not there in its full length, if any. */
  Optional<String> damage(Path directory) {
    for (OutputFile output : outputs) {
      Path file = directory.resolve(output.path());
      try {
        if (!Files.isRegularFile(file) || Files.size(file) != output.bytes()) {
          return Optional.of(output.path());
        }
      } catch (IOException e) {
        return Optional.of(output.path());
      }
    }
    return Optional.empty();
  }

  String json() {
    ObjectNode root =
        JsonNodeFactory.instance
            .objectNode()
            .put("stage", stage)
            .put("version", version)
            .put("manticore", manticore);
    ObjectNode in = root.putObject("inputs");
    inputs.forEach(in::put);
    ArrayNode out = root.putArray("outputs");
    for (OutputFile output : outputs) {
      out.addObject()
          .put("path", output.path())
          .put("bytes", output.bytes())
          .put("sha256", output.sha256());
    }
    return StableJson.text(root);
  }
}
