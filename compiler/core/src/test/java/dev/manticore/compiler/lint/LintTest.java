package dev.manticore.compiler.lint;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.manticore.compiler.TinyHybrid;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.data.CorpusGenerator;
import dev.manticore.compiler.lint.Finding.Severity;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.onnx.OnnxExporter.Placement;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.tokenizer.BpeTrainer;
import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LintTest {

  @TempDir private Path directory;
  private final GraphEditor editor = new GraphEditor("test");
  private Value x;

  @BeforeEach
  void addInput() {
    x =
        editor.input(
            "x", new TensorType(ElementType.FLOAT32, Shape.of(Dim.of("batch"), Dim.of(64))));
  }

  @Test
  void aSoundModelHasNothingButNotes() {
    TinyHybrid tiny = TinyHybrid.in(directory);

    for (Path checkpoint : tiny.checkpoints()) {
      LintReport report = Lint.check(checkpoint, Optional.empty());
      assertThat(report.readable()).isTrue();
      assertThat(report.isClean()).as("%s", report.findings()).isTrue();
    }
    // GPT-Neo's table was made with three rows more than there are tokens.
    assertThat(
            finding(Lint.check(directory.resolve("gpt-neo"), Optional.empty()), "padded-vocabulary")
                .message())
        .startsWith("3 of ");
  }

  @Test
  void whatNoOutputNeedsIsNamed() {
    Value y = editor.add(OpId.onnx("Exp"), x);
    editor.add(OpId.onnx("Log"), x);
    editor.parameter("left", Tensor.ofFloats(Shape.of(3), 1, 2, 3));
    editor.input("unread", new TensorType(ElementType.FLOAT32, Shape.of(2)));
    editor.output(y);

    LintReport report = check(editor.freeze());

    assertThat(finding(report, "dead-node").place()).isEqualTo("Log");
    assertThat(finding(report, "unused-parameter").place()).isEqualTo("left");
    assertThat(finding(report, "unused-parameter").message()).contains("12 bytes");
    assertThat(finding(report, "unused-input").place()).isEqualTo("unread");
    assertThat(report.isClean()).isFalse();
  }

  @Test
  void numbersThatAreNoneAreErrorsAndSubnormalOnesNotes() {
    float[] values = new float[2048];
    values[77] = Float.NaN;
    values[90] = Float.POSITIVE_INFINITY;
    values[5] = Float.MIN_VALUE;
    Value damaged = editor.parameter("damaged", Tensor.ofFloats(Shape.of(64, 32), values));
    Value empty = editor.parameter("empty", Tensor.ofFloats(Shape.of(64, 32), new float[2048]));
    editor.output(
        editor.add(
            OpId.onnx("Add"),
            editor.add(OpId.onnx("MatMul"), x, damaged),
            editor.add(OpId.onnx("MatMul"), x, empty)));

    LintReport report = check(editor.freeze());

    Finding notFinite = finding(report, "not-finite");
    assertThat(notFinite.severity()).isEqualTo(Severity.ERROR);
    assertThat(notFinite.place()).isEqualTo("damaged");
    assertThat(notFinite.message()).startsWith("2 of 2,048").endsWith("the first at 77");
    assertThat(finding(report, "subnormal").place()).isEqualTo("damaged (1)");
    assertThat(finding(report, "all-zero").place()).isEqualTo("empty");
    assertThat(report.findings().get(0)).isSameAs(notFinite);
  }

  @Test
  void tensorsStoredTwiceAreFoundTransposedToo() {
    float[] values = new float[64 * 32];
    float[] turned = new float[values.length];
    for (int i = 0; i < 64; i++) {
      for (int j = 0; j < 32; j++) {
        values[i * 32 + j] = i + 0.01f * j;
        turned[j * 64 + i] = values[i * 32 + j];
      }
    }
    Value one = editor.parameter("one", Tensor.ofFloats(Shape.of(64, 32), values));
    Value same = editor.parameter("same", Tensor.ofFloats(Shape.of(64, 32), values.clone()));
    Value transposed = editor.parameter("transposed", Tensor.ofFloats(Shape.of(32, 64), turned));
    Value sum =
        editor.add(
            OpId.onnx("Add"),
            editor.add(OpId.onnx("MatMul"), x, one),
            editor.add(OpId.onnx("MatMul"), x, same));
    editor.output(editor.add(OpId.onnx("MatMul"), sum, transposed));

    LintReport report = check(editor.freeze());

    assertThat(
            report.findings().stream()
                .filter(finding -> finding.id().equals("stored-twice"))
                .map(finding -> finding.place() + " " + finding.message().split(":")[0]))
        .containsExactly(
            "same it holds the same numbers as 'one'", "transposed it is the transpose of 'one'");
  }

  @Test
  void biasesOfOneNumberAreNoCopies() {
    Value one = editor.parameter("one", Tensor.ofFloats(Shape.of(64, 32), new float[64 * 32]));
    Value other = editor.parameter("other", Tensor.ofFloats(Shape.of(64, 32), new float[64 * 32]));
    editor.output(
        editor.add(
            OpId.onnx("Add"),
            editor.add(OpId.onnx("MatMul"), x, one),
            editor.add(OpId.onnx("MatMul"), x, other)));

    assertThat(ids(check(editor.freeze()))).doesNotContain("stored-twice");
  }

  @Test
  void unknownOperatorsTypesAndDoublePrecisionAreTold() {
    Value magic = editor.add(new OpId("some.vendor", "Magic", 1), x);
    Value wide =
        editor.add(OpId.onnx("Cast"), Attributes.of("to", ElementType.FLOAT64.onnxNumber()), x);
    Value loose = editor.input("loose", new TensorType(ElementType.FLOAT32, Shape.of(Dim.UNKNOWN)));
    editor.output(magic);
    editor.output(wide);
    editor.output(editor.add(OpId.onnx("Exp"), loose));

    LintReport report = check(editor.freeze());

    assertThat(finding(report, "unknown-operator").message()).startsWith("some.vendor.Magic");
    assertThat(finding(report, "unknown-domain").place()).isEqualTo("some.vendor");
    assertThat(finding(report, "float64").place()).isEqualTo(wide.name());
    assertThat(finding(report, "missing-type").place()).isEqualTo(magic.name());
    assertThat(finding(report, "unnamed-dimension").place()).contains("%loose");
  }

  @Test
  void drawnNumbersAndMixedOpsetsAreTold() {
    Value random = editor.add(OpId.onnx("RandomUniformLike"), x);
    Value old = editor.add(new OpId(OpId.ONNX, "Exp", 13), random);
    editor.output(old);
    Path text = directory.resolve("mixed.hir");
    ModelFiles.write(editor.freeze(), text, Placement.INLINE);

    LintReport report = Lint.check(text, Optional.empty());

    assertThat(finding(report, "random-operator").severity()).isEqualTo(Severity.WARNING);
    assertThat(finding(report, "mixed-opsets").message()).contains("[13, 23]");
  }

  @Test
  void externalDataThatNothingRefersToIsFound() throws IOException {
    Value weight =
        editor.parameter("weight", Tensor.ofFloats(Shape.of(64, 64), new float[64 * 64]));
    editor.output(editor.add(OpId.onnx("MatMul"), x, weight));
    Path model = directory.resolve("model.onnx");
    ModelFiles.write(editor.freeze(), model, Placement.EXTERNAL);
    assertThat(ids(Lint.check(model, Optional.empty())))
        .doesNotContain("unused-external-data", "stray-external-data");

    Files.write(directory.resolve("model.onnx.data"), new byte[1 << 20], StandardOpenOption.APPEND);
    Files.write(directory.resolve("model.onnx_data"), new byte[8]);

    LintReport report = Lint.check(model, Optional.empty());
    assertThat(finding(report, "unused-external-data").message()).startsWith("1,048,576 of");
    assertThat(finding(report, "stray-external-data").place()).isEqualTo("model.onnx_data");
  }

  @Test
  void keysThatNobodyReadsAndTokensOutsideTheVocabularyAreTold() throws IOException {
    ModelConfig config = TinyModels.gptNeo(2, 16, 300);
    Path place = directory.resolve("model");
    Models.write(place, config, Models.parameters(TinyModels.build("model", config, 1)));
    Files.write(
        place.resolve("tokenizer.json"),
        BpeTrainer.train(List.of("the cat sat on the mat".repeat(3)), 262).toJson());
    Files.write(place.resolve("pytorch_model.bin"), new byte[3]);
    Path file = place.resolve("config.json");
    Files.writeString(
        file,
        Files.readString(file)
            .replaceFirst(
                "\\{", "{\"hiden_size\": 8, \"eos_token_id\": 290, \"use_cache\": true,"));

    LintReport report = Lint.check(place, Optional.empty());

    assertThat(finding(report, "ignored-key").place()).isEqualTo("hiden_size");
    assertThat(finding(report, "token-outside-vocabulary").place()).isEqualTo("eos_token_id");
    assertThat(finding(report, "pickle").place()).isEqualTo("pytorch_model.bin");
    Files.write(
        place.resolve("tokenizer.json"),
        BpeTrainer.train(CorpusGenerator.generate(CorpusGenerator.Kind.MIXED, 3, 4_000), 340)
            .toJson());
    assertThat(ids(Lint.check(place, Optional.empty()))).contains("tokenizer-too-large");
    Files.writeString(place.resolve("tokenizer.json"), "{}");
    assertThat(ids(Lint.check(place, Optional.empty()))).contains("tokenizer-unreadable");
  }

  @Test
  void whatCannotBeReadIsOneFinding() throws IOException {
    Path broken = Files.writeString(directory.resolve("broken.onnx"), "no model");

    LintReport report = Lint.check(broken, Optional.empty());

    assertThat(report.readable()).isFalse();
    assertThat(ids(report)).containsExactly("unreadable");
    JsonNode json = new ObjectMapper().readTree(report.toJson());
    assertThat(json.path("readable").asBoolean()).isFalse();
    assertThat(json.path("errors").asInt()).isEqualTo(1);
    assertThat(json.path("findings").path(0).path("severity").asText()).isEqualTo("error");
    assertThat(report.toText())
        .contains("error   unreadable: ")
        .endsWith("1 errors, 0 warnings, 0 notes\n");
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2", "gpt-neo", "gpt-neox", "mamba", "mamba-state-spaces", "mamba2"})
  void publishedConfigurationsHaveNoKeysThatAreIgnored(String family) {
    Optional<Path> fixture = Fixtures.shared("fixtures/huggingface/" + family);
    Assumptions.assumeTrue(fixture.isPresent(), "the shared fixtures are not there");

    assertThat(ids(Lint.check(fixture.orElseThrow(), Optional.empty())))
        .doesNotContain("ignored-key", "unreadable");
  }

  @Test
  void aTableThatAnExporterStoredTwiceIsFound() {
    Optional<Path> export = Fixtures.shared("fixtures/huggingface/gpt2/model.onnx");
    Assumptions.assumeTrue(export.isPresent(), "the shared fixtures are not there");

    assertThat(ids(Lint.check(export.orElseThrow(), Optional.empty())))
        .contains("stored-twice", "not-canonical");
  }

  private LintReport check(Graph graph) {
    Path file = directory.resolve("model.onnx");
    ModelFiles.write(graph, file, Placement.INLINE);
    return Lint.check(file, Optional.empty());
  }

  private static Finding finding(LintReport report, String id) {
    return report.findings().stream()
        .filter(finding -> finding.id().equals(id))
        .findFirst()
        .orElseThrow(() -> new AssertionError("no " + id + " in " + report.findings()));
  }

  private static List<String> ids(LintReport report) {
    return report.findings().stream().map(Finding::id).toList();
  }
}
