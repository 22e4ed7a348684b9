package dev.manticore.maven;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.format.DateTimeParseException;
import java.util.List;
import java.util.TimeZone;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ReproducibleZipTest {

  private static final Instant TIME = Instant.parse("2026-02-03T04:05:06Z");

  @TempDir private Path directory;

  private Path files(String name, List<String> order) throws IOException {
    Path root = directory.resolve(name);
    for (String file : order) {
      Path path = root.resolve(file);
      Files.createDirectories(path.getParent());
      Files.writeString(path, "content of " + file + "\n");
    }
    return root;
  }

  private byte[] zipped(Path files) throws IOException {
    Path archive = directory.resolve("archive.zip");
    ReproducibleZip.write(files, archive, TIME);
    return Files.readAllBytes(archive);
  }

  @Test
  void theSameFilesGiveTheSameBytes() throws IOException {
    Path one = files("one", List.of("b/a.txt", "B.txt", "a.txt", "b.txt"));
    Path other = files("other", List.of("a.txt", "b.txt", "b/a.txt", "B.txt"));
    Files.setLastModifiedTime(other.resolve("a.txt"), FileTime.from(Instant.EPOCH));
    Files.createDirectories(other.resolve("empty"));
    byte[] first = zipped(one);
    TimeZone zone = TimeZone.getDefault();
    TimeZone.setDefault(TimeZone.getTimeZone("Asia/Kolkata"));
    try {
      assertThat(zipped(other)).isEqualTo(first);
    } finally {
      TimeZone.setDefault(zone);
    }
  }

  @Test
  void entriesAreInOrderAndOfOneTime() throws IOException {
    Path archive = directory.resolve("archive.zip");
    ReproducibleZip.write(files("files", List.of("b/a.txt", "B.txt", "a.txt")), archive, TIME);

    try (ZipFile zip = new ZipFile(archive.toFile())) {
      assertThat(zip.stream().map(ZipEntry::getName)).containsExactly("B.txt", "a.txt", "b/a.txt");
      assertThat(zip.stream().map(ZipEntry::getTimeLocal))
          .containsOnly(LocalDateTime.parse("2026-02-03T04:05:06"));
      assertThat(
              new String(
                  zip.getInputStream(zip.getEntry("b/a.txt")).readAllBytes(),
                  StandardCharsets.UTF_8))
          .isEqualTo("content of b/a.txt\n");
    }
    assertThat(directory.toFile().list()).containsExactlyInAnyOrder("files", "archive.zip");
  }

  @Test
  void aFailedWriteLeavesTheEarlierArchive() throws IOException {
    Path archive = Files.writeString(directory.resolve("archive.zip"), "earlier");

    assertThatThrownBy(() -> ReproducibleZip.write(directory.resolve("missing"), archive, TIME))
        .isInstanceOf(IOException.class);
    assertThat(archive).hasContent("earlier");
    assertThat(directory.toFile().list()).containsExactly("archive.zip");
  }

  @Test
  void timesAreReadAsMavenWritesThem() {
    assertThat(ReproducibleZip.time("2026-02-03T05:05:06+01:00")).isEqualTo(TIME);
    assertThat(ReproducibleZip.time(Long.toString(TIME.getEpochSecond()))).isEqualTo(TIME);
    Instant none = Instant.parse("1980-01-01T00:00:00Z");
    assertThat(ReproducibleZip.time(null)).isEqualTo(none);
    assertThat(ReproducibleZip.time("x")).isEqualTo(none);
    assertThatThrownBy(() -> ReproducibleZip.time("yesterday"))
        .isInstanceOf(DateTimeParseException.class);
  }

  @Test
  void timesThatZipFilesDoNotKnowAreBroughtIntoTheirRange() throws IOException {
    Path archive = directory.resolve("archive.zip");
    ReproducibleZip.write(files("files", List.of("a.txt")), archive, Instant.EPOCH);

    try (ZipFile zip = new ZipFile(archive.toFile())) {
      assertThat(zip.entries().nextElement().getTimeLocal())
          .isEqualTo(LocalDateTime.parse("1980-01-01T00:00:00"));
    }
  }
}
