package dev.manticore.onnx;

import com.google.common.collect.ImmutableMap;
import com.google.protobuf.CodedInputStream;
import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.WireFormat;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.TensorData;
import dev.manticore.onnx.io.FileProblems;
import dev.manticore.onnx.io.ForeignFormats;
import dev.manticore.onnx.io.StableFile;
import dev.manticore.onnx.proto.GraphProto;
import dev.manticore.onnx.proto.ModelProto;
import dev.manticore.onnx.proto.TensorProto;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * A model file, parsed but for the bytes of its large initializers: these stay in the file and are
 * known by their place, so that a model of any size opens on a small heap.
 */
final class ModelFile {

  /** Protobuf messages end at 2 GiB. */
  static final long MAX_FILE_BYTES = Integer.MAX_VALUE;

  /** What is not the data of an initializer; far more than any graph needs. */
  static final int MAX_STRUCTURE_BYTES = 256 << 20;

  /** Nested messages. */
  static final int RECURSION_LIMIT = 100;

  private static final int INLINE_BYTES = 1024;

  private static final int GRAPH_TAG = delimited(ModelProto.GRAPH_FIELD_NUMBER);
  private static final int INITIALIZER_TAG = delimited(GraphProto.INITIALIZER_FIELD_NUMBER);
  private static final int RAW_DATA_TAG = delimited(TensorProto.RAW_DATA_FIELD_NUMBER);

  /**
   * A parsed model.
   *
   * @param places by index of the main graph's initializer, data that was left in the file
   */
  record Contents(ModelProto model, ImmutableMap<Integer, TensorData> places) {}

  private interface Scan {
    void run(CodedInputStream in, CodedOutputStream out) throws IOException;
  }

  private final Path file;
  private final StableFile stable;
  private final Map<Integer, TensorData> places = new LinkedHashMap<>();
  private int initializers;
  private long structureBytes;

  private ModelFile(Path file, StableFile stable) {
    this.file = file;
    this.stable = stable;
  }

  /**
   * @throws ManticoreException if the file cannot be read, is too large or is no model
   */
  static Contents read(Path path) {
    try {
      Path file = path.toRealPath();
      if (!Files.isRegularFile(file)) {
        throw new ManticoreException(
            "MNT-ONNX-READ", "model " + path + " cannot be read: it is not a regular file");
      }
      StableFile stable = StableFile.of(file, Problems.READING, LinkOption.NOFOLLOW_LINKS);
      if (stable.size() > MAX_FILE_BYTES) {
        throw new ManticoreException(
            "MNT-ONNX-SIZE",
            "model "
                + path
                + " has "
                + stable.size()
                + " bytes; a model file ends at 2 GiB, larger ones keep their tensors as external"
                + " data");
      }
      return new ModelFile(file, stable).read();
    } catch (InvalidProtocolBufferException e) {
      Optional<String> advice = ForeignFormats.advice(path);
      if (advice.isPresent()) {
        throw new ManticoreException("MNT-ONNX-PARSE", "model " + path + " " + advice.get(), e);
      }
      throw notProtobuf("model " + path, e);
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-ONNX-READ", "model " + path + " cannot be read: " + FileProblems.reason(e), e);
    }
  }

  /**
   * @throws ManticoreException if the bytes are no model
   */
  static Contents parse(byte[] bytes, String source) {
    try {
      return new Contents(parse(bytes), ImmutableMap.of());
    } catch (InvalidProtocolBufferException e) {
      throw notProtobuf(source, e);
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-ONNX-READ", source + " cannot be read: " + FileProblems.reason(e), e);
    }
  }

  private static ModelProto parse(byte[] bytes) throws IOException {
    CodedInputStream in = CodedInputStream.newInstance(bytes);
    in.setRecursionLimit(RECURSION_LIMIT);
    return ModelProto.parseFrom(in);
  }

