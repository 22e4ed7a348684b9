package dev.manticore.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.proto.AttributeProto;
import dev.manticore.onnx.proto.ModelProto;
import dev.manticore.onnx.proto.TensorProto;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What a model file must not bring about: files read or written outside of its directory, objects
 * changed, memory without bound, code run. The attacks are those that ONNX and its tools have been
 * open to, named as they are known.
 */
class ContainmentTest {

  private static final byte[] SECRET = "secret!!".getBytes(StandardCharsets.UTF_8);

  @TempDir private Path directory;

  /** The model's own directory; what lies beside it is none of the model's business. */
  private Path home;

  private Path secret;

  @BeforeEach
  void setUp() throws IOException {
    home = Files.createDirectory(directory.resolve("home"));
    secret = Files.write(directory.resolve("secret"), SECRET);
  }

  /** A model whose one parameter, f32[2], has its data where the entries say. */
  private Path model(Map<String, String> entries) throws IOException {
    ModelProto.Builder model = ModelProto.newBuilder().setIrVersion(10);
    model.addOpsetImportBuilder().setVersion(OpId.OPSET);
    model.getGraphBuilder().setName("g").addInitializer(external(entries));
    return Files.write(home.resolve("model.onnx"), model.build().toByteArray());
  }

  private static TensorProto external(Map<String, String> entries) {
    TensorProto.Builder tensor =
        TensorProto.newBuilder()
            .setName("w")
            .setDataType(1)
            .addDims(2)
            .setDataLocation(TensorProto.DataLocation.EXTERNAL);
    entries.forEach((key, value) -> tensor.addExternalDataBuilder().setKey(key).setValue(value));
    return tensor.build();
  }

  private void refused(Map<String, String> entries) throws IOException {
    Path model = model(entries);
    assertThatThrownBy(() -> OnnxImporter.read(model))
        .isInstanceOf(ManticoreException.class)
        .hasFieldOrPropertyWithValue("code", "MNT-ONNX-EXTERNAL");
  }

  /** A location that begins with the way out. */
  @ParameterizedTest
  @ValueSource(strings = {"../secret", "..\\secret", "/etc/passwd", "C:\\secret", "\\\\host\\s"})
  void cve2022x25882(String location) throws IOException {
    refused(ImmutableMap.of("location", location));
  }

  /** A way out that is not at the beginning. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "inner/../../secret",
        "./../secret",
        "inner/./.././../secret",
        "inner//..//..//secret",
        "inner\\..\\..\\secret",
        "#/../../secret"
      })
  void cve2024x27318(String location) throws IOException {
    Files.createDirectory(home.resolve("inner"));
    refused(ImmutableMap.of("location", location));
  }

  /** Archives whose entries are written outside of where they are unpacked. */
  @Test
  void cve2024x5187() throws IOException {
    byte[] zip;
    try (ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ZipOutputStream out = new ZipOutputStream(bytes)) {
      out.putNextEntry(new ZipEntry("../../escaped"));
      out.write(SECRET);
      out.finish();
      zip = bytes.toByteArray();
    }
    ByteArrayOutputStream zipped = new ByteArrayOutputStream();
    try (GZIPOutputStream out = new GZIPOutputStream(zipped)) {
      out.write(tar("../../escaped", SECRET));
    }
    for (byte[] archive : List.of(zip, tar("../../escaped", SECRET), zipped.toByteArray())) {
      Path file = Files.write(home.resolve("model.onnx"), archive);
      for (Runnable reading :
          List.<Runnable>of(
              () -> OnnxImporter.read(file),
              () -> SafetensorsFile.open(file),
              () -> Models.load(file))) {
        assertThatThrownBy(reading::run)
            .isInstanceOf(ManticoreException.class)
            .hasMessageContaining("archives are not unpacked");
      }
    }
    assertThat(files()).containsExactly("home", "home/model.onnx", "secret");
  }

  private static byte[] tar(String name, byte[] content) {
    byte[] tar = new byte[2048];
    System.arraycopy(name.getBytes(StandardCharsets.US_ASCII), 0, tar, 0, name.length());
    System.arraycopy("ustar".getBytes(StandardCharsets.US_ASCII), 0, tar, 257, 5);
    System.arraycopy(content, 0, tar, 512, content.length);
    return tar;
  }

  /** On saving: data written to where the model that was read says, or through links. */
  @Test
  void cve2025x51480() throws IOException {
    Path weights = Files.write(home.resolve("weights"), SECRET);
    Graph graph = OnnxImporter.read(model(ImmutableMap.of("location", "weights")));
    GraphEditor editor = graph.edit();
    Value large = editor.parameter("../../large", Tensor.ofFloats(Shape.of(300), new float[300]));
    editor.output(large);
    Graph edited = editor.freeze();
    Path target = Files.createDirectory(directory.resolve("target")).resolve("out.onnx");
    OnnxExporter.Options external =
        OnnxExporter.Options.DEFAULT.withPlacement(OnnxExporter.Placement.EXTERNAL);

    OnnxExporter.write(edited, target, external);

    assertThat(files())
        .containsExactly(
            "home",
            "home/model.onnx",
            "home/weights",
            "secret",
            "target",
            "target/out.onnx",
            "target/out.onnx.data");
    assertThat(weights).hasBinaryContent(SECRET);
    for (Path name : List.of(target, target.resolveSibling("out.onnx.data"))) {
      Files.delete(name);
      Files.createSymbolicLink(name, secret);
      assertThatThrownBy(() -> OnnxExporter.write(edited, target, external))
          .hasFieldOrPropertyWithValue("code", "MNT-ONNX-WRITE");
      assertThat(secret).hasBinaryContent(SECRET);
      Files.delete(name);
      OnnxExporter.write(edited, target, external);
    }
    // A file of two names is replaced under one of them, not written through.
    Files.delete(target.resolveSibling("out.onnx.data"));
    Files.createLink(target.resolveSibling("out.onnx.data"), secret);
    OnnxExporter.write(edited, target, external);
    assertThat(secret).hasBinaryContent(SECRET);
  }

