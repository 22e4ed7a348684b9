package dev.manticore.cli;

/** Exit statuses. */
final class ExitCode {

  static final int OK = 0;
  static final int FAILED = 1;
  static final int USAGE = 2;

  /** What a shell reports for a program ended by Ctrl-C. */
  static final int INTERRUPTED = 130;

  private ExitCode() {}
}
