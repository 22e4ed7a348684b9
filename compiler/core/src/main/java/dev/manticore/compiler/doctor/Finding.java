package dev.manticore.compiler.doctor;

import static java.util.Objects.requireNonNull;

/**
 * One thing that was looked at.
 *
 * @param subject such as {@code JDK}
 * @param detail what was found, and what to do where something should be done
 */
public record Finding(String subject, Verdict verdict, String detail) {

  /** What it means for Manticore. */
  public enum Verdict {
    /** As it should be. */
    GOOD,
    /** Works without, or slower. */
    NOTE,
    /** Manticore cannot work like this. */
    PROBLEM
  }

  public Finding {
    requireNonNull(subject, "subject");
    requireNonNull(verdict, "verdict");
    requireNonNull(detail, "detail");
  }
}
