package dev.manticore.compiler.memory;

import com.google.common.collect.ImmutableMap;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A number of bytes from 1 on as people write it, with or without a unit: 1000, 500 MB, 2GiB. */
public final class ByteSize {

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

  /** Below so many of a unit the next smaller one is used. */
  private static final long FEW = 10;

  private ByteSize() {}

  /** The bytes that a text means; empty if it means none, or 0. */
  public static OptionalLong parse(String text) {
    Matcher matcher = FORM.matcher(text.toUpperCase(Locale.ROOT));
    if (!matcher.matches() || !UNITS.containsKey(matcher.group(2))) {
      return OptionalLong.empty();
    }
    long bytes = Long.parseLong(matcher.group(1)) * UNITS.get(matcher.group(2));
    return bytes == 0 ? OptionalLong.empty() : OptionalLong.of(bytes);
  }

  /** A text that means as many bytes or, rounded to whole MB or kB, a little more: 546 MB. */
  public static String text(long bytes) {
    if (bytes >= FEW * UNITS.get("MB")) {
      return roundedUp(bytes, UNITS.get("MB")) + " MB";
    }
    return bytes >= FEW * UNITS.get("KB")
        ? roundedUp(bytes, UNITS.get("KB")) + " kB"
        : bytes + " B";
  }

  /** A text that means exactly so many bytes, if there is one: 1500MB. */
  public static String exactText(long bytes) {
    Map.Entry<String, Long> largest =
        UNITS.entrySet().stream()
            .filter(unit -> bytes % unit.getValue() == 0)
            .max(Map.Entry.comparingByValue())
            .orElseThrow();
    return bytes / largest.getValue() + largest.getKey();
  }

  private static long roundedUp(long bytes, long unit) {
    return (bytes + unit - 1) / unit;
  }
}
