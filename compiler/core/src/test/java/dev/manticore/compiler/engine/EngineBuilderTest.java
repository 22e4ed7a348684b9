package dev.manticore.compiler.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.manticore.compiler.TinyHybrid;
import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.artifact.ArtifactWriter;
import dev.manticore.compiler.decode.DecoderState;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.lower.DecodeLimits;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.lower.Target;
import dev.manticore.compiler.lower.TargetCheck;
import dev.manticore.compiler.triton.TritonRepository;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.onnx.OnnxImporter;
import dev.manticore.runtime.Devices;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * What is made for TensorRT, with ONNX Runtime in its place: its plans are the ONNX files, and it
 * runs them as {@code DecodeRun} does.
 */
class EngineBuilderTest {

  /** ONNX Runtime as an engine. */
  private static final class Stand implements EngineTool {
    private final ObjectNode platform =
        JsonNodeFactory.instance
            .objectNode()
            .put("tensorrt", "10.15.1")
            .put("cuda", "13.1")
            .put("driver_cuda", "13.2")
            .put("device", "ONNX Runtime")
            .put("compute_capability", "9.0")
            .put("memory_bytes", 1);
    private final List<ObjectNode> requests = new ArrayList<>();
    private final Map<String, Integer> longest = new HashMap<>();
    private double error;

    @Override
    public JsonNode call(ObjectNode request) {
      requests.add(request);
      ObjectNode answer = JsonNodeFactory.instance.objectNode();
      answer.set("platform", platform);
      try {
        switch (request.get("command").asText()) {
          case "build" -> build(request);
          case "decode" -> answer.set("milliseconds", decode(request));
          default -> {}
        }
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      return answer;
    }

    private void build(ObjectNode request) throws IOException {
      Path model = Path.of(request.get("model").asText());
      assertThat(TargetCheck.check(OnnxImporter.read(model), Target.TENSORRT_10)).isEmpty();
      String plan = request.get("plan").asText();
      longest.put(
          Path.of(plan).getFileName().toString(),
          request.get("inputs").get("input_ids").get("max").get(1).asInt());
      Files.copy(model, Path.of(request.get("plan").asText()));
      Files.writeString(Path.of(request.get("layers").asText()), "{}");
      Path times = Path.of(request.get("timing_cache").asText());
      if (request.get("plan").asText().endsWith(EngineBuilder.PREFILL)) {
        String before = Files.exists(times) ? Files.readString(times) : "";
        Files.writeString(times, before + "times ");
      }
    }

    private ArrayNode decode(ObjectNode request) throws IOException {
      int batch = request.get("batch").asInt();
      int length = request.get("length").asInt();
      int vocabulary = request.get("vocabulary").asInt();
      float[] logits = new float[batch * length * vocabulary];
      ArrayNode milliseconds = JsonNodeFactory.instance.arrayNode();
      try (ModelSession prefill = open(request.get("prefill"));
          ModelSession single = open(request.get("decode"))) {
        Map<String, Tensor> states = new LinkedHashMap<>();
        prefill
            .inputs()
            .forEach(
                (name, type) ->
                    DecoderState.of(name, type)
                        .ifPresent(state -> states.put(name, state.begin(batch))));
        states.forEach(
            (name, tensor) ->
                assertThat(request.get("states").get(name).asLong())
                    .isEqualTo(tensor.type().byteSize()));
        int from = 0;
        for (JsonNode piece : request.get("pieces")) {
          int count = piece.asInt();
          String plan = request.get(count == 1 ? "decode" : "prefill").asText();
          assertThat(longest.get(Path.of(plan).getFileName().toString()))
              .isGreaterThanOrEqualTo(count);
          long[] ids = new long[batch * count];
          for (int i = 0; i < ids.length; i++) {
            ids[i] = request.get("ids").get(i / count * length + from + i % count).asLong();
          }
          Map<String, Tensor> inputs = new LinkedHashMap<>(states);
          inputs.put("input_ids", Tensor.ofLongs(Shape.of(batch, count), ids));
          Map<String, Tensor> outputs = (count == 1 ? single : prefill).run(inputs);
          request
              .get("carried")
              .properties()
              .forEach(entry -> states.put(entry.getValue().asText(), outputs.get(entry.getKey())));
          double[] values = outputs.get("logits").toDoubles();
          for (int i = 0; i < values.length; i++) {
            int row = i / (count * vocabulary);
            logits[(row * length + from) * vocabulary + i % (count * vocabulary)] =
                (float) (values[i] + error);
          }
          milliseconds.add(count);
          from += count;
        }
        assertThat(from).isEqualTo(length);
      }
      ByteBuffer bytes = ByteBuffer.allocate(4 * logits.length).order(ByteOrder.LITTLE_ENDIAN);
      bytes.asFloatBuffer().put(logits);
      Files.write(Path.of(request.get("logits").asText()), bytes.array());
      return milliseconds;
    }

    private static ModelSession open(JsonNode plan) {
      return ModelSession.open(
          Devices.byName("cpu"), Path.of(plan.asText()), SessionConfig.defaults());
    }
  }