  /** Links: of the file, of a directory on the way, and second names. */
  @Test
  void cve2026x27489() throws IOException {
    Files.createSymbolicLink(home.resolve("link"), secret);
    refused(ImmutableMap.of("location", "link"));
    Files.createSymbolicLink(home.resolve("inner"), directory);
    refused(ImmutableMap.of("location", "inner/secret"));
    Files.createSymbolicLink(home.resolve("here"), home);
    Files.write(home.resolve("data"), SECRET);
    refused(ImmutableMap.of("location", "here/data"));
    Files.createLink(home.resolve("second"), secret);
    refused(ImmutableMap.of("location", "second"));
  }

  /** The data is looked at once more when it is read: it may have become a link since. */
  @Test
  void linksThatComeAfterTheImportAreRefusedToo() throws IOException {
    Path data = Files.write(home.resolve("data"), SECRET);
    Graph graph = OnnxImporter.read(model(ImmutableMap.of("location", "data")));
    Files.delete(data);
    Files.createSymbolicLink(data, secret);

    assertThatThrownBy(() -> graph.parameters().values().iterator().next().toFloats())
        .isInstanceOf(ManticoreException.class);
  }

  /** Keys that are names of a reader's own fields, and ranges that make it allocate or overflow. */
  @ParameterizedTest
  @CsvSource({
    "__class__, x",
    "__dict__, {}",
    "basepath, /etc",
    "Location, data",
    "offset, -1",
    "offset, 9",
    "offset, 9223372036854775807",
    "offset, 18446744073709551615",
    "length, -1",
    "length, 0",
    "length, 9223372036854775807",
    "length, 1e18",
    "length, ' 8'"
  })
  void cve2026x34445(String key, String value) throws IOException {
    Files.write(home.resolve("data"), SECRET);
    refused(ImmutableMap.of("location", "data", key, value));
  }

  @Test
  void theSameHoldsForTensorsInAttributes() throws IOException {
    ModelProto.Builder model = ModelProto.newBuilder().setIrVersion(10);
    model.addOpsetImportBuilder().setVersion(OpId.OPSET);
    model
        .getGraphBuilder()
        .addNodeBuilder()
        .setOpType("Constant")
        .addOutput("c")
        .addAttributeBuilder()
        .setName("value")
        .setType(AttributeProto.AttributeType.TENSOR)
        .setT(external(ImmutableMap.of("location", "../secret")));
    Path file = Files.write(home.resolve("model.onnx"), model.build().toByteArray());

    assertThatThrownBy(() -> OnnxImporter.read(file))
        .hasFieldOrPropertyWithValue("code", "MNT-ONNX-EXTERNAL");
  }

  @Test
  void dataBeyondTwoGigabytesIsReadWhereItLies() throws IOException {
    Path data = home.resolve("data");
    long offset = 3L << 30;
    try (FileChannel channel =
        FileChannel.open(data, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      channel.write(ByteBuffer.wrap(new byte[] {0, 0, -128, 63, 0, 0, 0, 64}), offset);
    }
    Graph graph =
        OnnxImporter.read(
            model(ImmutableMap.of("location", "data", "offset", Long.toString(offset))));

    assertThat(graph.parameters().values().iterator().next().toFloats()).containsExactly(1, 2);
  }

  @Test
  void picklesAreRefusedWithTheWayToConvertThem() throws IOException {
    byte[] torch;
    try (ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        ZipOutputStream out = new ZipOutputStream(bytes)) {
      out.putNextEntry(new ZipEntry("archive/data.pkl"));
      out.write(new byte[] {(byte) 0x80, 2, '}', '.'});
      out.finish();
      torch = bytes.toByteArray();
    }
    byte[] plain = {(byte) 0x80, 4, '}', '.'};
    for (String name : List.of("m.bin", "m.pt", "m.pth", "m.ckpt", "m.safetensors", "m.onnx")) {
      for (byte[] pickle : List.of(torch, plain)) {
        Path file = Files.write(home.resolve(name), pickle);
        for (Runnable reading :
            List.<Runnable>of(
                () -> OnnxImporter.read(file),
                () -> SafetensorsFile.open(file),
                () -> Models.load(file))) {
          assertThatThrownBy(reading::run)
              .isInstanceOf(ManticoreException.class)
              .hasMessageContaining(name + " is a pickle")
              .hasMessageContaining("save_file");
        }
      }
    }
  }

  private List<String> files() throws IOException {
    try (Stream<Path> files = Files.walk(directory)) {
      return files.skip(1).map(file -> directory.relativize(file).toString()).sorted().toList();
    }
  }
}
