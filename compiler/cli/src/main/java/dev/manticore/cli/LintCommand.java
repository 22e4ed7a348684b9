package dev.manticore.cli;

import dev.manticore.compiler.lint.Lint;
import dev.manticore.compiler.lint.LintReport;
import dev.manticore.compiler.lower.Target;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore lint}. */
@Command(
    name = "lint",
    description = "Looks for what is wrong with a model, or could be better.",
    footer = {
      "",
      "Ends with status 0 if there is nothing but notes, 1 if there are warnings or errors, 2 if the",
      "model cannot be read.",
      "",
      "Examples:",
      "  manticore lint checkpoints/gpt-neo",
      "  manticore lint model.onnx --json",
      "  manticore lint checkpoints/mamba --target tensorrt-10"
    })
final class LintCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Parameters(
      paramLabel = "MODEL",
      description = "A checkpoint directory, an .onnx file or a .hir file.")
  private Path model;

  @Option(
      names = "--target",
      paramLabel = "NAME",
      description =
          "Also what this runtime refuses of the deployed form: onnxruntime-cpu, onnxruntime-cuda,"
              + " tensorrt-10 or tensorrt-11.")
  private Optional<String> target = Optional.empty();

  @Option(names = "--json", description = "Write one JSON object.")
  private boolean json;

  @Mixin private CommonOptions common;

  LintCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    LintReport report = Lint.check(terminal.existing(model), target.map(Target::of));
    if (json) {
      terminal.out().println(report.toJson());
    } else {
      terminal.out().print(report.toText());
    }
    if (!report.readable()) {
      return ExitCode.USAGE;
    }
    return report.isClean() ? ExitCode.OK : ExitCode.FAILED;
  }
}
