package dev.manticore.compiler.report;

import com.google.common.html.HtmlEscapers;
import java.util.Locale;

/** Builds markup; all text is escaped. */
final class Html {

  private final StringBuilder text = new StringBuilder();

  static String escape(String raw) {
    return HtmlEscapers.htmlEscaper().escape(raw);
  }

  /** Adds markup as it is. */
  Html raw(String markup) {
    text.append(markup);
    return this;
  }

  /** Adds a line of markup made by {@link String#format}; texts among the arguments are escaped. */
  Html line(String format, Object... arguments) {
    Object[] escaped = new Object[arguments.length];
    for (int i = 0; i < arguments.length; i++) {
      escaped[i] = arguments[i] instanceof String raw ? escape(raw) : arguments[i];
    }
    text.append(String.format(Locale.ROOT, format, escaped)).append('\n');
    return this;
  }

  @Override
  public String toString() {
    return text.toString();
  }
}
