package dev.manticore.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.manticore.compiler.conformance.ConformanceRun;
import dev.manticore.compiler.conformance.ConformanceSummary;
import dev.manticore.runtime.Devices;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore conformance}. */
@Command(
    name = "conformance",
    description = "Takes ONNX conformance cases through import, .hir, export and ONNX Runtime.",
    footer = {
      "",
      "A case is a directory with model.onnx and test_data_set_0/{input,output}_0.pb, as ONNX",
      "publishes them. Each is imported, printed as .hir, parsed back, exported and run by ONNX",
      "Runtime, and run by the interpreter where the catalogue covers its operators. Cases that",
      "ONNX Runtime does not match even before that are listed as unsupported.",
      "",
      "The last line of output is a JSON object; with --json it is the only one. Ends with status 1",
      "when a case fails.",
      "",
      "Example:",
      "  manticore conformance onnx/backend/test/data/node"
    })
final class ConformanceCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Mixin private CommonOptions common;

  @Parameters(paramLabel = "DIR", description = "The directory that holds the cases.")
  private Path directory;

  @Option(names = "--json", description = "Write the JSON object only.")
  private boolean json;

  ConformanceCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() throws JsonProcessingException {
    // What ONNX Runtime has against a case is told with the case; its log would say it once more.
    System.setProperty("org.slf4j.simpleLogger.log.onnxruntime", "off");
    ConformanceSummary summary =
        new ConformanceRun(Devices.byName("cpu"), this::detail).run(terminal.existing(directory));
    terminal.out().println(new ObjectMapper().writeValueAsString(summary));
    return summary.failed() == 0 ? ExitCode.OK : ExitCode.FAILED;
  }

  private void detail(String line) {
    if (!json) {
      terminal.out().println(line);
    }
  }
}
