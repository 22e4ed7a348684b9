package dev.manticore.onnx.io;

import static java.util.Objects.checkFromIndexSize;

import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.TensorData;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.Optional;

/**
 * A file as it was when it was looked at. What it holds is read when asked for, as long as the file
 * is still the same; another one under its name, or a changed one, is refused.
 */
public final class StableFile {

  /**
   * The codes of the errors that reading ends with.
   *
   * @param unreadable the file cannot be read
   * @param changed the file is no longer what it was
   */
  public record ErrorCodes(String unreadable, String changed) {}

  /** What tells one version of a file from another. */
  private record Version(long size, FileTime modified, Optional<Object> key) {
    static Version of(Path path, LinkOption... links) throws IOException {
      BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class, links);
      return new Version(
          attributes.size(),
          attributes.lastModifiedTime(),
          Optional.ofNullable(attributes.fileKey()));
    }
  }

  private final Path path;
  private final ErrorCodes codes;
  private final LinkOption[] links;
  private final Version version;

  private StableFile(Path path, ErrorCodes codes, LinkOption[] links, Version version) {
    this.path = path;
    this.codes = codes;
    this.links = links;
    this.version = version;
  }

  /**
   * Looks at a file.
   *
   * @param links whether a symbolic link of that name is followed, now and when it is read
   * @throws IOException if its attributes cannot be read
   */
  public static StableFile of(Path path, ErrorCodes codes, LinkOption... links) throws IOException {
    return new StableFile(path, codes, links.clone(), Version.of(path, links));
  }

  /** Its size in bytes. */
  public long size() {
    return version.size();
  }

  /**
   * Bytes at a place in the file. The file is opened for each read, so that there is nothing to
   * close and an interrupted thread cannot close it for others. Reading throws {@link
   * ManticoreException} with the codes given.
   */
  public TensorData region(long start, long length) {
    return new Region(start, length);
  }

  private final class Region implements TensorData {

    private final long start;
    private final long length;

    Region(long start, long length) {
      this.start = start;
      this.length = length;
    }

    @Override
    public long byteSize() {
      return length;
    }

    @Override
    public void read(long offset, ByteBuffer target) {
      checkFromIndexSize(offset, (long) target.remaining(), length);
      ImmutableSet<OpenOption> options =
          ImmutableSet.<OpenOption>builder().add(StandardOpenOption.READ).add(links).build();
      try (FileChannel channel = FileChannel.open(path, options)) {
        if (!Version.of(path, links).equals(version)) {
          throw new ManticoreException(
              codes.changed(),
              "cannot read " + path + ": it was changed after it was opened; start again");
        }
        long position = start + offset;
        while (target.hasRemaining()) {
          int count = channel.read(target, position);
          if (count < 0) {
            throw new ManticoreException(
                codes.unreadable(),
                "cannot read "
                    + path
                    + ": it ended at byte "
                    + position
                    + "; start again with the whole file");
          }
          position += count;
        }
      } catch (IOException e) {
        throw new ManticoreException(
            codes.unreadable(), "cannot read " + path + ": " + FileProblems.reason(e), e);
      }
    }
  }
}
