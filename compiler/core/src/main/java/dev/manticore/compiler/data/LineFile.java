package dev.manticore.compiler.data;

import dev.manticore.ir.ManticoreException;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * A file of any size whose lines are read one by one, in any order: only where they lie is kept in
 * memory. Blank lines do not count. Safe for use by several threads.
 */
public final class LineFile {

  /** The longest line read, in bytes. */
  private static final int LONGEST_LINE = 16 << 20;

  private static final int MOST_LINES = 50_000_000;

  private final Path file;
  private final long[] starts;
  private final int[] lengths;
  private final int[] numbers;

  private LineFile(Path file, long[] starts, int[] lengths, int[] numbers) {
    this.file = file;
    this.starts = starts;
    this.lengths = lengths;
    this.numbers = numbers;
  }

  /**
   * Finds the lines of a file.
   *
   * @throws ManticoreException {@code MNT-DATA} if it cannot be read, has no lines, or too many or
   *     too long ones
   */
  public static LineFile open(Path file) {
    long[] starts = new long[1024];
    int[] lengths = new int[1024];
    int[] numbers = new int[1024];
    int size = 0;
    try (InputStream in = new BufferedInputStream(Files.newInputStream(file), 1 << 16)) {
      long position = 0;
      int number = 0;
      boolean more = true;
      while (more) {
        long start = position;
        boolean blank = true;
        int value = in.read();
        while (value >= 0 && value != '\n') {
          blank &= value <= ' ';
          position++;
          value = in.read();
        }
        number++;
        more = value >= 0;
        long length = position - start;
        position++;
        if (length > LONGEST_LINE) {
          throw bad(file, number, "is longer than " + (LONGEST_LINE >> 20) + " MiB");
        }
        if (blank) {
          continue;
        }
        if (size == MOST_LINES) {
          throw bad(file, number, "is one too many: at most " + MOST_LINES + " are read");
        }
        if (size == starts.length) {
          starts = Arrays.copyOf(starts, 2 * size);
          lengths = Arrays.copyOf(lengths, 2 * size);
          numbers = Arrays.copyOf(numbers, 2 * size);
        }
        starts[size] = start;
        lengths[size] = (int) length;
        numbers[size] = number;
        size++;
      }
    } catch (IOException e) {
      throw TextFiles.unreadable(file, e);
    }
    if (size == 0) {
      throw new ManticoreException("MNT-DATA", "There are no lines in " + file + ".");
    }
    return new LineFile(
        file,
        Arrays.copyOf(starts, size),
        Arrays.copyOf(lengths, size),
        Arrays.copyOf(numbers, size));
  }

  public Path file() {
    return file;
  }

  public int size() {
    return starts.length;
  }

  /**
   * The bytes of a line, its end left out.
   *
   * @throws ManticoreException {@code MNT-DATA} if it is not there any more
   */
  public byte[] bytes(int index) {
    ByteBuffer bytes = ByteBuffer.allocate(lengths[index]);
    try (SeekableByteChannel channel = Files.newByteChannel(file)) {
      channel.position(starts[index]);
      while (bytes.hasRemaining()) {
        if (channel.read(bytes) < 0) {
          throw bad(index, "is not there any more: the file changed while it was in use");
        }
      }
    } catch (IOException e) {
      throw TextFiles.unreadable(file, e);
    }
    byte[] all = bytes.array();
    boolean windows = all[all.length - 1] == '\r';
    return windows ? Arrays.copyOf(all, all.length - 1) : all;
  }

  /**
   * A line, its end left out.
   *
   * @throws ManticoreException {@code MNT-DATA} if it is not UTF-8
   */
  public String line(int index) {
    byte[] bytes = bytes(index);
    return TextFiles.decode(bytes, 0, bytes.length, "Line " + numbers[index] + " of " + file);
  }

  /** A line that is not what it should be. */
  public ManticoreException bad(int index, String reason) {
    return bad(file, numbers[index], reason);
  }

  private static ManticoreException bad(Path file, int number, String reason) {
    return new ManticoreException(
        "MNT-DATA", "Line " + number + " of " + file + " " + reason + ".");
  }
}
