package dev.manticore.onnx.safetensors;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.testdata.fuzz.Fuzzer;
import dev.manticore.testdata.fuzz.Mutator;
import dev.manticore.testdata.fuzz.TokenMutator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsFuzzTest {

  private static final List<String> DICTIONARY =
      List.of(
          "\"dtype\"",
          "\"shape\"",
          "\"data_offsets\"",
          "\"__metadata__\"",
          "\"F32\"",
          "\"BF16\"",
          "\"BOOL\"",
          "\"F8_E4M3\"",
          "[0, 0]",
          "[]",
          "{}",
          "[",
          "{",
          "null",
          "true",
          "1e3",
          "\"\"",
          "\"\\u0000\"",
          "\"\\ud800\"",
          ",",
          ":");

  private static final TokenMutator HEADER = new TokenMutator(DICTIONARY);

  @TempDir private Path directory;

  private byte[] seed(ImmutableMap<String, Tensor> tensors, ImmutableMap<String, String> metadata)
      throws IOException {
    Path file = directory.resolve("seed");
    SafetensorsWriter.write(file, tensors, metadata);
    return Files.readAllBytes(file);
  }

  @Test
  void filesOfAnyKindAreTensorsOrATypedError() throws IOException {
    List<byte[]> seeds =
        List.of(
            seed(ImmutableMap.of(), ImmutableMap.of()),
            seed(
                ImmutableMap.of(
                    "a.b",
                    Tensor.ofFloats(Shape.of(2), 1, 2),
                    "c",
                    Tensor.vector(1, 2, 3),
                    "d",
                    Tensor.ofDoubles(ElementType.BFLOAT16, Shape.of(0, 3))),
                ImmutableMap.of("format", "pt")));
    Path file = directory.resolve("m.safetensors");
    long executions =
        new Fuzzer(
                "safetensors",
                ManticoreException.class,
                Mutator.anyOf(SafetensorsFuzzTest::header, Mutator.bytes()),
                seeds)
            .run(
                input -> {
                  Files.write(file, input);
                  SafetensorsFile.open(file)
                      .tensors()
                      .values()
                      .forEach(tensor -> tensor.data().toByteArray());
                });

    assertThat(executions).isPositive();
  }

  /** Changes the header's tokens, and mostly the number of its bytes to what it is then. */
  private static byte[] header(byte[] input, byte[] other, Random random) {
    byte[] mutated = HEADER.mutate(headerOf(input), headerOf(other), random);
    int before = headerOf(input).length;
    long length = random.nextInt(10) == 0 ? before : mutated.length;
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(length).array());
    out.writeBytes(mutated);
    int data = Math.min(input.length, 8 + before);
    out.write(input, data, input.length - data);
    return out.toByteArray();
  }

  private static byte[] headerOf(byte[] input) {
    if (input.length < 8) {
      return "{}".getBytes(UTF_8);
    }
    long length = ByteBuffer.wrap(input).order(ByteOrder.LITTLE_ENDIAN).getLong();
    long end = length < 0 || length > input.length - 8 ? input.length : 8 + length;
    return Arrays.copyOfRange(input, 8, (int) end);
  }
}
