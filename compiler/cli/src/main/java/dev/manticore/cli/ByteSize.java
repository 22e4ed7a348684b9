package dev.manticore.cli;

import com.google.common.collect.ImmutableMap;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A number of bytes from 1 on, with or without a unit: 1000, 500MB, 2GiB. */
final class ByteSize implements ITypeConverter<Long> {

  private static final Pattern FORM = Pattern.compile("(\\d{1,9}) ?([A-Z]*)");
  private static final ImmutableMap<String, Long> UNITS =
      ImmutableMap.<String, Long>builder()
          .put("", 1L)
          .put("B", 1L)
          .put("KB", 1_000L)
          .put("MB", 1_000_000L)
          .put("GB", 1_000_000_000L)
          .put("KIB", 1L << 10)
          .put("MIB", 1L << 20)
          .put("GIB", 1L << 30)
          .buildOrThrow();

  @Override
  public Long convert(String text) {
    Matcher matcher = FORM.matcher(text.toUpperCase(Locale.ROOT));
    if (!matcher.matches() || !UNITS.containsKey(matcher.group(2))) {
      throw wrong(text);
    }
    long bytes = Long.parseLong(matcher.group(1)) * UNITS.get(matcher.group(2));
    if (bytes == 0) {
      throw wrong(text);
    }
    return bytes;
  }

  private static TypeConversionException wrong(String text) {
    return new TypeConversionException("'" + text + "' is not a size such as 1000, 500MB or 2GiB");
  }
}
