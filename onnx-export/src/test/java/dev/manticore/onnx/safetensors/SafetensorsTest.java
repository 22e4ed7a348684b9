package dev.manticore.onnx.safetensors;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

final class SafetensorsTest {

  @TempDir private Path directory;

  @Test
  void readsWhatItWrote() {
    Path file = directory.resolve("a.safetensors");
    Map<String, Tensor> tensors =
        ImmutableMap.of(
            "bytes", Tensor.ofDoubles(ElementType.INT8, Shape.of(3), -1, 0, 1),
            "floats", Tensor.ofFloats(Shape.of(2, 2), 1, -2, 3.5f, Float.NaN),
            "none", Tensor.ofFloats(Shape.of(0, 7)),
            "scalar", Tensor.scalar(9L));

    SafetensorsWriter.write(file, tensors, ImmutableMap.of("z", "1", "format", "pt"));
    SafetensorsFile read = SafetensorsFile.open(file);

    // Wider elements come first, so that all are aligned.
    assertThat(read.tensors().keySet()).containsExactly("scalar", "floats", "none", "bytes");
    assertThat(read.metadata()).containsExactly(Map.entry("format", "pt"), Map.entry("z", "1"));
    tensors.forEach(
        (name, tensor) -> {
          assertThat(read.tensors().get(name).type()).isEqualTo(tensor.type());
          assertThat(read.tensors().get(name).data().toByteArray())
              .isEqualTo(tensor.data().toByteArray());
        });
  }

  @Test
  void writesTheSameBytesAgain() throws IOException {
    Optional<Path> fixture = Fixtures.shared("fixtures/huggingface/gpt-neo/model.safetensors");
    Assumptions.assumeTrue(fixture.isPresent(), "the shared fixtures are absent");
    SafetensorsFile original = SafetensorsFile.open(fixture.orElseThrow());
    Path once = directory.resolve("once.safetensors");
    Path twice = directory.resolve("twice.safetensors");

    SafetensorsWriter.write(once, original.tensors(), original.metadata());
    SafetensorsFile read = SafetensorsFile.open(once);
    SafetensorsWriter.write(twice, read.tensors(), read.metadata());

    assertThat(Files.mismatch(once, twice)).isEqualTo(-1);
    assertThat(read.tensors().keySet()).isEqualTo(original.tensors().keySet());
    original
        .tensors()
        .forEach(
            (name, tensor) ->
                assertThat(read.tensors().get(name).data().toByteArray())
                    .isEqualTo(tensor.data().toByteArray()));
  }

  @Test
  void readsTensorsBeyondTwoGibibytes() throws IOException {
    Path file = directory.resolve("large.safetensors");
    long elements = 600_000_000L;
    String header =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[%d],\"data_offsets\":[0,%d]},"
                .formatted(elements, 4 * elements)
            + "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%d,%d]}}"
                .formatted(4 * elements, 4 * elements + 4);
    Files.write(file, bytes(header, 0));
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      ByteBuffer last = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
      channel.write(last.putFloat(5).putFloat(6).flip(), channel.size() + 4 * elements - 4);
    }

    SafetensorsFile read = SafetensorsFile.open(file);

