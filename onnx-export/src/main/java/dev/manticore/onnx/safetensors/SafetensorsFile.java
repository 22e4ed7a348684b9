package dev.manticore.onnx.safetensors;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.onnx.io.ForeignFormats;
import dev.manticore.onnx.io.StableFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * A safetensors file: 8 bytes of header length, a JSON header, then the tensors' bytes without
 * holes or overlap. Opening reads and checks the header alone; the tensors' data is read from the
 * file when asked for, so the file may be of any size but must stay as it is.
 */
public final class SafetensorsFile {

  /** The largest header accepted, in bytes, unless told otherwise. */
  public static final int HEADER_LIMIT = 16 << 20;

  private static final StableFile.ErrorCodes READING =
      new StableFile.ErrorCodes("MNT-SAFETENSORS", "MNT-SAFETENSORS");

  private final Path path;
  private final ImmutableMap<String, Tensor> tensors;
  private final ImmutableMap<String, String> metadata;

  private SafetensorsFile(
      Path path, ImmutableMap<String, Tensor> tensors, ImmutableMap<String, String> metadata) {
    this.path = path;
    this.tensors = tensors;
    this.metadata = metadata;
  }

  /**
   * Opens a file with a header of at most {@link #HEADER_LIMIT} bytes.
   *
   * @throws ManticoreException {@code MNT-SAFETENSORS} if it cannot be read or is not well formed
   */
  public static SafetensorsFile open(Path path) {
    return open(path, HEADER_LIMIT);
  }

  /**
   * Opens a file.
   *
   * @param headerLimit the largest header accepted, in bytes
   * @throws ManticoreException {@code MNT-SAFETENSORS} if it cannot be read or is not well formed
   */
  public static SafetensorsFile open(Path path, int headerLimit) {
    if (!Files.isRegularFile(path)) {
      throw failure(path, Files.exists(path) ? "it is not a file" : "there is no such file");
    }
    Optional<String> advice = ForeignFormats.advice(path);
    if (advice.isPresent()) {
      throw new ManticoreException("MNT-SAFETENSORS", path + " " + advice.get());
    }
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      return parse(path, StableFile.of(path, READING), channel, headerLimit);
    } catch (JsonProcessingException e) {
      throw failure(path, "its header is not valid JSON: " + e.getOriginalMessage());
    } catch (CharacterCodingException e) {
      throw failure(path, "its header is not UTF-8");
    } catch (NoSuchFileException e) {
      throw failure(path, "there is no such file");
    } catch (IOException e) {
      throw failure(path, e.getMessage());
    }
  }

  public Path path() {
    return path;
  }

  /** The tensors by name, in the order of their data. */
  public ImmutableMap<String, Tensor> tensors() {
    return tensors;
  }

  /** The strings under {@code __metadata__}. */
  public ImmutableMap<String, String> metadata() {
    return metadata;
  }

  private static SafetensorsFile parse(
      Path path, StableFile file, FileChannel channel, int headerLimit) throws IOException {
    if (file.size() < 8) {
      throw failure(path, "it has " + file.size() + " bytes, too few for a header");
    }
    long length = readFully(path, channel, 0, 8).getLong();
    if (length < 0 || length > headerLimit) {
      throw failure(
          path,
          "its header should take "
              + Long.toUnsignedString(length)
              + " bytes, more than the limit of "
              + headerLimit
              + "; is it a safetensors file?");
    }
    long dataStart = 8 + length;
    if (dataStart > file.size()) {
      throw failure(
          path,
          "it ends at byte "
              + file.size()
              + " within its header of "
              + length
              + " bytes; it is truncated: copy it again");
    }
    String text =
        StandardCharsets.UTF_8
            .newDecoder()
            .decode(readFully(path, channel, 8, (int) length))
            .toString();
    Header header = Header.parse(path, text);
    return new SafetensorsFile(
        path, tensors(path, file, dataStart, header.entries()), header.metadata());
  }

  private static ImmutableMap<String, Tensor> tensors(
      Path path, StableFile file, long dataStart, List<Header.Entry> entries) {
    long dataSize = file.size() - dataStart;
    List<Header.Entry> sorted =
        entries.stream()
            .sorted(
                Comparator.comparingLong(Header.Entry::begin).thenComparingLong(Header.Entry::end))
            .toList();
    ImmutableMap.Builder<String, Tensor> tensors = ImmutableMap.builder();
    long position = 0;
    for (Header.Entry entry : sorted) {
      String where = "tensor '" + entry.name() + "' ";
      if (entry.begin() != position) {
        throw failure(
            path,
            where
                + "starts at byte "
                + entry.begin()
                + " of the data, but the one before it ends at "
                + position
                + ": there is "
                + (entry.begin() > position ? "a hole" : "an overlap"));
      }
      if (entry.end() > dataSize) {
        throw failure(
            path,
            where
                + "ends at byte "
                + entry.end()
                + " of the data, but the file holds "
                + dataSize
                + "; it is truncated: copy it again");
      }
      long size = byteSize(path, entry);
      if (entry.end() - entry.begin() != size) {
        throw failure(
            path,
            where
                + "takes "
                + (entry.end() - entry.begin())
                + " bytes, but "
                + entry.type()
                + " needs "
                + size);
      }
      tensors.put(
          entry.name(), new Tensor(entry.type(), file.region(dataStart + entry.begin(), size)));
      position = entry.end();
    }
    if (position != dataSize) {
      throw failure(
          path,
          "its tensors end at byte "
              + position
              + " of the data, but the file holds "
              + dataSize
              + "; it has been appended to or its header is wrong");
    }
    return tensors.buildOrThrow();
  }

  private static long byteSize(Path path, Header.Entry entry) {
    TensorType type = entry.type();
    try {
      return type.byteSize();
    } catch (ArithmeticException e) {
      throw failure(
          path, "tensor '" + entry.name() + "' is too large: " + Shape.of(type.shape().extents()));
    }
  }

  private static ByteBuffer readFully(Path path, FileChannel channel, long position, int count)
      throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(count).order(ByteOrder.LITTLE_ENDIAN);
    while (bytes.hasRemaining()) {
      if (channel.read(bytes, position + bytes.position()) < 0) {
        throw failure(path, "it was truncated while it was read");
      }
    }
    return bytes.flip();
  }

  static ManticoreException failure(Path path, String what) {
    return new ManticoreException("MNT-SAFETENSORS", "cannot read " + path + ": " + what);
  }
}
