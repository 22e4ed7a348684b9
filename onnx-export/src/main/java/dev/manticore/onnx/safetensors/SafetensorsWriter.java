package dev.manticore.onnx.safetensors;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.google.common.collect.ImmutableSortedMap;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.io.AtomicFiles;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/**
 * Writes safetensors files, the same bytes for the same content. Data passes through in windows, so
 * that tensors of any size are written on a small heap.
 */
public final class SafetensorsWriter {

  private static final int ALIGNMENT = 8;

  private SafetensorsWriter() {}

  /**
   * Writes a file, whole or not at all. The tensors are laid out in the order given, but those of
   * larger elements first, so that each is aligned to its elements; metadata is sorted by key.
   *
   * @throws ManticoreException {@code MNT-WRITE} if the file cannot be written; {@code
   *     MNT-SAFETENSORS} if the format cannot hold a tensor; or what reading the tensors throws
   */
  public static void write(Path path, Map<String, Tensor> tensors, Map<String, String> metadata) {
    List<Map.Entry<String, Tensor>> ordered =
        tensors.entrySet().stream()
            .sorted(Comparator.comparingInt(entry -> -entry.getValue().elementType().byteSize()))
            .toList();
    byte[] header = header(path, ordered, metadata);
    AtomicFiles.write(path, channel -> write(channel, header, ordered));
  }

  private static void write(
      WritableByteChannel channel, byte[] header, List<Map.Entry<String, Tensor>> tensors)
      throws IOException {
    ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
    AtomicFiles.writeFully(channel, length.putLong(header.length).flip());
    AtomicFiles.writeFully(channel, ByteBuffer.wrap(header));
    for (Map.Entry<String, Tensor> entry : tensors) {
      AtomicFiles.writeFully(channel, entry.getValue().data());
    }
  }

  private static byte[] header(
      Path path, List<Map.Entry<String, Tensor>> tensors, Map<String, String> metadata) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator json = new JsonFactory().createGenerator(bytes)) {
      json.writeStartObject();
      if (!metadata.isEmpty()) {
        json.writeObjectFieldStart(Dtypes.METADATA);
        for (Map.Entry<String, String> entry : ImmutableSortedMap.copyOf(metadata).entrySet()) {
          json.writeStringField(entry.getKey(), entry.getValue());
        }
        json.writeEndObject();
      }
      long position = 0;
      for (Map.Entry<String, Tensor> entry : tensors) {
        long end = Math.addExact(position, entry.getValue().data().byteSize());
        writeEntry(path, json, entry.getKey(), entry.getValue(), position, end);
        position = end;
      }
      json.writeEndObject();
    } catch (IOException e) {
      throw failure(path, "its header cannot be made: " + e.getMessage());
    }
    while (bytes.size() % ALIGNMENT != 0) {
      bytes.write(' ');
    }
    if (bytes.size() > SafetensorsFile.HEADER_LIMIT) {
      throw failure(path, "its header would take " + bytes.size() + " bytes; write fewer tensors");
    }
    return bytes.toByteArray();
  }

  private static void writeEntry(
      Path path, JsonGenerator json, String name, Tensor tensor, long begin, long end)
      throws IOException {
    String dtype = Dtypes.BY_NAME.inverse().get(tensor.elementType());
    if (dtype == null || name.equals(Dtypes.METADATA)) {
      throw failure(path, "the format has no place for tensor '" + name + "', " + tensor.type());
    }
    json.writeObjectFieldStart(name);
    json.writeStringField("dtype", dtype);
    json.writeFieldName("shape");
    long[] extents = tensor.shape().extents();
    json.writeArray(extents, 0, extents.length);
    json.writeFieldName("data_offsets");
    json.writeArray(new long[] {begin, end}, 0, 2);
    json.writeEndObject();
  }

  private static ManticoreException failure(Path path, String what) {
    return new ManticoreException("MNT-SAFETENSORS", "cannot write " + path + ": " + what);
  }
}
