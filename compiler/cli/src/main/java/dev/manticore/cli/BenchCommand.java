package dev.manticore.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.manticore.compiler.bench.CompileBenchmark;
import dev.manticore.compiler.bench.DecodeBenchmark;
import dev.manticore.compiler.bench.RunProfile;
import dev.manticore.compiler.bench.StepBenchmark;
import dev.manticore.compiler.bench.StepRequest;
import dev.manticore.compiler.bench.StepResult;
import dev.manticore.ir.ManticoreException;
import dev.manticore.runtime.Devices;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code manticore bench}, the parent of what can be measured. */
@Command(
    name = "bench",
    description = "Measures how fast this machine trains and runs models.",
    synopsisSubcommandLabel = "WHAT",
    footer = {"", "Example:", "  manticore bench step --model gpt-neo"})
final class BenchCommand implements Callable<Integer> {

  /** Which model is timed; its weights are drawn. */
  static final class DrawnModel {

    @Option(
        names = "--model",
        defaultValue = "hybrid",
        paramLabel = "NAME",
        description = "gpt-neo, mamba, mamba2 or hybrid (default: ${DEFAULT-VALUE}).")
    private String model;

    @Option(
        names = "--width",
        defaultValue = "256",
        paramLabel = "N",
        description = "Width of the residual stream (default: ${DEFAULT-VALUE}).")
    private int width;

    @Option(
        names = "--layers",
        defaultValue = "4",
        paramLabel = "N",
        description = "Layers of each component (default: ${DEFAULT-VALUE}).")
    private int layers;

    @Option(
        names = "--vocab",
        defaultValue = "512",
        paramLabel = "N",
        description = "Rows of the token table (default: ${DEFAULT-VALUE}).")
    private int vocabulary;
  }

  /** Parts of a profile with less of the time than this are told in JSON only. */
  private static final double LEAST_SHARE = 0.002;

  private final Terminal terminal;

  @Spec private CommandSpec spec;
  @Mixin private CommonOptions common;

  BenchCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    spec.commandLine().usage(terminal.err());
    return ExitCode.USAGE;
  }

  @Command(
      name = "step",
      sortOptions = false,
      description = "Times training steps and forwards of a model with drawn weights.",
      footer = {
        "",
        "Steps and forwards take turns, and the best of each counts. The last line of",
        "output is a JSON object; with --json it is the only one.",
        "",
        "Example:",
        "  manticore bench step --model hybrid --width 256 --batch 8 --length 128"
      })
  Integer step(
      @Mixin DrawnModel drawn,
      @Option(
              names = "--batch",
              defaultValue = "8",
              paramLabel = "N",
              description = "Sequences of a step (default: ${DEFAULT-VALUE}).")
          int batch,
      @Option(
              names = "--length",
              defaultValue = "128",
              paramLabel = "N",
              description = "Tokens of a sequence (default: ${DEFAULT-VALUE}).")
          int length,
      @Option(
              names = "--steps",
              defaultValue = "30",
              paramLabel = "N",
              description = "Steps that are timed (default: ${DEFAULT-VALUE}).")
          int steps,
      @Option(
              names = "--threads",
              defaultValue = "0",
              paramLabel = "N",
              description = "Threads of a step, 0 for all cores (default: ${DEFAULT-VALUE}).")
          int threads,
      @Option(
              names = "--profile",
              description = "Tell where the time of a training step goes, too.")
          boolean profile,
      @Option(names = "--json", description = "Write the JSON object only.") boolean json,
      @Mixin CommonOptions stepCommon)
      throws IOException {
    StepRequest request =
        new StepRequest(
            StepRequest.Model.of(drawn.model),
            drawn.width,
            drawn.layers,
            batch,
            length,
            drawn.vocabulary,
            steps,
            threads == 0 ? Runtime.getRuntime().availableProcessors() : threads);
    StepResult result = StepBenchmark.run(Devices.byName("cpu"), request);
    if (!json) {
      terminal
          .out()
          .println(
              String.format(
                  Locale.ROOT,
                  "%s: training %,.0f tokens a second, forward %,.0f; peak memory %,d MiB",
                  request.model(),
                  result.trainTokensPerSecond(),
                  result.forwardTokensPerSecond(),
                  result.peakRssMebibytes()));
    }
    ObjectNode description = describe(request, result);
    if (profile) {
      RunProfile where = StepBenchmark.profile(Devices.byName("cpu"), request);
      if (!json) {
        tell(where);
      }
      ObjectNode described = description.putObject("profile");
      described.put("run_ms", where.runMilliseconds());
      described.set("operators", describe(where.byOperator()));
      described.set("modules", describe(where.byOrigin()));
    }
    terminal.out().println(description);
    return ExitCode.OK;
  }

  private void tell(RunProfile profile) {
    terminal
        .out()
        .println(
            String.format(
                Locale.ROOT,
                "%nA step of %.1f ms while being profiled, by operator:",
                profile.runMilliseconds()));
    tell(profile.byOperator());
    terminal.out().println(System.lineSeparator() + "By module:");
    tell(profile.byOrigin());
    terminal.out().println();
  }

  private void tell(List<RunProfile.Part> parts) {
    parts.stream()
        .filter(part -> part.share() >= LEAST_SHARE)
        .forEach(
            part ->
                terminal
                    .out()
                    .println(
                        String.format(
                            Locale.ROOT,
                            "  %5.1f%% %9.2f ms %5d nodes  %s",
                            100 * part.share(),
                            part.milliseconds(),
                            part.nodes(),
                            part.what().isEmpty() ? "(no module)" : part.what())));
  }

  private static ArrayNode describe(List<RunProfile.Part> parts) {
    ArrayNode array = JsonNodeFactory.instance.arrayNode();
    parts.forEach(
        part ->
            array
                .addObject()
                .put("what", part.what())
                .put("nodes", part.nodes())
                .put("ms", part.milliseconds()));
    return array;
  }

  @Command(
      name = "compile",
      sortOptions = false,
      description = "Times what a compile does to graphs of many nodes before any of it runs.",
      footer = {
        "",
        "Each size is imported, canonicalised, verified and exported once more than --repeat",
        "says; the first run, in which the virtual machine still compiles itself, is told apart.",
        "The last line of output is a JSON array with an object for each size.",
        "",
        "Example:",
        "  manticore bench compile --nodes 5000,10000,20000,40000"
      })
  Integer compile(
      @Option(
              names = "--nodes",
              split = ",",
              defaultValue = "20000",
              paramLabel = "N",
              description = "Nodes of the graphs (default: ${DEFAULT-VALUE}).")
          List<Integer> sizes,
      @Option(
              names = "--repeat",
              defaultValue = "3",
              paramLabel = "N",
              description =
                  "Runs after the first, of which the best counts (default: ${DEFAULT-VALUE}).")
          int repeat,
      @Option(names = "--json", description = "Write the JSON only.") boolean json,
      @Mixin CommonOptions compileCommon) {
    ArrayNode results = JsonNodeFactory.instance.arrayNode();
    for (int nodes : sizes) {
      byte[] model = CompileBenchmark.model(nodes);
      CompileBenchmark.Result first = CompileBenchmark.run(model);
      CompileBenchmark.Result best = first;
      for (int run = 0; run < repeat; run++) {
        CompileBenchmark.Result again = CompileBenchmark.run(model);
        best = again.total() < best.total() ? again : best;
      }
      if (!json) {
        terminal
            .out()
            .println(
                String.format(
                    Locale.ROOT,
                    "%,d nodes: first %.2f s; then import %.2f s, canonicalise %.2f s, verify %.2f s,"
                        + " export %.2f s: %.1f us a node",
                    best.nodes(),
                    first.total(),
                    best.importing(),
                    best.canonicalising(),
                    best.verifying(),
                    best.exporting(),
                    1e6 * best.total() / best.nodes()));
      }
      results
          .addObject()
          .put("nodes", best.nodes())
          .put("first_s", first.total())
          .put("import_s", best.importing())
          .put("canonicalise_s", best.canonicalising())
          .put("verify_s", best.verifying())
          .put("export_s", best.exporting())
          .put("total_s", best.total());
    }
    terminal.out().println(results);
    return ExitCode.OK;
  }

  @Command(
      name = "decode",
      sortOptions = false,
      description = "Times decoding: a prompt at once, then token by token.",
      footer = {
        "",
        "Medians of single tokens after each of the positions, beside what a token costs where",
        "the whole text is read again for it. The last line of output is a JSON array with an",
        "object for each position.",
        "",
        "Example:",
        "  manticore bench decode --model mamba --positions 16,256,1000"
      })
  Integer decode(
      @Mixin DrawnModel drawn,
      @Option(
              names = "--positions",
              split = ",",
              defaultValue = "16,128,512,960",
              paramLabel = "N",
              description = "Tokens that have been read (default: ${DEFAULT-VALUE}).")
          List<Integer> positions,
      @Option(
              names = "--steps",
              defaultValue = "50",
              paramLabel = "N",
              description = "Tokens that are timed after them (default: ${DEFAULT-VALUE}).")
          int steps,
      @Option(
              names = "--threads",
              defaultValue = "0",
              paramLabel = "N",
              description = "Threads of a run, 0 for all cores (default: ${DEFAULT-VALUE}).")
          int threads,
      @Option(names = "--json", description = "Write the JSON only.") boolean json,
      @Mixin CommonOptions decodeCommon) {
    int last = positions.stream().mapToInt(position -> position).max().orElseThrow();
    if (positions.stream().anyMatch(position -> position < 1)) {
      throw new ManticoreException("MNT-BENCH", "positions must be 1 or more, not " + positions);
    }
    StepRequest request =
        new StepRequest(
            StepRequest.Model.of(drawn.model),
            drawn.width,
            drawn.layers,
            1,
            last + Math.max(1, steps),
            drawn.vocabulary,
            steps,
            threads == 0 ? Runtime.getRuntime().availableProcessors() : threads);
    List<DecodeBenchmark.Result> results =
        DecodeBenchmark.run(Devices.byName("cpu"), request, positions);
    ArrayNode array = JsonNodeFactory.instance.arrayNode();
    for (DecodeBenchmark.Result result : results) {
      if (!json) {
        terminal
            .out()
            .println(
                String.format(
                    Locale.ROOT,
                    "%s after %,6d tokens: %7.2f ms a token, %9.2f ms by reading all again;"
                        + " prompt %,9.0f tokens a second",
                    request.model(),
                    result.position(),
                    result.stepMilliseconds(),
                    result.recomputeMilliseconds(),
                    result.prefillTokensPerSecond()));
      }
      array
          .addObject()
          .put("model", request.model().toString())
          .put("width", drawn.width)
          .put("layers", drawn.layers)
          .put("vocab", drawn.vocabulary)
          .put("threads", request.threads())
          .put("position", result.position())
          .put("prefill_tokens_per_s", result.prefillTokensPerSecond())
          .put("step_ms", result.stepMilliseconds())
          .put("recompute_ms", result.recomputeMilliseconds());
    }
    terminal.out().println(array);
    return ExitCode.OK;
  }

  private static ObjectNode describe(StepRequest request, StepResult result) {
    return JsonNodeFactory.instance
        .objectNode()
        .put("model", request.model().toString())
        .put("width", request.width())
        .put("layers", request.layers())
        .put("batch", request.batch())
        .put("length", request.length())
        .put("vocab", request.vocabulary())
        .put("steps", request.steps())
        .put("threads", request.threads())
        .put("train_tokens_per_s", result.trainTokensPerSecond())
        .put("forward_tokens_per_s", result.forwardTokensPerSecond())
        .put("peak_rss_mb", result.peakRssMebibytes())
        .put("loss", result.loss());
  }
}
