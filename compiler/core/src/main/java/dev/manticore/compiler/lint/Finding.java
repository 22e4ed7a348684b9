package dev.manticore.compiler.lint;

import static java.util.Objects.requireNonNull;

import com.fasterxml.jackson.annotation.JsonProperty;

/**
 * Something that is wrong with a model, or could be better.
 *
 * @param id stable, for programs: {@code unused-parameter}
 * @param place the node, the value, the key or the file
 * @param message what is so
 * @param advice what to do
 */
public record Finding(String id, Severity severity, String place, String message, String advice) {

  /** How bad it is, the worst first. */
  public enum Severity {
    /** The model does not work, or not as it should. */
    @JsonProperty("error")
    ERROR,
    /** It probably is not what was meant. */
    @JsonProperty("warning")
    WARNING,
    /** It may be of interest. */
    @JsonProperty("note")
    NOTE
  }

  public Finding {
    requireNonNull(id, "id");
    requireNonNull(severity, "severity");
    requireNonNull(place, "place");
    requireNonNull(message, "message");
    requireNonNull(advice, "advice");
  }
}
