package dev.manticore.compiler.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.manticore.compiler.Runs;
import dev.manticore.compiler.TinyHybrid;
import dev.manticore.compiler.generate.GenerationRequest;
import dev.manticore.compiler.generate.Generator;
import dev.manticore.compiler.generate.Sampling;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.Devices;
import dev.manticore.runtime.RuntimeInfo;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The server, as clients that speak plain HTTP see it. */
@Timeout(120)
class InferenceServerTest {

  private static final Device CPU = Devices.byName("cpu");
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int LARGEST_BODY = 4096;

  @TempDir private Path directory;
  private final HttpClient client = HttpClient.newHttpClient();
  private TinyHybrid tiny;
  private long handles;
  private InferenceServer server;

  @BeforeEach
  void start() {
    tiny = TinyHybrid.in(directory);
    handles = RuntimeInfo.openHandles();
    server = serve(64);
  }

  @AfterEach
  void nothingIsLeft() {
    server.close();
    assertThat(RuntimeInfo.openHandles()).isEqualTo(handles);
  }

  private InferenceServer serve(int queue) {
    return InferenceServer.start(
        generator(),
        new ServerOptions(
            "tiny",
            new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
            queue,
            LARGEST_BODY,
            Duration.ofSeconds(60)));
  }

  private Generator generator() {
    return Generator.open(directory.resolve("gpt-neo"), Optional.empty(), CPU);
  }

  @Test
  void saysWhatItServes() throws Exception {
    assertThat(get("/v2/health/live").statusCode()).isEqualTo(200);
    assertThat(get("/v2/health/ready").statusCode()).isEqualTo(200);
    HttpResponse<String> head =
        client.send(
            HttpRequest.newBuilder(uri("/v2/health/live"))
                .method("HEAD", HttpRequest.BodyPublishers.noBody())
                .build(),
            BodyHandlers.ofString());
    assertThat(head.statusCode()).isEqualTo(200);
    assertThat(head.body()).isEmpty();
    assertThat(json(get("/v2")).path("name").asText()).isEqualTo("manticore");
    assertThat(get("/v2/models/tiny/ready").statusCode()).isEqualTo(200);
    JsonNode model = json(get("/v2/models/tiny/versions/1"));
    assertThat(model.path("inputs").toString())
        .isEqualTo("[{\"name\":\"input_ids\",\"datatype\":\"INT64\",\"shape\":[-1,-1]}]");
    assertThat(model.path("outputs").get(0).path("shape").get(2).asInt())
        .isEqualTo(tiny.vocabulary() + 3);
    assertThat(json(get("/v1/models")).path("data").get(0).path("id").asText()).isEqualTo("tiny");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {"[3,1,4,1,5,9]", "[[3,1,4],[1,5,9]]"})
  void infersTheLogitsOfTheModel(String data) throws Exception {
    HttpResponse<String> response =
        post(
            "/v2/models/tiny/infer",
            infer("[2,3]", data).replace("{\"inputs", "{\"id\":\"x\",\"inputs"));

    assertThat(response.statusCode()).isEqualTo(200);
    JsonNode answer = json(response);
    assertThat(answer.path("id").asText()).isEqualTo("x");
    JsonNode output = answer.path("outputs").get(0);
    double[] expected =
        Runs.onDevice(
                Models.load(directory.resolve("gpt-neo")),
                Tensor.ofLongs(Shape.of(2, 3), 3, 1, 4, 1, 5, 9))
            .toDoubles();
    assertThat(output.path("shape").get(0).asInt()).isEqualTo(2);
    assertThat(output.path("shape").get(1).asInt()).isEqualTo(3);
    assertThat(output.path("shape").get(2).asInt()).isEqualTo(tiny.vocabulary() + 3);
    assertThat(output.path("data")).hasSize(expected.length);
    for (int i = 0; i < expected.length; i++) {
      assertThat(output.path("data").get(i).asDouble()).isCloseTo(expected[i], within(1e-4));
    }
  }

