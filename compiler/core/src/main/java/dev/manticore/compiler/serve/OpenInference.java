package dev.manticore.compiler.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.manticore.compiler.generate.Generator;
import dev.manticore.compiler.pipeline.ToolVersion;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;

/** The Open Inference Protocol, version 2: health, metadata and inference of one model. */
final class OpenInference {

  private static final JsonNodeFactory FACTORY = JsonNodeFactory.instance;
  private static final String INPUT = "input_ids";
  private static final String OUTPUT = "logits";
  private static final String VERSION = "1";

  /** Logits of the largest answer; as JSON about ten bytes each. */
  private static final long LARGEST_OUTPUT = 4 << 20;

  private final Generator generator;
  private final ModelThread model;
  private final ServerOptions options;

  OpenInference(Generator generator, ModelThread model, ServerOptions options) {
    this.generator = generator;
    this.model = model;
    this.options = options;
  }

  /**
   * Answers a request.
   *
   * @param path what follows {@code /v2}, without the slash at its beginning
   */
  void answer(Exchange exchange, String path) throws IOException {
    String base = "models/" + options.name();
    String version = base + "/versions/" + VERSION;
    if (path.isEmpty()) {
      exchange.requireMethod("GET");
      ObjectNode server =
          FACTORY.objectNode().put("name", "manticore").put("version", ToolVersion.current());
      server.putArray("extensions");
      exchange.answer(200, server);
    } else if (path.equals("health/live")) {
      exchange.requireMethod("GET");
      exchange.answer(200, FACTORY.objectNode().put("live", true));
    } else if (path.equals("health/ready")) {
      exchange.requireMethod("GET");
      exchange.answer(200, FACTORY.objectNode().put("ready", true));
    } else if (path.equals(base) || path.equals(version)) {
      exchange.requireMethod("GET");
      exchange.answer(200, metadata());
    } else if (path.equals(base + "/ready") || path.equals(version + "/ready")) {
      exchange.requireMethod("GET");
      exchange.answer(200, FACTORY.objectNode().put("name", options.name()).put("ready", true));
    } else if (path.equals(base + "/infer") || path.equals(version + "/infer")) {
      exchange.requireMethod("POST");
      infer(exchange);
    } else {
      throw new HttpProblem(
          HttpProblem.NOT_FOUND,
          "there is no /v2/" + path + "; the model here is '" + options.name() + "'");
    }
  }

  private ObjectNode metadata() {
    ObjectNode metadata =
        FACTORY.objectNode().put("name", options.name()).put("platform", "onnxruntime_onnx");
    metadata.putArray("versions").add(VERSION);
    metadata
        .putArray("inputs")
        .addObject()
        .put("name", INPUT)
        .put("datatype", "INT64")
        .putArray("shape")
        .add(-1)
        .add(-1);
    metadata
        .putArray("outputs")
        .addObject()
        .put("name", OUTPUT)
        .put("datatype", "FP32")
        .putArray("shape")
        .add(-1)
        .add(-1)
        .add(generator.rows());
    return metadata;
  }

  private void infer(Exchange exchange) throws IOException {
    JsonNode request = exchange.body();
    Tensor ids = ids(request);
    for (JsonNode output : request.path("outputs")) {
      if (!output.path("name").asText().equals(OUTPUT)) {
        throw bad("the model has no output '" + output.path("name").asText() + "', only " + OUTPUT);
      }
    }
    String id = Exchange.text(request, "id").asText("");
    Future<ObjectNode> answer = model.submit(() -> outputs(generator.logits(ids)));
    ObjectNode result = ModelThread.await(answer, options.timeout());
    result.put("model_name", options.name()).put("model_version", VERSION);
    if (!id.isEmpty()) {
      result.put("id", id);
    }
    exchange.answer(200, result);
  }

  private Tensor ids(JsonNode request) {
    JsonNode inputs = request.path("inputs");
    if (!inputs.isArray()
        || inputs.size() != 1
        || !inputs.get(0).path("name").asText().equals(INPUT)) {
      throw bad("'inputs' should hold one tensor, " + INPUT);
    }
    JsonNode input = inputs.get(0);
    if (!input.path("datatype").asText().equals("INT64")) {
      throw bad(INPUT + " should be of datatype INT64, not " + input.path("datatype").asText());
    }
    JsonNode shape = input.path("shape");
    if (!shape.isArray() || shape.size() != 2) {
      throw bad(INPUT + " should be of shape [batch,length], not " + shape);
    }
    long batch = extent(shape.get(0));
    long length = extent(shape.get(1));
    if (batch * length > ServerOptions.LONGEST_TEXT
        || batch * length * generator.rows() > LARGEST_OUTPUT) {
      throw new HttpProblem(
          HttpProblem.TOO_LARGE,
          "an answer of "
              + batch * length
              + " tokens with "
              + generator.rows()
              + " logits each is more than "
              + ServerOptions.LONGEST_TEXT
              + " tokens or "
              + LARGEST_OUTPUT
              + " numbers: ask for fewer at a time");
    }
    List<Long> values = new ArrayList<>();
    collect(input.path("data"), values);
    if (values.size() != batch * length) {
      throw bad(
          INPUT + " holds " + values.size() + " values, but its shape says " + batch * length);
    }
    return Tensor.ofLongs(
        Shape.of(batch, length), values.stream().mapToLong(value -> value).toArray());
  }

  private static long extent(JsonNode node) {
    if (!node.isIntegralNumber() || !node.canConvertToInt() || node.asInt() < 1) {
      throw bad("an extent of " + INPUT + " is " + node + ", but should be 1 or more");
    }
    return node.asInt();
  }

  /** Row by row, nested or flat. */
  private void collect(JsonNode node, List<Long> values) {
    if (node.isArray()) {
      node.forEach(element -> collect(element, values));
    } else if (node.isIntegralNumber() && node.canConvertToLong()) {
      long id = node.asLong();
      if (id < 0 || id >= generator.vocabulary()) {
        throw bad("token id " + id + " is not from 0 to " + (generator.vocabulary() - 1));
      }
      values.add(id);
    } else {
      throw bad("'data' of " + INPUT + " should be whole numbers, in lists or one list");
    }
  }

  private static ObjectNode outputs(Tensor logits) {
    ObjectNode result = FACTORY.objectNode();
    ObjectNode output = result.putArray("outputs").addObject();
    output.put("name", OUTPUT).put("datatype", "FP32");
    ArrayNode shape = output.putArray("shape");
    for (long extent : logits.shape().extents()) {
      shape.add(extent);
    }
    ArrayNode data = output.putArray("data");
    for (double value : logits.toDoubles()) {
      if (!Double.isFinite(value)) {
        throw new HttpProblem(
            HttpProblem.INTERNAL, "the model computed a logit of " + value + ": it is damaged");
      }
      data.add((float) value);
    }
    return result;
  }

  private static HttpProblem bad(String message) {
    return new HttpProblem(HttpProblem.BAD_REQUEST, message);
  }
}
