package dev.manticore.onnx.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class AtomicFilesTest {

  @TempDir private Path directory;

  @Test
  void replacesTheContentAndLeavesNothingElse() throws IOException {
    Path file = directory.resolve("a.txt");

    AtomicFiles.writeString(file, "old and long");
    AtomicFiles.writeString(file, "new");

    assertThat(file).hasContent("new");
    assertThat(files()).containsExactly(file);
  }

  @Test
  void keepsTheOldContentWhenWritingFails() throws IOException {
    Path file = directory.resolve("a.txt");
    AtomicFiles.writeString(file, "old");

    assertThatThrownBy(
            () ->
                AtomicFiles.write(
                    file,
                    channel -> {
                      channel.write(ByteBuffer.allocate(10));
                      throw new IOException("No space left on device");
                    }))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContainingAll("a.txt", "No space left on device");
    assertThat(file).hasContent("old");
    assertThat(files()).containsExactly(file);
  }

  @Test
  void severalFilesAreReplacedTogetherOrNotAtAll() throws IOException {
    Path data = directory.resolve("data");
    Path index = directory.resolve("index");
    AtomicFiles.writeString(data, "old data");
    AtomicFiles.writeString(index, "old index");

    assertThatThrownBy(
            () ->
                AtomicFiles.replace(
                    ImmutableMap.of(
                        data,
                        channel -> channel.write(ByteBuffer.allocate(10)),
                        index,
                        channel -> {
                          throw new IOException("No space left on device");
                        })))
        .isInstanceOf(IOException.class);
    assertThat(data).hasContent("old data");
    assertThat(index).hasContent("old index");
    assertThat(files()).containsExactly(data, index);
  }

  @Test
  void leavesNothingWhenTheContentCannotBeMade() throws IOException {
    Path file = directory.resolve("a.txt");

    assertThatThrownBy(
            () ->
                AtomicFiles.write(
                    file,
                    channel -> {
                      throw new IllegalStateException("broken");
                    }))
        .isInstanceOf(IllegalStateException.class);
    assertThat(files()).isEmpty();
  }

  @Test
  void followsASymbolicLink() throws IOException {
    Path file = directory.resolve("a.txt");
    Path link = directory.resolve("link.txt");
    Files.writeString(file, "old");
    Files.createSymbolicLink(link, file);

    AtomicFiles.writeString(link, "new");

    assertThat(link).isSymbolicLink();
    assertThat(file).hasContent("new");
  }

  @Test
  void saysThatTheDirectoryIsMissing() {
    assertThatThrownBy(() -> AtomicFiles.writeString(directory.resolve("no/a.txt"), "x"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("directory does not exist");
    assertThatThrownBy(() -> AtomicFiles.writeString(directory, "x"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("it is a directory");
  }

  @Test
  void writesToAFullDeviceFailWithoutReplacingIt() {
    Path full = Path.of("/dev/full");
    Assumptions.assumeTrue(Files.exists(full), "no /dev/full here");

    assertThatThrownBy(() -> AtomicFiles.writeString(full, "x"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("No space left");
    assertThat(Files.isRegularFile(full)).isFalse();
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.sorted().toList();
    }
  }
}
