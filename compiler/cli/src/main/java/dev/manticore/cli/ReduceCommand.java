package dev.manticore.cli;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.reduce.Reducer;
import dev.manticore.compiler.reduce.Reduction;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore reduce}. */
@Command(
    name = "reduce",
    sortOptions = false,
    description = "Shrinks a graph that makes a command fail, while it still does.",
    footer = {
      "",
      "COMMAND is given the path of a graph in place of {}. It fails if it ends with the status that",
      "it ends with at first. The smallest graph so far is in the output file at any time.",
      "",
      "Examples:",
      "  manticore reduce model.onnx -o small.onnx -- manticore verify {} --against reference.safetensors",
      "  manticore reduce model.onnx -o small.onnx --stderr-contains 'not implemented' -- ./run.sh {}"
    })
final class ReduceCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Parameters(
      index = "0",
      paramLabel = "MODEL",
      description = "A checkpoint directory, an .onnx file or a .hir file.")
  private Path model;

  @Parameters(
      index = "1..*",
      arity = "1..*",
      paramLabel = "COMMAND",
      description = "The command and its arguments, after --.")
  private List<String> command;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "FILE",
      description = "An .onnx or .hir file; the command is given graphs in the same form.")
  private Path output;

  @Option(
      names = "--status",
      paramLabel = "N",
      description = "The exit status that counts as failing (default: that of the first run).")
  private Integer status;

  @Option(
      names = "--stderr-contains",
      paramLabel = "REGEX",
      description = "What the command must write on standard error to count as failing.")
  private Optional<Pattern> errors = Optional.empty();

  @Option(
      names = "--timeout",
      paramLabel = "SECONDS",
      description = "Stop after so long (default: ${DEFAULT-VALUE}).")
  private long timeout = 600;

  @Option(
      names = "--tries",
      paramLabel = "N",
      description = "Stop after so many runs of the command (default: ${DEFAULT-VALUE}).")
  private int tries = 1000;

  @Mixin private CommonOptions common;

  ReduceCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    Path target = terminal.resolve(output);
    Reduction.Result result =
        Reducer.reduce(
            new Reducer.Request(
                terminal.existing(model),
                target,
                ImmutableList.copyOf(command),
                terminal.workingDirectory(),
                status == null ? OptionalInt.empty() : OptionalInt.of(status),
                errors,
                new Reduction.Bounds(tries, Duration.ofSeconds(timeout))),
            terminal.ticker(),
            terminal.cancellation(),
            line -> terminal.err().println(line));
    terminal
        .out()
        .println(
            Reducer.sizes(result.graph())
                + " are left after "
                + result.tries()
                + " runs, in "
                + target
                + (result.finished() ? "" : "; there was no more time, or no more tries"));
    return ExitCode.OK;
  }
}
