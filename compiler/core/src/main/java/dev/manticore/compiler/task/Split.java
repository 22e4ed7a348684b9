package dev.manticore.compiler.task;

import java.util.Locale;

/** A part of a task's data. No sample is drawn from the same random numbers as one of another. */
public enum Split {
  TRAINING,
  /** For choices made while training: of settings, of when to stop. */
  VALIDATION,
  /** For the figure that is reported, and for nothing else. */
  TEST;

  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
