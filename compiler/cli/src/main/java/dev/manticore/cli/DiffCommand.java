package dev.manticore.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.manticore.compiler.diff.DiffReport;
import dev.manticore.compiler.diff.DiffResult;
import dev.manticore.compiler.diff.ModelDiff;
import dev.manticore.runtime.Devices;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore diff}. */
@Command(
    name = "diff",
    description = "Compares two models by what they compute, whatever they are spelled like.",
    footer = {
      "",
      "Both are brought to one normal form; where that differs, both are run on the same random",
      "inputs. Ends with status 0 if they are equal, 1 if they differ, 2 if they cannot be compared.",
      "",
      "Examples:",
      "  manticore diff checkpoints/gpt2 exports/gpt2/model.onnx",
      "  manticore diff before.hir after.hir --json"
    })
final class DiffCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Mixin private CommonOptions common;

  @Parameters(
      index = "0",
      paramLabel = "A",
      description = "A checkpoint directory, an .onnx file, a .hir text, or a hybrid.json.")
  private Path first;

  @Parameters(index = "1", paramLabel = "B", description = "Another.")
  private Path second;

  @Option(
      names = "--components",
      paramLabel = "DIR",
      description = "The directory that holds the component directories of a hybrid.json.")
  private Optional<Path> components = Optional.empty();

  @Option(
      names = "--tolerance",
      paramLabel = "SHARE",
      defaultValue = "1e-5",
      description =
          "The largest difference of results that are equal, relative to the largest result"
              + " (default: ${DEFAULT-VALUE}).")
  private double tolerance;

  @Option(names = "--json", description = "Write one JSON object.")
  private boolean json;

  DiffCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() throws JsonProcessingException {
    Optional<Path> directory = components.map(terminal::existing);
    DiffResult result =
        new ModelDiff(Devices.byName("cpu"), tolerance)
            .compare(
                ModelDiff.read(terminal.existing(first), directory),
                ModelDiff.read(terminal.existing(second), directory));
    if (json) {
      terminal.out().println(new ObjectMapper().writeValueAsString(DiffReport.json(result)));
    } else {
      terminal.out().print(DiffReport.text(result));
    }
    return result.isEqual() ? ExitCode.OK : ExitCode.FAILED;
  }
}