  private static final EngineOptions OPTIONS =
      new EngineOptions(
          Target.TENSORRT_10, Precision.FLOAT32, new DecodeLimits(2, 8, 100), 1 << 20);

  @TempDir private Path directory;
  private final Stand tool = new Stand();
  private final EngineBuilder builder = new EngineBuilder(tool, Devices.byName("cpu"));
  private Artifact artifact;

  @BeforeEach
  void write() {
    TinyHybrid tiny = TinyHybrid.in(directory.resolve("given"));
    artifact =
        new ArtifactWriter(Devices.byName("cpu"))
            .write(directory.resolve("artifact"), tiny.request(tiny.splice(Embeddings.PRETRAINED)));
  }

  private Path engine() {
    return artifact.directory().resolve(EngineBuilder.DIRECTORY);
  }

  @ParameterizedTest
  @EnumSource(
      value = Precision.class,
      names = {"FLOAT32", "FLOAT16"})
  void promptsAndSingleTokensTogetherAreTheHybrid(Precision precision) throws IOException {
    EngineOptions options =
        new EngineOptions(Target.TENSORRT_10, precision, new DecodeLimits(2, 8, 100), 1 << 20);

    EngineManifest manifest = builder.build(artifact, options);

    // The model has positions for 24 tokens.
    assertThat(manifest.capacity()).isEqualTo(24);
    assertThat(manifest.verified().tokens()).isEqualTo(48);
    assertThat(EngineBuilder.pieces(24, 8)).containsExactly(4, 1, 1, 1, 1, 1, 1, 1, 1, 8, 4);
    assertThat(EngineBuilder.pieces(9, 8)).containsExactly(4, 1, 1, 1, 1, 1);
    assertThat(manifest.verified().logitsMaxAbs())
        .isGreaterThan(0)
        .isLessThanOrEqualTo(manifest.verified().limit());
    assertThat(manifest.times().stepMilliseconds()).isEqualTo(1);
    assertThat(manifest.times().prefillTokensPerSecond()).isEqualTo(2000);
    assertThat(manifest.files().keySet())
        .containsExactly(
            "decode.layers.json",
            "decode.plan",
            "prefill.layers.json",
            "prefill.plan",
            "timing.cache");
    try (var files = Files.list(engine())) {
      assertThat(files).hasSize(6);
    }
    assertThat(EngineManifest.read(engine())).isEqualTo(manifest);
    assertThat(builder.check(artifact)).isEqualTo(manifest.verified());
    artifact.check();
  }