  @Test
  void completesAsGenerateDoesAtOnceAndStreamed() throws Exception {
    String expected = expected();
    HttpResponse<String> whole = post("/v1/completions", completion(""));
    JsonNode answer = json(whole);

    assertThat(answer.path("choices").get(0).path("text").asText()).isEqualTo(expected);
    assertThat(answer.path("choices").get(0).path("finish_reason").asText()).isEqualTo("length");
    assertThat(answer.path("usage").path("completion_tokens").asInt()).isEqualTo(12);

    HttpResponse<String> streamed = post("/v1/completions", completion(",\"stream\":true"));
    assertThat(streamed.headers().firstValue("Content-Type")).hasValue("text/event-stream");
    StringBuilder text = new StringBuilder();
    List<String> events = new ArrayList<>();
    for (String line : streamed.body().split("\n\n")) {
      assertThat(line).startsWith("data: ");
      events.add(line.substring("data: ".length()));
    }
    assertThat(events.get(events.size() - 1)).isEqualTo("[DONE]");
    for (String event : events.subList(0, events.size() - 1)) {
      text.append(JSON.readTree(event).path("choices").get(0).path("text").asText());
    }
    assertThat(text.toString()).isEqualTo(expected);
    assertThat(
            JSON.readTree(events.get(events.size() - 2))
                .path("choices")
                .get(0)
                .path("finish_reason")
                .asText())
        .isEqualTo("length");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "GET  | /v1/nothing             |                                | 404 | /v1/completions",
        "GET  | /v2/models/other        |                                | 404 | 'tiny'",
        "GET  | /v1/completions         |                                | 405 | POST",
        "POST | /v2/health/live         | {}                             | 405 | GET",
        "POST | /v1/completions         | {                              | 400 | not JSON",
        "POST | /v1/completions         | []                             | 400 | not a JSON object",
        "POST | /v1/completions         | {\"prompt\":3}                 | 400 | 'prompt'",
        "POST | /v1/completions         | {\"best_of\":3}                | 400 | 'best_of'",
        "POST | /v1/completions         | {\"max_tokens\":0}             | 400 | number of tokens",
        "POST | /v1/completions         | {\"temperature\":-1}           | 400 | temperature",
        "POST | /v1/completions         | {\"max_tokens\":1.5}          | 400 | whole number",
        "POST | /v1/completions         | {\"model\":\"gpt-9\"}          | 404 | gpt-9",
        "POST | /v2/models/tiny/infer   | {\"inputs\":[]}                | 400 | input_ids"
      })
  void whatIsWrongIsSaid(String method, String path, String body, int status, String message)
      throws Exception {
    HttpResponse<String> response = method.equals("GET") ? get(path) : post(path, body);

    assertThat(response.statusCode()).isEqualTo(status);
    assertThat(json(response).path("error").toString()).contains(message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "[1,2] | [1]       | 400 | holds 1 values",
        "[1,1] | [-1]      | 400 | token id -1",
        "[1,1] | [1000000] | 400 | token id 1000000",
        "[1,1] | [1.5]     | 400 | whole numbers",
        "[0,1] | []        | 400 | 1 or more",
        "[1,100000] | [1]  | 413 | fewer at a time",
        "[1,99] | [1]      | 400 | holds 1 values"
      })
  void tensorsThatDoNotFitAreRefused(String shape, String data, int status, String message)
      throws Exception {
    HttpResponse<String> response = post("/v2/models/tiny/infer", infer(shape, data));

    assertThat(response.statusCode()).isEqualTo(status);
    assertThat(json(response).path("error").asText()).contains(message);
  }

  @Test
  void aBodyThatIsTooLargeIsNotRead() throws Exception {
    HttpResponse<String> response =
        post("/v1/completions", "{\"prompt\":\"" + "a".repeat(LARGEST_BODY) + "\"}");

    assertThat(response.statusCode()).isEqualTo(413);
    assertThat(json(response).path("error").path("message").asText()).contains("4096 bytes");
  }

  @Test
  void manyRequestsAtOnceAreAllAnsweredRightly() throws Exception {
    String expected = expected();

    List<CompletableFuture<HttpResponse<String>>> responses = completionsAtOnce(64);

    for (CompletableFuture<HttpResponse<String>> response : responses) {
      assertThat(response.get().statusCode()).isEqualTo(200);
      assertThat(textOf(response.get())).isEqualTo(expected);
    }
  }

  @Test
  void whoComesWhenTooManyWaitIsToldSo() throws Exception {
    server.close();
    server = serve(1);
    String expected = expected();

    List<CompletableFuture<HttpResponse<String>>> responses = completionsAtOnce(32);

    int answered = 0;
    for (CompletableFuture<HttpResponse<String>> response : responses) {
      if (response.get().statusCode() == 200) {
        answered++;
        assertThat(textOf(response.get())).isEqualTo(expected);
      } else {
        assertThat(response.get().statusCode()).isEqualTo(503);
        assertThat(response.get().body()).contains("too many requests are waiting");
      }
    }
    assertThat(answered).isPositive();
  }

  @Test
  void aClientThatNeverEndsItsRequestKeepsNobodyWaiting() throws Exception {
    try (Socket slow = new Socket(server.address().getAddress(), server.address().getPort())) {
      slow.getOutputStream()
          .write(
              "POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
                  .getBytes(StandardCharsets.US_ASCII));
      slow.getOutputStream().flush();

      assertThat(textOf(post("/v1/completions", completion("")))).isEqualTo(expected());
    }
  }

  @Test
  void aClientThatGoesAwayInTheMiddleLeavesNothingBehind() throws Exception {
    for (int i = 0; i < 5; i++) {
      HttpResponse<InputStream> stream =
          client.send(
              request("/v1/completions", completion(",\"stream\":true").replace("12", "500")),
              BodyHandlers.ofInputStream());
      assertThat(stream.body().read()).isEqualTo('d');
      stream.body().close();
    }

    assertThat(textOf(post("/v1/completions", completion("")))).isEqualTo(expected());
  }

  @Test
  void aServerThatIsStoppedWhileItGeneratesEndsThat() throws Exception {
    CompletableFuture<HttpResponse<String>> response =
        client.sendAsync(
            request("/v1/completions", completion("").replace(":12", ":60000")),
            BodyHandlers.ofString());
    Thread.sleep(300);
    long start = System.nanoTime();

    server.close();

    assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(10));
    assertThat(response).failsWithin(Duration.ofSeconds(10));
  }

  @Test
  void aPromptThatIsTooLongIsRefused() throws Exception {
    server.close();
    server =
        InferenceServer.start(
            generator(),
            new ServerOptions(
                "tiny",
                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                4,
                1 << 20,
                Duration.ofSeconds(60)));

    HttpResponse<String> response =
        post("/v1/completions", "{\"prompt\":\"" + "xyz ".repeat(20000) + "\"}");

    assertThat(response.statusCode()).isEqualTo(413);
    assertThat(response.body()).contains("16384");
  }

  @Test
  void aPortThatIsTakenIsTold() {
    assertThatThrownBy(
            () ->
                InferenceServer.start(
                    generator(),
                    new ServerOptions("again", server.address(), 1, 1, Duration.ofSeconds(1))))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("--port");
  }

  private String expected() {
    try (Generator generator = generator()) {
      return generator
          .generate(
              new GenerationRequest("the cat", 12, new Sampling(0.7, 20, 0.9), 5), piece -> {})
          .text();
    }
  }

  private static String completion(String more) {
    return "{\"prompt\":\"the cat\",\"max_tokens\":12,\"temperature\":0.7,\"top_k\":20,\"top_p\":0.9,"
        + "\"seed\":5"
        + more
        + "}";
  }

  private static String infer(String shape, String data) {
    return "{\"inputs\":[{\"name\":\"input_ids\",\"datatype\":\"INT64\",\"shape\":"
        + shape
        + ",\"data\":"
        + data
        + "}]}";
  }

  private URI uri(String path) {
    return URI.create("http://127.0.0.1:" + server.address().getPort() + path);
  }

  private HttpRequest request(String path, String body) {
    return HttpRequest.newBuilder(uri(path))
        .version(HttpClient.Version.HTTP_1_1)
        .POST(HttpRequest.BodyPublishers.ofString(body))
        .build();
  }

  private HttpResponse<String> get(String path) throws IOException, InterruptedException {
    return client.send(HttpRequest.newBuilder(uri(path)).build(), BodyHandlers.ofString());
  }

  private HttpResponse<String> post(String path, String body)
      throws IOException, InterruptedException {
    return client.send(request(path, body), BodyHandlers.ofString());
  }

  private List<CompletableFuture<HttpResponse<String>>> completionsAtOnce(int count) {
    List<CompletableFuture<HttpResponse<String>>> responses = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      responses.add(
          client.sendAsync(request("/v1/completions", completion("")), BodyHandlers.ofString()));
    }
    return responses;
  }

  private static JsonNode json(HttpResponse<String> response) throws IOException {
    return JSON.readTree(response.body());
  }

  private static String textOf(HttpResponse<String> completion) throws IOException {
    return json(completion).path("choices").get(0).path("text").asText();
  }
}
