package dev.manticore.compiler.task;

/** Whether the known faults of a task's published code are mended or kept. */
public enum Faults {
  MENDED,
  /** As published, to compare with published figures. */
  UPSTREAM
}
