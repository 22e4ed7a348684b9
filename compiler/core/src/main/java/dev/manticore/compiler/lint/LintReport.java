package dev.manticore.compiler.lint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.lint.Finding.Severity;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;

/**
 * All that was found.
 *
 * @param model the file or directory
 * @param readable whether the model could be read; if not, the only finding says why
 * @param findings the worst first
 */
public record LintReport(String model, boolean readable, ImmutableList<Finding> findings) {

  private static final JsonMapper JSON = JsonMapper.builder().build();

  /** How many findings there are of a severity. */
  public long count(Severity severity) {
    return findings.stream().filter(finding -> finding.severity() == severity).count();
  }

  /** Whether there is nothing but notes. */
  public boolean isClean() {
    return count(Severity.ERROR) + count(Severity.WARNING) == 0;
  }

  /** A paragraph for each finding, and a line that counts them. */
  public String toText() {
    StringBuilder text = new StringBuilder();
    for (Finding finding : findings) {
      text.append(
          String.format(
              Locale.ROOT,
              "%-7s %s: %s\n        %s\n        -> %s\n",
              finding.severity().name().toLowerCase(Locale.ROOT),
              finding.id(),
              finding.place(),
              finding.message(),
              finding.advice()));
    }
    return text.append(
            String.format(
                Locale.ROOT,
                "%d errors, %d warnings, %d notes\n",
                count(Severity.ERROR),
                count(Severity.WARNING),
                count(Severity.NOTE)))
        .toString();
  }

  /** One JSON object, on one line. */
  public String toJson() {
    Map<String, Object> json = new LinkedHashMap<>();
    json.put("model", model);
    json.put("readable", readable);
    json.put("errors", count(Severity.ERROR));
    json.put("warnings", count(Severity.WARNING));
    json.put("notes", count(Severity.NOTE));
    json.put("findings", findings);
    try {
      return JSON.writeValueAsString(json);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("records that cannot be written as JSON", e);
    }
  }
}
