package dev.manticore.compiler.serve;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/** One request and its answer, as JSON. */
final class Exchange {

  static final JsonMapper JSON = JsonMapper.builder().build();

  private static final int DEEPEST = 32;

  static {
    JSON.getFactory()
        .setStreamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(DEEPEST).build());
  }

  private final HttpExchange http;
  private final int largestBody;
  private boolean answered;

  Exchange(HttpExchange http, int largestBody) {
    this.http = http;
    this.largestBody = largestBody;
  }

  String method() {
    return http.getRequestMethod();
  }

  String path() {
    return http.getRequestURI().getPath();
  }

  /** Whether an answer has begun, so that none in its place can be given any more. */
  boolean answered() {
    return answered;
  }

  /** Whether only the head of an answer is asked for. */
  private boolean isHead() {
    return method().equals("HEAD");
  }

  void requireMethod(String wanted) {
    boolean head = wanted.equals("GET") && isHead();
    if (!method().equals(wanted) && !head) {
      http.getResponseHeaders().set("Allow", wanted);
      throw new HttpProblem(
          HttpProblem.METHOD_NOT_ALLOWED, path() + " is asked for by " + wanted + " only");
    }
  }

  /**
   * The body.
   *
   * @throws HttpProblem if it is too large, or not a JSON object
   */
  JsonNode body() throws IOException {
    byte[] bytes = http.getRequestBody().readNBytes(largestBody + 1);
    if (bytes.length > largestBody) {
      throw new HttpProblem(
          HttpProblem.TOO_LARGE, "the body is larger than " + largestBody + " bytes");
    }
    JsonNode json;
    try {
      json = JSON.readTree(bytes);
    } catch (JsonProcessingException e) {
      throw new HttpProblem(
          HttpProblem.BAD_REQUEST, "the body is not JSON: " + e.getOriginalMessage());
    }
    if (json == null || !json.isObject()) {
      throw new HttpProblem(HttpProblem.BAD_REQUEST, "the body is not a JSON object");
    }
    return json;
  }

  void answer(int status, JsonNode json) throws IOException {
    byte[] bytes = JSON.writeValueAsBytes(json);
    http.getResponseHeaders().set("Content-Type", "application/json");
    answered = true;
    if (isHead()) {
      http.sendResponseHeaders(status, -1);
      return;
    }
    http.sendResponseHeaders(status, bytes.length);
    http.getResponseBody().write(bytes);
  }

  /** Begins an answer of server-sent events. */
  void stream() throws IOException {
    http.getResponseHeaders().set("Content-Type", "text/event-stream");
    http.getResponseHeaders().set("Cache-Control", "no-cache");
    answered = true;
    http.sendResponseHeaders(200, 0);
  }

  void event(String data) throws IOException {
    OutputStream out = http.getResponseBody();
    out.write(("data: " + data + "\n\n").getBytes(StandardCharsets.UTF_8));
    out.flush();
  }

  static JsonNode text(JsonNode object, String key) {
    JsonNode value = object.path(key);
    if (!value.isMissingNode() && !value.isNull() && !value.isTextual()) {
      throw new HttpProblem(HttpProblem.BAD_REQUEST, "'" + key + "' should be a text");
    }
    return value;
  }
}
