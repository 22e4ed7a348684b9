package dev.manticore.tensorrt;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/**
 * Fulfils one request, and ends: {@code probe}, {@code build} or {@code decode}. The last line of
 * standard output is the answer, a JSON object: the result, or {@code unavailable} or {@code
 * refused} with the reason. The exit status is 0 unless something is wrong with the process itself.
 */
public final class EngineProcess {

  private EngineProcess() {}

  /**
   * @param args the file that holds the request
   */
  public static void main(String[] args) throws IOException {
    System.out.println(answer(Files.readString(Path.of(args[0]))));
  }

  static ObjectNode answer(String request) throws IOException {
    ObjectNode answer = JsonNodeFactory.instance.objectNode();
    try {
      JsonNode json = new ObjectMapper().readTree(request);
      TensorRt.load();
      answer.set("platform", TensorRt.platform());
      switch (json.required("command").asText()) {
        case "probe" -> {}
        case "build" -> answer.setAll(new PlanBuilder(json).build());
        case "decode" -> answer.setAll(new DecodeRun(json).run());
        default ->
            throw EngineException.refused("there is no command " + json.get("command").asText());
      }
    } catch (EngineException e) {
      answer.put(e.kind().name().toLowerCase(Locale.ROOT), e.getMessage());
    } catch (JacksonException | IllegalArgumentException e) {
      answer.put("refused", "the request is not well formed: " + e.getMessage());
    }
    return answer;
  }
}
