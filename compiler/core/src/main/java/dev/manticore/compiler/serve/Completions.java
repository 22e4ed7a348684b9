package dev.manticore.compiler.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.generate.GenerationRequest;
import dev.manticore.compiler.generate.GenerationResult;
import dev.manticore.compiler.generate.Generator;
import dev.manticore.compiler.generate.Sampling;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.time.Duration;
import java.util.Iterator;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/** {@code /v1/completions} as OpenAI has it, streamed or at once. */
final class Completions {

  private static final JsonNodeFactory FACTORY = JsonNodeFactory.instance;
  private static final int DEFAULT_TOKENS = 16;
  private static final int MOST_TOKENS = 1 << 16;
  private static final int MOST_STOPS = 16;

  private static final ImmutableSet<String> KEYS =
      ImmutableSet.of(
          "model",
          "prompt",
          "max_tokens",
          "temperature",
          "top_p",
          "top_k",
          "seed",
          "stop",
          "stream",
          "user",
          "n",
          "echo");

  private final Generator generator;
  private final ModelThread model;
  private final ServerOptions options;
  private final AtomicLong numbers = new AtomicLong();
  private final Set<Cancellation> running = ConcurrentHashMap.newKeySet();

  Completions(Generator generator, ModelThread model, ServerOptions options) {
    this.generator = generator;
    this.model = model;
    this.options = options;
  }

  void answer(Exchange exchange) throws IOException {
    exchange.requireMethod("POST");
    JsonNode body = exchange.body();
    GenerationRequest request = request(body);
    String id = "cmpl-" + numbers.incrementAndGet();
    Cancellation cancellation = new Cancellation();
    BlockingQueue<String> pieces = new LinkedBlockingQueue<>();
    Future<GenerationResult> future =
        model.submit(
            () -> {
              cancellation.throwIfRequested();
              checkLength(request.prompt());
              return generator.generate(request, pieces::add, cancellation);
            });
    running.add(cancellation);
    try {
      if (flag(body, "stream")) {
        stream(exchange, id, pieces, future);
      } else {
        GenerationResult result = ModelThread.await(future, options.timeout());
        ObjectNode answer = chunk(id, result.text(), Optional.of(result));
        answer.set("usage", usage(result));
        exchange.answer(200, answer);
      }
    } finally {
      // Nobody waits any more, whether it was answered, took too long, or the client has gone.
      cancellation.request();
      running.remove(cancellation);
      future.cancel(false);
      model.purge();
    }
  }

  /** Ends all that is being generated. */
  void cancelAll() {
    running.forEach(Cancellation::request);
  }

  private void checkLength(String prompt) {
    int tokens = generator.count(prompt);
    if (tokens > ServerOptions.LONGEST_TEXT) {
      throw new HttpProblem(
          HttpProblem.TOO_LARGE,
          "the prompt has "
              + tokens
              + " tokens, but at most "
              + ServerOptions.LONGEST_TEXT
              + " are read");
    }
  }

  private void stream(
      Exchange exchange, String id, BlockingQueue<String> pieces, Future<GenerationResult> future)
      throws IOException {
    long end = System.nanoTime() + options.timeout().toNanos();
    boolean begun = false;
    while (!future.isDone() || !pieces.isEmpty()) {
      String piece = poll(pieces);
      if (piece != null) {
        if (!begun) {
          exchange.stream();
          begun = true;
        }
        exchange.event(Exchange.JSON.writeValueAsString(chunk(id, piece, Optional.empty())));
      }
      if (System.nanoTime() > end) {
        break;
      }
    }
    try {
      GenerationResult result = ModelThread.await(future, Duration.ofMillis(1));
      if (!begun) {
        exchange.stream();
      }
      exchange.event(Exchange.JSON.writeValueAsString(chunk(id, "", Optional.of(result))));
      exchange.event("[DONE]");
    } catch (HttpProblem e) {
      if (!begun) {
        throw e;
      }
      // The status has been sent; what is left to say goes into the stream.
      exchange.event(Exchange.JSON.writeValueAsString(error(e)));
    }
  }

