package dev.manticore.cli;

import picocli.CommandLine.Option;

/** How much memory a training step may take. */
final class MemoryOption {

  @Option(
      names = "--memory",
      paramLabel = "SIZE",
      converter = ByteSizeConverter.class,
      description =
          "The most that values of a training step may take, 700MB for example: what would not fit"
              + " is computed a second time, at the least cost (default: any).")
  private long bytes;

  /** Bytes, 0 for any number. */
  long bytes() {
    return bytes;
  }
}
