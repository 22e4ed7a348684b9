package dev.manticore.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.manticore.compiler.pipeline.ToolVersion;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code manticore version}. */
@Command(
    name = "version",
    description = "Shows the versions of Manticore and of Java.",
    footer = {"", "Example:", "  manticore version --json"})
final class VersionCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Mixin private CommonOptions common;

  @Option(names = "--json", description = "Write one JSON object.")
  private boolean json;

  VersionCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    terminal
        .out()
        .println(
            json
                ? JsonNodeFactory.instance
                    .objectNode()
                    .put("manticore", ToolVersion.current())
                    .put("java", Runtime.version().toString())
                    .toString()
                : versions());
    return ExitCode.OK;
  }

  /** As {@code manticore --version} says it too. */
  static String versions() {
    return String.format("manticore %s (Java %s)", ToolVersion.current(), Runtime.version());
  }
}