  private Contents read() throws IOException {
    ByteArrayOutputStream structure = new ByteArrayOutputStream();
    try (InputStream stream = Files.newInputStream(file)) {
      CodedInputStream in = CodedInputStream.newInstance(stream);
      in.setSizeLimit(Integer.MAX_VALUE);
      CodedOutputStream out = CodedOutputStream.newInstance(structure);
      fields(in, out, GRAPH_TAG, this::graph);
      out.flush();
    }
    return new Contents(parse(structure.toByteArray()), ImmutableMap.copyOf(places));
  }

  private void graph(CodedInputStream in, CodedOutputStream out) throws IOException {
    fields(in, out, INITIALIZER_TAG, this::initializer);
  }

  private void initializer(CodedInputStream in, CodedOutputStream out) throws IOException {
    int index = initializers++;
    int tag;
    while ((tag = in.readTag()) != 0) {
      if (tag != RAW_DATA_TAG) {
        copy(in, out, tag);
        continue;
      }
      int length = in.readRawVarint32();
      if (length >= 0 && length < INLINE_BYTES) {
        copyBytes(in, out, tag, length);
      } else {
        long offset = in.getTotalBytesRead();
        in.skipRawBytes(length);
        places.put(index, stable.region(offset, length));
      }
    }
  }

  /** Copies a message, handing the fields of one tag to {@code nested}. */
  private void fields(CodedInputStream in, CodedOutputStream out, int nestedTag, Scan nested)
      throws IOException {
    int tag;
    while ((tag = in.readTag()) != 0) {
      if (tag != nestedTag) {
        copy(in, out, tag);
        continue;
      }
      ByteArrayOutputStream message = new ByteArrayOutputStream();
      CodedOutputStream inner = CodedOutputStream.newInstance(message);
      int limit = in.pushLimit(in.readRawVarint32());
      nested.run(in, inner);
      if (in.getBytesUntilLimit() != 0) {
        throw new InvalidProtocolBufferException("a message ends early");
      }
      in.popLimit(limit);
      inner.flush();
      out.writeUInt32NoTag(tag);
      out.writeByteArrayNoTag(message.toByteArray());
    }
  }

  private void copy(CodedInputStream in, CodedOutputStream out, int tag) throws IOException {
    switch (WireFormat.getTagWireType(tag)) {
      case WireFormat.WIRETYPE_LENGTH_DELIMITED -> copyBytes(in, out, tag, in.readRawVarint32());
      case WireFormat.WIRETYPE_VARINT -> {
        count(16);
        out.writeUInt32NoTag(tag);
        out.writeUInt64NoTag(in.readRawVarint64());
      }
      case WireFormat.WIRETYPE_FIXED32 -> {
        count(16);
        out.writeUInt32NoTag(tag);
        out.writeFixed32NoTag(in.readRawLittleEndian32());
      }
      case WireFormat.WIRETYPE_FIXED64 -> {
        count(16);
        out.writeUInt32NoTag(tag);
        out.writeFixed64NoTag(in.readRawLittleEndian64());
      }
      default -> throw new InvalidProtocolBufferException("it has a group, which models have not");
    }
  }

  private void copyBytes(CodedInputStream in, CodedOutputStream out, int tag, int length)
      throws IOException {
    count(Math.max(0, length) + 16L);
    out.writeUInt32NoTag(tag);
    out.writeByteArrayNoTag(in.readRawBytes(length));
  }

  private void count(long bytes) {
    structureBytes += bytes;
    if (structureBytes > MAX_STRUCTURE_BYTES) {
      throw new ManticoreException(
          "MNT-ONNX-SIZE",
          "model "
              + file
              + " has more than "
              + MAX_STRUCTURE_BYTES
              + " bytes besides the raw data of its initializers; store tensors as raw data");
    }
  }

  private static int delimited(int fieldNumber) {
    return fieldNumber << 3 | WireFormat.WIRETYPE_LENGTH_DELIMITED;
  }

  static ManticoreException notProtobuf(String source, InvalidProtocolBufferException e) {
    return new ManticoreException(
        "MNT-ONNX-PARSE",
        source
            + " is not in ONNX's protobuf format, or is cut off: "
            + e.getMessage()
            + "; get the file again",
        e);
  }
}
