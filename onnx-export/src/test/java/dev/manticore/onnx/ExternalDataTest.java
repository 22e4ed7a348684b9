package dev.manticore.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.onnx.proto.ModelProto;
import dev.manticore.onnx.proto.TensorProto;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ExternalDataTest {

  private static final OnnxExporter.Options EXTERNAL =
      OnnxExporter.Options.DEFAULT.withPlacement(OnnxExporter.Placement.EXTERNAL);

  @TempDir private Path directory;

  private Path model;

  @BeforeEach
  void setUp() {
    model = directory.resolve("model.onnx");
  }

  /** Two large parameters, one of them of a size that is not a multiple of the alignment. */
  private static Graph graph() {
    GraphEditor editor = new GraphEditor("g");
    Value x = editor.input("x", TensorType.of(ElementType.FLOAT32, 333));
    float[] values = new float[333];
    for (int i = 0; i < values.length; i++) {
      values[i] = i;
    }
    Value first = editor.parameter("first", Tensor.ofFloats(Shape.of(333), values));
    Value second = editor.parameter("second", Tensor.ofFloats(Shape.of(333), values));
    Value small = editor.parameter("small", Tensor.scalar(2f));
    Value sum = editor.add(OpId.onnx("Add"), x, first);
    Value more = editor.add(OpId.onnx("Mul"), sum, second);
    editor.output(editor.add(OpId.onnx("Mul"), more, small));
    return editor.freeze();
  }

  @Test
  void dataGoesBesideTheModelAndComesBack() throws IOException {
    Graph graph = graph();

    OnnxExporter.write(graph, model, EXTERNAL);

    assertThat(directory.resolve("model.onnx.data")).hasSize(1344 + 1332);
    assertThat(names()).containsExactly("model.onnx", "model.onnx.data");
    assertThat(GraphText.of(OnnxImporter.read(model))).isEqualTo(GraphText.of(graph));
  }

  @Test
  void theSameGraphIsTheSameBytes() throws IOException {
    OnnxExporter.write(graph(), model, EXTERNAL);
    byte[] bytes = Files.readAllBytes(model);
    Graph read = OnnxImporter.read(model);

    // Over the very files that the data is read from.
    OnnxExporter.write(read, model, EXTERNAL);

    assertThat(model).hasBinaryContent(bytes);
    assertThat(GraphText.of(OnnxImporter.read(model))).isEqualTo(GraphText.of(graph()));
  }

  @Test
  void inlineDataStaysInTheFileUntilItIsRead() throws IOException {
    OnnxExporter.write(
        graph(), model, OnnxExporter.Options.DEFAULT.withPlacement(OnnxExporter.Placement.INLINE));
    Graph read = OnnxImporter.read(model);

    assertThat(names()).containsExactly("model.onnx");
    assertThat(GraphText.of(read)).isEqualTo(GraphText.of(graph()));
    assertThat(model).hasBinaryContent(OnnxExporter.toBytes(graph()));

    Files.write(model, new byte[10]);
    assertThatThrownBy(() -> GraphText.of(read))
        .isInstanceOf(ManticoreException.class)
        .hasFieldOrPropertyWithValue("code", "MNT-ONNX-CHANGED");
  }

  @Test
  void aModelWithoutADirectoryMayNotHaveExternalData() throws IOException {
    OnnxExporter.write(graph(), model, EXTERNAL);
    byte[] bytes = Files.readAllBytes(model);

    assertThatThrownBy(() -> OnnxImporter.read(bytes))
        .hasFieldOrPropertyWithValue("code", "MNT-ONNX-EXTERNAL");
    assertThat(
            OnnxImporter.read(bytes, Optional.of(directory), OnnxImporter.Functions.RESOLVE)
                .parameters())
        .hasSize(3);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "/etc/passwd",
        "../data",
        "inner/../../data",
        "inner/..",
        "C:data",
        "inner\\data",
        "absent",
        "inner",
        ".",
        "nul\0byte"
      })
  void locationsOutsideOrOfNoFileAreRefused(String location) throws IOException {
    Files.createDirectory(directory.resolve("inner"));

    refused(Map.of("location", location), "");
  }

  @ParameterizedTest
  @CsvSource({
    "offset, -1",
    "offset, 2000",
    "offset, 9223372036854775807",
    "offset, 9999999999999999999",
    "offset, 0x0",
    "offset, ''",
    "length, -4",
    "length, 1331",
    "length, 9223372036854775807",
    "length, 1e3",
    "offset, 4",
    "basepath, /etc"
  })
  void rangesOutsideOfTheFileAndUnknownKeysAreRefused(String key, String value) throws IOException {
    refused(Map.of("location", "data", key, value), "");
  }

  @Test
  void offsetAndLengthTogetherDoNotOverflow() throws IOException {
    refused(
        Map.of("location", "data", "offset", "4", "length", "9223372036854775807"), "more than");
  }

  @Test
  void aKeyGivenTwiceIsRefused() throws IOException {
    ModelProto.Builder changed = withExternal(Map.of("location", "data"));
    TensorProto.Builder tensor = changed.getGraphBuilder().getInitializerBuilder(0);
    tensor.addExternalDataBuilder().setKey("location").setValue("data");

    refused(changed, "twice");
  }

  @Test
  void aSymbolicLinkIsRefused() throws IOException {
    Files.write(directory.resolve("real"), new byte[1332]);
    Files.createSymbolicLink(directory.resolve("link"), Path.of("real"));

    refused(Map.of("location", "link"), "symbolic link");
  }

  @Test
  void aSymbolicLinkOnTheWayIsRefused() throws IOException {
    Files.createDirectory(directory.resolve("inner"));
    Files.write(directory.resolve("inner/real"), new byte[1332]);
    Files.createSymbolicLink(directory.resolve("link"), Path.of("inner"));

    refused(Map.of("location", "link/real"), "symbolic link");
  }

  @Test
  void aFileOfSeveralNamesIsRefused() throws IOException {
    Files.write(directory.resolve("real"), new byte[1332]);
    Files.createLink(directory.resolve("other"), directory.resolve("real"));

    refused(Map.of("location", "other"), "hard links");
  }

  @Test
  void withinTheRulesItIsRead() throws IOException {
    Files.createDirectory(directory.resolve("inner"));
    Files.write(directory.resolve("inner/real"), new byte[2000]);
    withExternal(Map.of("location", "./inner/real", "offset", "8", "checksum", "0"))
        .build()
        .writeTo(Files.newOutputStream(model));

    assertThat(OnnxImporter.read(model).parameter("first")).isPresent();
  }

  @Test
  void aFileReplacedAfterTheImportIsNoticed() throws IOException {
    OnnxExporter.write(graph(), model, EXTERNAL);
    Graph read = OnnxImporter.read(model);
    Path data = directory.resolve("model.onnx.data");
    Files.move(data, directory.resolve("moved"));
    Files.createSymbolicLink(data, Path.of("moved"));

    assertThatThrownBy(() -> GraphText.of(read))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("model.onnx.data");
  }

  @Test
  void whatCannotBeWrittenLeavesWhatWasThere() throws IOException {
    OnnxExporter.write(graph(), model, EXTERNAL);
    byte[] before = Files.readAllBytes(model);
    Path data = directory.resolve("model.onnx.data");
    Files.delete(data);
    Files.createDirectory(data);

    assertThatThrownBy(() -> OnnxExporter.write(graph(), model, EXTERNAL))
        .hasFieldOrPropertyWithValue("code", "MNT-ONNX-WRITE");
    assertThat(model).hasBinaryContent(before);
    assertThat(names()).containsExactly("model.onnx", "model.onnx.data");
  }

  @Test
  void deviceFilesAreNotReplaced() {
    assertThatThrownBy(
            () -> OnnxExporter.write(graph(), Path.of("/dev/full"), OnnxExporter.Options.DEFAULT))
        .hasFieldOrPropertyWithValue("code", "MNT-ONNX-WRITE")
        .hasMessageContaining("not a regular file");
  }

  private List<String> names() throws IOException {
    List<String> names = new ArrayList<>();
    try (Stream<Path> files = Files.list(directory)) {
      files.map(file -> file.getFileName().toString()).sorted().forEach(names::add);
    }
    return names;
  }

  private ModelProto.Builder withExternal(Map<String, String> entries) throws IOException {
    Files.write(directory.resolve("data"), new byte[1332]);
    ModelProto.Builder changed = ModelProto.parseFrom(OnnxExporter.toBytes(graph())).toBuilder();
    TensorProto.Builder tensor = changed.getGraphBuilder().getInitializerBuilder(0);
    tensor.clearRawData().setDataLocation(TensorProto.DataLocation.EXTERNAL);
    entries.forEach((key, value) -> tensor.addExternalDataBuilder().setKey(key).setValue(value));
    return changed;
  }

  private void refused(Map<String, String> entries, String reason) throws IOException {
    refused(withExternal(entries), reason);
  }

  private void refused(ModelProto.Builder changed, String reason) throws IOException {
    Files.write(model, changed.build().toByteArray());
    assertThatThrownBy(() -> OnnxImporter.read(model))
        .isInstanceOf(ManticoreException.class)
        .hasFieldOrPropertyWithValue("code", "MNT-ONNX-EXTERNAL")
        .hasMessageContaining("first")
        .hasMessageContaining(reason);
  }
}