  private static String poll(BlockingQueue<String> pieces) {
    try {
      return pieces.poll(20, TimeUnit.MILLISECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new HttpProblem(HttpProblem.UNAVAILABLE, "the server is stopping");
    }
  }

  static ObjectNode error(HttpProblem problem) {
    ObjectNode error = FACTORY.objectNode();
    error
        .putObject("error")
        .put("message", problem.getMessage())
        .put("type", problem.status() < 500 ? "invalid_request_error" : "server_error");
    return error;
  }

  private ObjectNode chunk(String id, String text, Optional<GenerationResult> result) {
    ObjectNode chunk =
        FACTORY
            .objectNode()
            .put("id", id)
            .put("object", "text_completion")
            .put("model", options.name());
    ObjectNode choice = chunk.putArray("choices").addObject().put("index", 0).put("text", text);
    choice.putNull("logprobs");
    choice.put(
        "finish_reason",
        result
            .map(done -> done.stop() == GenerationResult.Stop.MAX_TOKENS ? "length" : "stop")
            .orElse(null));
    return chunk;
  }

  private static ObjectNode usage(GenerationResult result) {
    return FACTORY
        .objectNode()
        .put("prompt_tokens", result.promptTokens())
        .put("completion_tokens", result.tokens())
        .put("total_tokens", result.promptTokens() + result.tokens());
  }

  private GenerationRequest request(JsonNode body) {
    for (Iterator<String> names = body.fieldNames(); names.hasNext(); ) {
      String name = names.next();
      if (!KEYS.contains(name)) {
        throw bad("'" + name + "' is not supported; supported are " + String.join(", ", KEYS));
      }
    }
    String asked = Exchange.text(body, "model").asText(options.name());
    if (!asked.equals(options.name())) {
      throw new HttpProblem(
          HttpProblem.NOT_FOUND,
          "there is no model '" + asked + "'; the model here is '" + options.name() + "'");
    }
    if (whole(body, "n", 1) != 1 || flag(body, "echo")) {
      throw bad("one completion is given, without the prompt: 'n' should be 1, 'echo' false");
    }
    long tokens = whole(body, "max_tokens", DEFAULT_TOKENS);
    if (tokens > MOST_TOKENS) {
      throw bad("'max_tokens' is " + tokens + ", but at most " + MOST_TOKENS + " are generated");
    }
    try {
      return new GenerationRequest(
          Exchange.text(body, "prompt").asText(""),
          (int) Math.max(tokens, 0),
          new Sampling(
              number(body, "temperature", 1),
              (int) Math.max(-1, Math.min(whole(body, "top_k", 0), Integer.MAX_VALUE)),
              number(body, "top_p", 1)),
          whole(body, "seed", 0),
          stops(body.path("stop")));
    } catch (ManticoreException e) {
      throw bad(e.getMessage());
    }
  }

  private static ImmutableList<String> stops(JsonNode stop) {
    if (stop.isMissingNode() || stop.isNull()) {
      return ImmutableList.of();
    }
    ImmutableList.Builder<String> stops = ImmutableList.builder();
    if (stop.isTextual()) {
      stops.add(stop.asText());
    } else if (stop.isArray() && stop.size() <= MOST_STOPS) {
      for (JsonNode element : stop) {
        if (!element.isTextual()) {
          throw bad("'stop' should be a text, or a list of texts");
        }
        stops.add(element.asText());
      }
    } else {
      throw bad("'stop' should be a text, or a list of at most " + MOST_STOPS + " texts");
    }
    return stops.build();
  }

  private static double number(JsonNode body, String key, double otherwise) {
    JsonNode value = body.path(key);
    if (value.isMissingNode() || value.isNull()) {
      return otherwise;
    }
    if (!value.isNumber()) {
      throw bad("'" + key + "' should be a number");
    }
    return value.asDouble();
  }

  private static long whole(JsonNode body, String key, long otherwise) {
    JsonNode value = body.path(key);
    if (value.isMissingNode() || value.isNull()) {
      return otherwise;
    }
    if (!value.isIntegralNumber() || !value.canConvertToLong()) {
      throw bad("'" + key + "' should be a whole number");
    }
    return value.asLong();
  }

  private static boolean flag(JsonNode body, String key) {
    JsonNode value = body.path(key);
    if (!value.isMissingNode() && !value.isNull() && !value.isBoolean()) {
      throw bad("'" + key + "' should be true or false");
    }
    return value.asBoolean();
  }

  private static HttpProblem bad(String message) {
    return new HttpProblem(HttpProblem.BAD_REQUEST, message);
  }
}
