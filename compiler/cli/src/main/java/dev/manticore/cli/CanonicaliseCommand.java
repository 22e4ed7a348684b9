package dev.manticore.cli;

import dev.manticore.compiler.diff.ModelDiff;
import dev.manticore.compiler.diff.Normalisation;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore canonicalise}. */
@Command(
    name = "canonicalise",
    description = "Brings a model to the normal form that models are compared and understood in.",
    footer = {
      "",
      "Examples:",
      "  manticore canonicalise model.onnx -o normal.onnx",
      "  manticore canonicalise model.onnx --explain",
      "  manticore canonicalise model.onnx --explain layer-norm"
    })
final class CanonicaliseCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Mixin private CommonOptions common;

  @Parameters(
      paramLabel = "MODEL",
      description = "A checkpoint directory, an .onnx file, a .hir text, or a hybrid.json.")
  private Path model;

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      description = "Where the normal form is written: an .onnx file, or a .hir text.")
  private Optional<Path> output = Optional.empty();

  @Option(
      names = "--components",
      paramLabel = "DIR",
      description = "The directory that holds the component directories of a hybrid.json.")
  private Optional<Path> components = Optional.empty();

  @Option(
      names = "--explain",
      arity = "0..1",
      fallbackValue = "",
      paramLabel = "RULE",
      description =
          "Tell which rules fired how often; of a rule, where it nearly matched and why it did not.")
  private Optional<String> explain = Optional.empty();

  CanonicaliseCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    Normalisation normalisation =
        Normalisation.of(
            ModelDiff.read(terminal.existing(model), components.map(terminal::existing)),
            explain.filter(rule -> !rule.isEmpty()));
    output.map(terminal::resolve).ifPresent(normalisation::write);
    terminal.out().println(normalisation.summary());
    if (explain.isPresent()) {
      terminal.out().print(normalisation.explanation());
    }
    return ExitCode.OK;
  }
}
