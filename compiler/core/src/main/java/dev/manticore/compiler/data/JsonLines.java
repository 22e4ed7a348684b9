package dev.manticore.compiler.data;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ManticoreException;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/**
 * A file with one JSON object a line, UTF-8. Each line is a document: the text of {@code fields},
 * in that order, joined by a line break. Blank lines are skipped; other fields are ignored.
 *
 * @param fields the names of fields that hold text, at least one
 */
public record JsonLines(Path file, ImmutableList<String> fields) implements TextSource {

  /** The longest line read, in bytes. */
  private static final int LONGEST_LINE = 16 << 20;

  private static final JsonMapper MAPPER =
      JsonMapper.builder(
              JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(64)
                          .maxStringLength(LONGEST_LINE)
                          .build())
                  .build())
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  public JsonLines {
    if (fields.isEmpty()) {
      throw new ManticoreException(
          "MNT-DATA", "No field of " + file + " is named: say which fields hold the text.");
    }
  }

  @Override
  public void read(Consumer<String> documents) {
    readFields(
        texts -> {
          String text = String.join("\n", texts);
          if (!text.isBlank()) {
            documents.accept(text);
          }
        });
  }

  /**
   * Reads the lines in order, of each the text of all fields.
   *
   * @throws ManticoreException {@code MNT-DATA} as {@link #read} does
   */
  public void readFields(Consumer<ImmutableList<String>> lines) {
    try (InputStream in = new BufferedInputStream(Files.newInputStream(file), 1 << 16)) {
      ByteArrayOutputStream line = new ByteArrayOutputStream();
      long number = 1;
      for (int value = in.read(); value >= 0; value = in.read()) {
        if (value != '\n') {
          if (line.size() == LONGEST_LINE) {
            throw bad(number, "is longer than " + (LONGEST_LINE >> 20) + " MiB");
          }
          line.write(value);
          continue;
        }
        line(line.toByteArray(), number, lines);
        line.reset();
        number++;
      }
      line(line.toByteArray(), number, lines);
    } catch (IOException e) {
      throw TextFiles.unreadable(file, e);
    }
  }

  private void line(byte[] line, long number, Consumer<ImmutableList<String>> lines) {
    String json = TextFiles.decode(line, 0, line.length, "Line " + number + " of " + file);
    if (json.isBlank()) {
      return;
    }
    JsonNode object;
    try {
      object = MAPPER.readTree(json);
    } catch (JsonProcessingException e) {
      throw bad(number, "is not JSON: " + e.getOriginalMessage());
    }
    if (!object.isObject()) {
      throw bad(number, "is not a JSON object");
    }
    lines.accept(
        fields.stream()
            .map(field -> text(object, field, number))
            .collect(ImmutableList.toImmutableList()));
  }

  private String text(JsonNode object, String field, long number) {
    JsonNode value = object.path(field);
    if (!value.isTextual()) {
      String names =
          StreamSupport.stream(((Iterable<String>) object::fieldNames).spliterator(), false)
              .limit(10)
              .collect(Collectors.joining(", "));
      throw bad(number, "has no text in field \"" + field + "\"; its fields are: " + names);
    }
    return value.textValue();
  }

  private ManticoreException bad(long line, String reason) {
    return new ManticoreException("MNT-DATA", "Line " + line + " of " + file + " " + reason + ".");
  }

  @Override
  public String fingerprint() {
    return TextFiles.fingerprint(file, "json lines " + fields);
  }

  @Override
  public String description() {
    return "the JSON lines file " + file;
  }
}
