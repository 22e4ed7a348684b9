package dev.manticore.compiler.report;

import com.google.common.io.Resources;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** The frame of a page that opens offline: no scripts, and nothing that is loaded. */
final class Page {

  /** How wide its content may get. */
  enum Width {
    /** For a column of text. */
    TEXT,
    /** For tables of many columns, and charts side by side. */
    TABLES
  }

  private Page() {}

  /**
   * A whole page.
   *
   * @param kind what it is, above the title
   */
  static String of(String kind, String title, Width width, Html content) {
    return new Html()
        .line("<!doctype html>")
        .line("<html lang=\"en\"><head><meta charset=\"utf-8\">")
        .line("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
        .line("<meta name=\"color-scheme\" content=\"light dark\">")
        .line("<title>%s: %s</title>", title, kind)
        .line("<style>")
        .raw(style())
        .line("</style></head><body><main class=\"%s\">", width.name().toLowerCase(Locale.ROOT))
        .line("<p class=\"kicker\">%s</p><h1>%s</h1>", kind, title)
        .raw(content.toString())
        .line("</main></body></html>")
        .toString();
  }

  private static String style() {
    try {
      return Resources.toString(
          Resources.getResource(Page.class, "report.css"), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
