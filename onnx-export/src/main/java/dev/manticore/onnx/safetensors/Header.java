package dev.manticore.onnx.safetensors;

import static dev.manticore.onnx.safetensors.SafetensorsFile.failure;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.primitives.Longs;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The JSON header, checked token by token; nothing but the format's own structure is accepted. */
record Header(ImmutableList<Entry> entries, ImmutableMap<String, String> metadata) {

  /** A tensor: its bytes are those from {@code begin} to {@code end} of the data. */
  record Entry(String name, TensorType type, long begin, long end) {}

  private static final int DEPTH_LIMIT = 8;

  static Header parse(Path path, String text) throws IOException {
    if (!text.startsWith("{")) {
      throw failure(path, "its header is not a JSON object; is it a safetensors file?");
    }
    JsonFactory factory =
        JsonFactory.builder()
            .streamReadConstraints(
                StreamReadConstraints.builder().maxNestingDepth(DEPTH_LIMIT).build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();
    try (JsonParser parser = factory.createParser(text)) {
      return new Reader(path, parser).header();
    }
  }

  private record Reader(Path path, JsonParser parser) {

    Header header() throws IOException {
      ImmutableList.Builder<Entry> entries = ImmutableList.builder();
      ImmutableMap<String, String> metadata = ImmutableMap.of();
      parser.nextToken();
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String name = parser.currentName();
        if (name.equals(Dtypes.METADATA)) {
          metadata = metadata();
        } else {
          entries.add(entry(name));
        }
      }
      if (parser.nextToken() != null) {
        throw failure(path, "its header goes on after the JSON object");
      }
      return new Header(entries.build(), metadata);
    }

    private ImmutableMap<String, String> metadata() throws IOException {
      expect(JsonToken.START_OBJECT, Dtypes.METADATA, "an object of strings");
      ImmutableMap.Builder<String, String> metadata = ImmutableMap.builder();
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String key = parser.currentName();
        expect(JsonToken.VALUE_STRING, Dtypes.METADATA, "an object of strings");
        metadata.put(key, parser.getText());
      }
      return metadata.buildOrThrow();
    }

    private Entry entry(String name) throws IOException {
      expect(JsonToken.START_OBJECT, name, "an object");
      Optional<ElementType> dtype = Optional.empty();
      Optional<List<Long>> shape = Optional.empty();
      Optional<List<Long>> offsets = Optional.empty();
      while (parser.nextToken() == JsonToken.FIELD_NAME) {
        String key = parser.currentName();
        switch (key) {
          case "dtype" -> dtype = Optional.of(dtype(name));
          case "shape" -> shape = Optional.of(longs(name, "shape"));
          case "data_offsets" -> offsets = Optional.of(longs(name, "data_offsets"));
          default -> throw wrong(name, "has the unknown key '" + key + "'");
        }
      }
      if (dtype.isEmpty() || shape.isEmpty() || offsets.isEmpty()) {
        throw wrong(name, "needs dtype, shape and data_offsets");
      }
      List<Long> range = offsets.get();
      if (range.size() != 2 || range.get(0) > range.get(1)) {
        throw wrong(name, "has data_offsets " + range + ", which should be a begin and an end");
      }
      return new Entry(
          name,
          new TensorType(dtype.get(), Shape.of(Longs.toArray(shape.get()))),
          range.get(0),
          range.get(1));
    }

    private ElementType dtype(String name) throws IOException {
      expect(JsonToken.VALUE_STRING, name, "an object whose dtype is a string");
      String text = parser.getText();
      ElementType type = Dtypes.BY_NAME.get(text);
      if (type == null) {
        throw wrong(
            name, "has dtype '" + text + "', which is not one of " + Dtypes.BY_NAME.keySet());
      }
      return type;
    }

    private List<Long> longs(String name, String key) throws IOException {
      String wanted = "an object whose " + key + " is a list of integers of at least 0";
      expect(JsonToken.START_ARRAY, name, wanted);
      List<Long> values = new ArrayList<>();
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT
            || parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER
            || parser.getLongValue() < 0) {
          throw wrong(name, "should be " + wanted);
        }
        values.add(parser.getLongValue());
      }
      return values;
    }

    private void expect(JsonToken token, String name, String wanted) throws IOException {
      if (parser.nextToken() != token) {
        throw wrong(name, "should be " + wanted);
      }
    }

    private RuntimeException wrong(String name, String what) {
      return failure(path, "tensor '" + name + "' " + what);
    }
  }
}
