package dev.manticore.maven;

import static com.google.common.collect.ImmutableSortedMap.toImmutableSortedMap;

import com.google.common.collect.ImmutableSortedMap;
import com.google.common.hash.Hashing;
import com.google.common.io.MoreFiles;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneOffset;
import java.util.Comparator;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * Zip files that are the same bytes whenever and wherever they are written: entries in the order of
 * their names, all of one time, and stored as they are. Weights hardly compress, and JDKs come with
 * compressors that do not agree on the bytes.
 */
final class ReproducibleZip {

  /** The form has no earlier time. */
  private static final Instant EARLIEST = Instant.parse("1980-01-01T00:00:00Z");

  /** The form has no later one that its short fields hold. */
  private static final Instant LATEST = Instant.parse("2107-12-31T23:59:58Z");

  private ReproducibleZip() {}

  /**
   * The time that a build gives its archives.
   *
   * @param outputTimestamp in ISO 8601, or in seconds since 1970; Maven lets a single letter, an
   *     empty text or null say that there is none, which is a fixed time here
   * @throws java.time.format.DateTimeParseException if it is no time
   */
  static Instant time(String outputTimestamp) {
    String text = outputTimestamp == null ? "" : outputTimestamp.strip();
    if (text.isEmpty() || (text.length() == 1 && !Character.isDigit(text.charAt(0)))) {
      return EARLIEST;
    }
    if (text.chars().allMatch(c -> c >= '0' && c <= '9')) {
      return text.length() > 12 ? LATEST : Instant.ofEpochSecond(Long.parseLong(text));
    }
    return OffsetDateTime.parse(text).toInstant();
  }

  /**
   * Writes the files of a directory, and of those below it, into a zip file, which is old or new
   * but never half.
   *
   * @param time of all entries; brought into the range that zip files know, 1980 to 2107
   */
  static void write(Path directory, Path archive, Instant time) throws IOException {
    Path partial = archive.resolveSibling("." + archive.getFileName() + ".partial");
    try {
      try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(partial));
          ZipOutputStream zip = new ZipOutputStream(out)) {
        zip.setMethod(ZipOutputStream.STORED);
        for (Map.Entry<String, Path> file : files(directory).entrySet()) {
          zip.putNextEntry(entry(file.getKey(), file.getValue(), time));
          Files.copy(file.getValue(), zip);
          zip.closeEntry();
        }
      }
      Files.move(partial, archive, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(partial);
    }
  }

  /** By name in the archive, in the order that does not depend on a locale. */
  private static ImmutableSortedMap<String, Path> files(Path directory) throws IOException {
    try (Stream<Path> all = Files.walk(directory)) {
      return all.filter(path -> Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS))
          .collect(
              toImmutableSortedMap(
                  Comparator.naturalOrder(),
                  path -> directory.relativize(path).toString().replace('\\', '/'),
                  path -> path));
    }
  }

  /** What is stored as it is has its size and checksum before it. */
  private static ZipEntry entry(String name, Path file, Instant time) throws IOException {
    ZipEntry entry = new ZipEntry(name);
    entry.setSize(Files.size(file));
    entry.setCrc(MoreFiles.asByteSource(file).hash(Hashing.crc32()).padToLong());
    Instant within = time.isBefore(EARLIEST) ? EARLIEST : time.isAfter(LATEST) ? LATEST : time;
    entry.setTimeLocal(LocalDateTime.ofInstant(within, ZoneOffset.UTC));
    return entry;
  }
}