    assertThat(read.tensors().get("b").toFloats()).containsExactly(6);
    ByteBuffer window = ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN);
    read.tensors().get("a").data().read(4 * elements - 4, window);
    assertThat(window.getFloat(0)).isEqualTo(5);
  }

  @Test
  void refusesToReadAFileThatWasReplaced() {
    Path file = directory.resolve("a.safetensors");
    SafetensorsWriter.write(file, Map.of("a", Tensor.scalar(1f)), Map.of());
    Tensor tensor = SafetensorsFile.open(file).tensors().get("a");

    SafetensorsWriter.write(file, Map.of("a", Tensor.scalar(2f)), Map.of("other", "header"));

    assertThatThrownBy(tensor::toFloats)
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("changed after it was opened");
  }

  @Test
  void boundsReadsByTheTensor() {
    Path file = directory.resolve("a.safetensors");
    SafetensorsWriter.write(
        file, ImmutableMap.of("a", Tensor.scalar(1f), "b", Tensor.scalar(2f)), Map.of());
    Tensor tensor = SafetensorsFile.open(file).tensors().get("a");

    assertThatThrownBy(() -> tensor.data().read(2, ByteBuffer.allocate(4)))
        .isInstanceOf(IndexOutOfBoundsException.class);
  }

  @Test
  void refusesHeadersOverTheLimit() throws IOException {
    Path file = directory.resolve("a.safetensors");
    Files.write(file, bytes(" ".repeat(100), 0));

    assertThatThrownBy(() -> SafetensorsFile.open(file, 99))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContainingAll("100 bytes", "limit of 99");
  }

  @Test
  void aFullDeviceIsOneMessage() {
    Path full = Path.of("/dev/full");
    Assumptions.assumeTrue(Files.exists(full), "no /dev/full here");

    assertThatThrownBy(
            () -> SafetensorsWriter.write(full, Map.of("a", Tensor.scalar(1f)), Map.of()))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContainingAll("/dev/full", "No space left");
  }

  static Stream<Arguments> malformed() {
    String good = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
    return Stream.of(
        Arguments.of("[]", 0, "not a JSON object"),
        Arguments.of("{", 0, "not valid JSON"),
        Arguments.of(good + "x", 8, "not valid JSON"),
        Arguments.of(good + "{}", 8, "goes on after"),
        Arguments.of(good, 7, "'a' ends at byte 8"),
        Arguments.of(good, 9, "end at byte 8"),
        Arguments.of(good.replace("[2]", "[3]"), 8, "'a' takes 8 bytes, but f32[3] needs 12"),
        Arguments.of(good.replace("F32", "F8_E4M3"), 8, "dtype 'F8_E4M3'"),
        Arguments.of(good.replace("[2]", "[-2]"), 8, "'a' should be an object whose shape"),
        Arguments.of(good.replace("[2]", "[2.0]"), 8, "'a' should be an object whose shape"),
        Arguments.of(good.replace("[2]", "[[2]]"), 8, "'a' should be an object whose shape"),
        Arguments.of(good.replace("[2]", "[99999999999999999999]"), 8, "'a' should be"),
        Arguments.of(
            good.replace("[2]", "[4294967296,4294967296,4294967296]"), 8, "'a' is too large"),
        Arguments.of(good.replace("[0,8]", "[8,0]"), 8, "data_offsets [8, 0]"),
        Arguments.of(good.replace("[0,8]", "[0,8,9]"), 8, "data_offsets [0, 8, 9]"),
        Arguments.of(good.replace("[0,8]", "[4,12]"), 12, "'a' starts at byte 4"),
        Arguments.of(good.replace("\"dtype\":\"F32\",", ""), 8, "needs dtype"),
        Arguments.of(good.replace("dtype", "type"), 8, "unknown key 'type'"),
        Arguments.of(good.replace("}}", "},\"a\":{}}"), 8, "Duplicate field 'a'"),
        Arguments.of(
            good.replace("}}", "},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}"),
            8,
            "an overlap"),
        Arguments.of(good.replace("}}", "},\"__metadata__\":{\"k\":1}}"), 8, "object of strings"),
        Arguments.of("{\"a\":" + "[".repeat(100_000), 0, "'a' should be an object"));
  }

  @ParameterizedTest
  @MethodSource("malformed")
  void refusesWhatIsMalformed(String header, int dataBytes, String message) throws IOException {
    Path file = directory.resolve("bad.safetensors");
    Files.write(file, bytes(header, dataBytes));

    assertThatThrownBy(() -> SafetensorsFile.open(file))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContainingAll("bad.safetensors", message)
        .extracting(error -> ((ManticoreException) error).code())
        .isEqualTo("MNT-SAFETENSORS");
  }

  @Test
  void damagedHeadersAreReadOrRefusedButNothingElse() throws IOException {
    Path file = directory.resolve("bad.safetensors");
    SafetensorsWriter.write(
        file,
        ImmutableMap.of("a", Tensor.vector(1, 2), "b", Tensor.ofFloats(Shape.of(1, 2), 3, 4)),
        Map.of("key", "value"));
    byte[] good = Files.readAllBytes(file);
    SplittableRandom random = new SplittableRandom(1);

    for (int i = 0; i < 2000; i++) {
      byte[] damaged = good.clone();
      for (int change = random.nextInt(1, 4); change > 0; change--) {
        damaged[random.nextInt(good.length - 24)] = (byte) random.nextInt(256);
      }
      Files.write(file, damaged);
      try {
        SafetensorsFile.open(file).tensors().values().forEach(Tensor::toDoubles);
      } catch (ManticoreException e) {
        assertThat(e.code()).isEqualTo("MNT-SAFETENSORS");
      }
    }
  }

  @Test
  void refusesWhatIsTooShort() throws IOException {
    Path file = directory.resolve("bad.safetensors");
    Files.write(file, new byte[3]);
    assertThatThrownBy(() -> SafetensorsFile.open(file)).hasMessageContaining("3 bytes, too few");
    Files.write(file, new byte[] {9, 0, 0, 0, 0, 0, 0, 0, '{'});
    assertThatThrownBy(() -> SafetensorsFile.open(file)).hasMessageContaining("within its header");
    Files.write(file, new byte[] {0, 0, 0, 0, 0, 0, 0, -1});
    assertThatThrownBy(() -> SafetensorsFile.open(file))
        .hasMessageContaining("18374686479671623680 bytes, more than the limit");
    assertThatThrownBy(() -> SafetensorsFile.open(directory.resolve("none")))
        .hasMessageContaining("no such file");
    assertThatThrownBy(() -> SafetensorsFile.open(directory)).hasMessageContaining("not a file");
  }

  private static byte[] bytes(String header, int dataBytes) {
    byte[] text = header.getBytes(UTF_8);
    return ByteBuffer.allocate(8 + text.length + dataBytes)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(text.length)
        .put(text)
        .array();
  }
}
