package dev.manticore.compiler.generate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.compiler.Runs;
import dev.manticore.compiler.TinyHybrid;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.artifact.ArtifactWriter;
import dev.manticore.compiler.generate.GenerationResult.Stop;
import dev.manticore.compiler.hybrid.HybridFiles;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.tokenizer.Tokenizer;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.Devices;
import dev.manticore.runtime.RuntimeInfo;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GeneratorTest {

  private static final Device CPU = Devices.byName("cpu");

  @TempDir private Path directory;
  private TinyHybrid tiny;

  @BeforeEach
  void writeCheckpoints() {
    tiny = TinyHybrid.in(directory);
  }

  @ParameterizedTest
  @ValueSource(strings = {"mamba", "gpt-neo"})
  void greedyTextIsThatOfTheLargestLogits(String name) {
    Path checkpoint = directory.resolve(name);

    GenerationResult result = generate(checkpoint, request("the cat", Sampling.GREEDY, 0));

    Graph graph = Models.load(checkpoint);
    try (Tokenizer tokenizer = Tokenizer.load(tiny.tokenizer())) {
      int[] ids = tokenizer.encode("the cat");
      int prompt = ids.length;
      assertThat(result.promptTokens()).isEqualTo(prompt);
      for (int i = 0; i < result.tokens(); i++) {
        double[] logits =
            Runs.onDevice(
                    graph,
                    Tensor.ofLongs(
                        Shape.of(1, ids.length), Arrays.stream(ids).asLongStream().toArray()))
                .toDoubles();
        int rows = logits.length / ids.length;
        int best = 0;
        for (int id = 1; id < tiny.vocabulary(); id++) {
          if (logits[rows * (ids.length - 1) + id] > logits[rows * (ids.length - 1) + best]) {
            best = id;
          }
        }
        ids = Arrays.copyOf(ids, ids.length + 1);
        ids[ids.length - 1] = best;
      }
      String expected =
          tokenizer.decode(
              Arrays.copyOfRange(ids, prompt, ids.length), Tokenizer.SpecialTokens.SKIP);
      assertThat(expected.replaceAll("\uFFFD+$", "")).isEqualTo(result.text());
    }
  }

  @Test
  void anArtifactGeneratesPastTheModelsPositions() {
    Path target = directory.resolve("artifact");
    Artifact artifact =
        new ArtifactWriter(CPU).write(target, tiny.request(tiny.splice(Embeddings.PRETRAINED)));
    long handles = RuntimeInfo.openHandles();
    GenerationRequest request =
        new GenerationRequest("the rat", TinyModels.POSITIONS + 5, new Sampling(1, 20, 0.9), 4);
    List<String> pieces = new ArrayList<>();

    GenerationResult result;
    try (Generator generator = Generator.open(target, Optional.empty(), CPU)) {
      result = generator.generate(request, pieces::add);
      assertThat(generator.generate(request, piece -> {})).isEqualTo(result);
    }
    GenerationResult again;
    try (Generator generator =
        Generator.open(artifact.deployed(), Optional.of(artifact.tokenizer()), CPU)) {
      again =
          generator.generate(
              new GenerationRequest("the rat", 5, new Sampling(1, 20, 0.9), 4), piece -> {});
    }

    try (Generator generator =
        Generator.open(artifact.decoder().orElseThrow(), Optional.of(artifact.tokenizer()), CPU)) {
      assertThat(generator.generate(request, piece -> {})).isEqualTo(result);
    }
    assertThat(String.join("", pieces)).isEqualTo(result.text());
    assertThat(result.text()).startsWith(again.text());
    assertThat(RuntimeInfo.openHandles()).isEqualTo(handles);
  }

  @Test
  void stopsAtTheEndOfTheText() {
    ModelConfig config = TinyModels.gptNeo(2, 16, tiny.vocabulary());
    Graph graph = TinyModels.build("stops", config, 1);
    int end;
    try (Tokenizer tokenizer = Tokenizer.load(tiny.tokenizer())) {
      end = tokenizer.endOfText().orElseThrow();
    }
    // The final norm gives the end's row whatever was read.
    float[] row = new float[16];
    Arrays.fill(row, 1);
    float[] table = new float[tiny.vocabulary() * 16];
    System.arraycopy(row, 0, table, 16 * end, 16);
    Graph stopping =
        HybridFiles.withParameters(
            graph,
            Map.of(
                "transformer.ln_f.weight", Tensor.ofFloats(Shape.of(16), new float[16]),
                "transformer.ln_f.bias", Tensor.ofFloats(Shape.of(16), row),
                "transformer.wte.weight", Tensor.ofFloats(Shape.of(tiny.vocabulary(), 16), table)));
    Path checkpoint = directory.resolve("stops");
    Models.write(checkpoint, config, Models.parameters(stopping));

    try (Generator generator = Generator.open(checkpoint, Optional.of(tiny.tokenizer()), CPU)) {
      GenerationResult result = generator.generate(request("", Sampling.GREEDY, 0), piece -> {});

      assertThat(result).isEqualTo(new GenerationResult("", 1, 1, Stop.END_OF_TEXT));
    }
  }

  @Test
  void refusesATokenizerThatDoesNotFit() {
    Path checkpoint = directory.resolve("small");
    ModelConfig config = TinyModels.gptNeo(2, 16);
    Models.write(checkpoint, config, Models.parameters(TinyModels.build("s", config, 1)));

    assertThatThrownBy(() -> Generator.open(checkpoint, Optional.of(tiny.tokenizer()), CPU))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("knows only 29");
    assertThatThrownBy(() -> Generator.open(checkpoint, Optional.empty(), CPU))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("--tokenizer");
    assertThatThrownBy(() -> Generator.open(directory.resolve("nothing"), Optional.empty(), CPU))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("there is no model");
  }

  @Test
  void aCharacterIsGivenOutWhenItIsComplete() {
    try (Tokenizer tokenizer = Tokenizer.load(tiny.tokenizer())) {
      String text = "a\uFFFDb \uD83D\uDE01 ß 漢";
      int[] ids = tokenizer.encode(text);
      List<String> pieces = new ArrayList<>();
      TextStream stream = new TextStream(tokenizer, tokenizer.encode("the"), pieces::add);

      Arrays.stream(ids).forEach(stream::add);
      assertThat(String.join("", pieces)).isEqualTo(text);
      assertThat(pieces).contains("\uD83D\uDE01", "ß", "漢").hasSizeLessThan(ids.length);

      stream.add(tokenizer.encode("x漢")[1]);
      stream.finish();
      assertThat(String.join("", pieces)).isEqualTo(text);
    }
  }

  private GenerationResult generate(Path checkpoint, GenerationRequest request) {
    List<String> pieces = new ArrayList<>();
    try (Generator generator = Generator.open(checkpoint, Optional.empty(), CPU)) {
      GenerationResult result = generator.generate(request, pieces::add);
      assertThat(String.join("", pieces)).isEqualTo(result.text());
      return result;
    }
  }

  private static GenerationRequest request(String prompt, Sampling sampling, long seed) {
    return new GenerationRequest(prompt, 6, sampling, seed);
  }
}
