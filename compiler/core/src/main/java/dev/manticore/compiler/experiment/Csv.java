package dev.manticore.compiler.experiment;

import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.fasterxml.jackson.dataformat.csv.CsvGenerator;
import com.fasterxml.jackson.dataformat.csv.CsvMapper;
import com.fasterxml.jackson.dataformat.csv.CsvParser;
import com.fasterxml.jackson.dataformat.csv.CsvSchema;
import com.google.common.collect.ImmutableList;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;

/** Builds a table as RFC 4180 has it, but with line feeds, and reads one. */
public final class Csv {

  private static final CsvMapper MAPPER =
      CsvMapper.builder()
          .enable(CsvGenerator.Feature.STRICT_CHECK_FOR_QUOTING)
          .enable(CsvParser.Feature.WRAP_AS_ARRAY)
          .build();

  private static final ObjectWriter ROW =
      MAPPER.writerFor(Object[].class).with(CsvSchema.emptySchema().withLineSeparator("\n"));

  private final StringBuilder text = new StringBuilder();

  /** Adds a row of texts and numbers. */
  public void row(List<?> values) {
    try {
      text.append(ROW.writeValueAsString(values.toArray()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Reads the rows of a table, its head among them.
   *
   * @throws IOException if it is not well formed
   */
  static ImmutableList<ImmutableList<String>> rows(String text) throws IOException {
    ImmutableList.Builder<ImmutableList<String>> rows = ImmutableList.builder();
    try (MappingIterator<String[]> read = MAPPER.readerFor(String[].class).readValues(text)) {
      while (read.hasNextValue()) {
        rows.add(ImmutableList.copyOf(read.nextValue()));
      }
    }
    return rows.build();
  }

  @Override
  public String toString() {
    return text.toString();
  }
}
