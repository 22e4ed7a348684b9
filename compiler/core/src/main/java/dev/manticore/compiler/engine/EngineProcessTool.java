package dev.manticore.compiler.engine;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.Consumer;

/**
 * Runs each request in a virtual machine of its own, on this one's class path. That module is
 * called by its name only: what is not asked for need not load.
 */
public final class EngineProcessTool implements EngineTool {

  private static final String MAIN = "dev.manticore.tensorrt.EngineProcess";

  /** Lines of standard error that are kept for a message. */
  private static final int KEPT = 10;

  /** From this Java on, loading native libraries without being told to gives warnings. */
  private static final int ASKS_FOR_NATIVE_ACCESS = 22;

  private final Consumer<String> log;

  /**
   * @param log takes what TensorRT says while it works
   */
  public EngineProcessTool(Consumer<String> log) {
    this.log = log;
  }

  @Override
  public JsonNode call(ObjectNode request) {
    try {
      Path file = Files.createTempFile("manticore-engine-", ".json");
      Path output = Files.createTempFile("manticore-engine-", ".out");
      try {
        Files.writeString(file, request.toString());
        return answer(file, output);
      } finally {
        Files.deleteIfExists(file);
        Files.deleteIfExists(output);
      }
    } catch (IOException e) {
      throw EngineTool.failure("asking TensorRT failed: " + e.getMessage());
    }
  }

  private JsonNode answer(Path request, Path output) throws IOException {
    Process process = new ProcessBuilder(command(request)).redirectOutput(output.toFile()).start();
    Deque<String> last = new ArrayDeque<>();
    int status;
    try (BufferedReader lines =
        new BufferedReader(
            new InputStreamReader(process.getErrorStream(), StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        log.accept(line);
        last.addLast(line);
        if (last.size() > KEPT) {
          last.removeFirst();
        }
      }
      status = process.waitFor();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw EngineTool.failure("stopped while TensorRT was at work");
    } finally {
      process.destroyForcibly();
    }
    String answer = Files.readString(output).lines().reduce((first, second) -> second).orElse("");
    if (status != 0) {
      throw EngineTool.failure(
          "the process for TensorRT ended with status "
              + status
              + (last.isEmpty() ? "" : ":\n  " + String.join("\n  ", last)));
    }
    return understood(answer);
  }

  private static void forget(Thread end) {
    try {
      Runtime.getRuntime().removeShutdownHook(end);
    } catch (IllegalStateException e) {
      // It is running: this process ends.
    }
  }

  private static ImmutableList<String> command(Path request) {
    ImmutableList.Builder<String> command = ImmutableList.builder();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    // Memory outside the heap is not counted against it.
    command.add("-Dorg.bytedeco.javacpp.maxbytes=0");
    command.add("-Dorg.bytedeco.javacpp.maxphysicalbytes=0");
    if (Runtime.version().feature() >= ASKS_FOR_NATIVE_ACCESS) {
      command.add("--enable-native-access=ALL-UNNAMED");
    }
    command.add("-cp", System.getProperty("java.class.path"), MAIN, request.toString());
    return command.build();
  }

  /** The result, unless it says that there is none. */
  static JsonNode understood(String answer) {
    JsonNode json;
    try {
      json = new ObjectMapper().readTree(answer);
    } catch (JacksonException e) {
      throw EngineTool.failure("the process for TensorRT gave no answer but: " + answer);
    }
    if (json.has("unavailable")) {
      throw EngineTool.failure(
          "no engine can be built or run here: "
              + json.get("unavailable").asText()
              + ". All other forms of the model are complete without one; on a machine with an"
              + " NVIDIA GPU, add it by manticore engine");
    }
    if (json.has("refused")) {
      throw EngineTool.failure(json.get("refused").asText());
    }
    if (!json.path("platform").isObject()) {
      throw EngineTool.failure("the process for TensorRT gave no answer but: " + answer);
    }
    return json;
  }
}