  @Test
  void profilesAreAsAskedForAndStatesOfOneSize() throws IOException {
    builder.build(artifact, OPTIONS);

    List<ObjectNode> builds =
        tool.requests.stream().filter(r -> r.get("command").asText().equals("build")).toList();
    assertThat(builds).hasSize(2);
    JsonNode prefill = builds.get(0).get("inputs");
    assertThat(prefill.get("input_ids").toString())
        .isEqualTo("{\"min\":[1,1],\"opt\":[2,8],\"max\":[2,8]}");
    assertThat(builds.get(1).get("inputs").get("input_ids").toString())
        .isEqualTo("{\"min\":[1,1],\"opt\":[2,1],\"max\":[2,1]}");
    prefill
        .properties()
        .forEach(
            input ->
                assertThat(input.getValue().get("max").size())
                    .isEqualTo(input.getValue().get("min").size()));
    Graph decode = OnnxImporter.read(engine().resolve("decode.plan"));
    assertThat(decode.nodes()).noneMatch(node -> node.op().isOnnx("Scan"));
    assertThat(decode.input("input_ids").type())
        .extracting(TensorType::elementType)
        .isEqualTo(ElementType.INT64);
  }

  @Test
  void tritonTakesTheEngineWithTheServersStates() throws IOException {
    Path repository = directory.resolve("repository");
    assertThatThrownBy(
            () -> TritonRepository.writeEngine(artifact, Target.TENSORRT_10, repository, "tiny"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("there are no engines");
    builder.build(
        artifact,
        new EngineOptions(
            Target.TENSORRT_10, Precision.FLOAT16, new DecodeLimits(2, 8, 16), 1 << 20));

    TritonRepository.writeEngine(artifact, Target.TENSORRT_10, repository, "tiny");

    Path model = repository.resolve("tiny-decoder");
    assertThat(model.resolve("1/model.plan"))
        .hasSameBinaryContentAs(engine().resolve(EngineBuilder.PREFILL));
    assertThat(Files.readString(model.resolve("config.pbtxt")))
        .contains(
            "backend: \"tensorrt\"", "KIND_GPU", "max_batch_size: 2", "TYPE_FP16", "dims: 16");
    assertThat(Files.readString(repository.resolve("README.txt")))
        .contains("TensorRT 10.15.1", "compute capability 9.0");

    assertThatThrownBy(
            () -> TritonRepository.writeEngine(artifact, Target.TENSORRT_11, repository, "tiny"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("are for tensorrt-10, not for tensorrt-11");
  }

  @Test
  void enginesOfAnotherResultAndDamagedManifestsAreRefused() throws IOException {
    builder.build(artifact, OPTIONS);
    Path file = engine().resolve(EngineManifest.FILE);
    String good = Files.readString(file);
    for (String key : List.of("artifact", "platform", "compute_capability", "files", "target")) {
      Files.writeString(file, good.replace("\"" + key + "\"", "\"other\""));
      assertThatThrownBy(() -> builder.check(artifact))
          .as(key)
          .isInstanceOf(ManticoreException.class)
          .hasMessageContaining("is not whole");
    }
    Files.writeString(file, good.replace("prefill.plan", "prefilled.plan"));
    assertThatThrownBy(() -> builder.check(artifact))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("is not whole");
    Files.writeString(file, good.replaceFirst("\"artifact\" : \"..", "\"artifact\" : \"--"));
    assertThatThrownBy(() -> builder.check(artifact))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("of another result");
  }

  @Test
  void timesOfAnotherMachineAreNotTakenOver() throws IOException {
    builder.build(artifact, OPTIONS);
    Path times = engine().resolve("timing.cache");
    builder.build(artifact, OPTIONS);
    assertThat(Files.readString(times)).isEqualTo("times times ");
    tool.platform.put("compute_capability", "8.9");
    builder.build(artifact, OPTIONS);
    assertThat(Files.readString(times)).isEqualTo("times ");
  }

  @Test
  void noNumberIsNoAgreement() {
    tool.error = Double.NaN;
    assertThatThrownBy(() -> builder.build(artifact, OPTIONS))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("a logit differs by Infinity");
  }

  @Test
  void whatIsTooFarFromTheHybridIsNotWritten() {
    tool.error = 0.01;
    assertThatThrownBy(() -> builder.build(artifact, OPTIONS))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("a logit differs by 1.00");
    assertThat(engine()).doesNotExist();
  }

  @Test
  void whatDoesNotMatchIsRefusedBeforeAnythingIsLoaded() throws IOException {
    builder.build(artifact, OPTIONS);
    tool.requests.clear();
    assertRefused("compute_capability", "8.9", "compute capability 9.0, but here is 8.9");
    assertRefused("tensorrt", "10.16.0", "TensorRT 10.15.1, but here is 10.16.0");
    assertRefused("driver_cuda", "12.8", "a driver for CUDA 13.1, but the one here is for 12.8");
    assertThat(tool.requests).allMatch(r -> r.get("command").asText().equals("probe"));

    Files.writeString(engine().resolve("decode.plan"), "something else");
    assertThatThrownBy(() -> builder.check(artifact))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("decode.plan is not the file that was built");
  }

  private void assertRefused(String key, String value, String message) {
    JsonNode before = tool.platform.get(key);
    tool.platform.put(key, value);
    assertThatThrownBy(() -> builder.check(artifact))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining(message);
    tool.platform.set(key, before);
  }

  @Test
  void aTargetOfAnotherVersionIsRefused() {
    EngineOptions newer =
        new EngineOptions(Target.TENSORRT_11, Precision.FLOAT32, new DecodeLimits(1, 8, 16), 1);
    assertThatThrownBy(() -> builder.build(artifact, newer))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("the target is tensorrt-11, but here is TensorRT 10.15.1");
    assertThatThrownBy(
            () ->
                new EngineOptions(
                    Target.ONNXRUNTIME_CPU, Precision.FLOAT32, new DecodeLimits(1, 8, 16), 1))
        .isInstanceOf(ManticoreException.class);
    assertThatThrownBy(
            () ->
                new EngineOptions(
                    Target.TENSORRT_10, Precision.FLOAT32, new DecodeLimits(1, 17, 16), 1))
        .isInstanceOf(ManticoreException.class);
  }

  @Test
  void withoutADeviceTheProcessSaysSoAndTheArtifactStaysAsItIs() throws IOException {
    EngineBuilder real =
        new EngineBuilder(new EngineProcessTool(line -> {}), Devices.byName("cpu"));
    List<Path> before = files();

    // On a machine that has all it takes, the engines are built.
    try {
      real.build(artifact, OPTIONS);
      assertThat(real.check(artifact).logitsMaxAbs()).isLessThan(1e-3);
    } catch (ManticoreException e) {
      assertThat(e.code()).isEqualTo("MNT-ENGINE");
      assertThat(e)
          .hasMessageContaining("no engine can be built or run here")
          .hasMessageContaining("manticore engine");
      assertThat(files()).isEqualTo(before);
    }
  }

  private List<Path> files() throws IOException {
    try (var files = Files.walk(artifact.directory().getParent())) {
      return files.sorted().toList();
    }
  }

  @Test
  void aProcessThatFailsIsAnErrorWithItsWords() throws IOException {
    ObjectMapper json = new ObjectMapper();
    assertThat(EngineProcessTool.understood("{\"platform\": {}}"))
        .isEqualTo(json.readTree("{\"platform\": {}}"));
    assertThatThrownBy(() -> EngineProcessTool.understood("{\"refused\": \"no such layer\"}"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("no such layer");
    assertThatThrownBy(() -> EngineProcessTool.understood("Segmentation fault"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("Segmentation fault");
    assertThatThrownBy(() -> EngineProcessTool.understood("{}"))
        .isInstanceOf(ManticoreException.class);
  }
}
