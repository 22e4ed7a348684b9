package dev.manticore.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.bench.Comparison;
import dev.manticore.compiler.bench.ComparisonBenchmark;
import dev.manticore.compiler.bench.CompileBenchmark;
import dev.manticore.compiler.bench.DecodeBenchmark;
import dev.manticore.compiler.bench.Expectation;
import dev.manticore.compiler.bench.KernelBenchmark;
import dev.manticore.compiler.bench.KernelForms;
import dev.manticore.compiler.bench.KernelRequest;
import dev.manticore.compiler.bench.LengthBenchmark;
import dev.manticore.compiler.bench.MachineLimits;
import dev.manticore.compiler.bench.RunProfile;
import dev.manticore.compiler.bench.SearchBenchmark;
import dev.manticore.compiler.bench.StepBenchmark;
import dev.manticore.compiler.bench.StepLimits;
import dev.manticore.compiler.bench.StepRequest;
import dev.manticore.compiler.bench.StepResult;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.process.OwnJvm;
import dev.manticore.compiler.process.Subprocess;
import dev.manticore.compiler.progress.CancelledException;
import dev.manticore.ir.ManticoreException;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.Devices;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code manticore bench}, the parent of what can be measured. */
@Command(
    name = "bench",
    description = "Measures how fast this machine trains and runs models.",
    synopsisSubcommandLabel = "WHAT",
    footer = {"", "Example:", "  manticore bench step --model gpt-neo"})
final class BenchCommand implements Callable<Integer> {

  /** Parts of a profile with less of the time than this are told in JSON only. */
  private static final double LEAST_SHARE = 0.002;

  /** All kernels in one form take half a minute at the usual sizes. */
  private static final Duration KERNELS_LIMIT = Duration.ofMinutes(10);

  /** For building and planning a model, and for a first step that may be a long one. */
  private static final Duration LENGTH_OVERHEAD = Duration.ofMinutes(10);

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
        "Steps and forwards take turns, and the best of each counts: the first tens of them are",
        "slow, until the virtual machine has compiled the kernels. The last line of output is a",
        "JSON object; with --json it is the only one.",
        "",
        "Example:",
        "  manticore bench step --model hybrid --width 256 --batch 8 --length 128"
      })
  Integer step(
      @Mixin StepOptions options,
      @Option(
              names = "--profile",
              description = "Tell where the time of a training step goes, too.")
          boolean profile,
      @Option(
              names = "--limits",
              description =
                  "Measure what the machine allows, too: the step's products each alone, exp, the"
                      + " bandwidth of memory.")
          boolean limits,
      @Option(names = "--json", description = "Write the JSON object only.") boolean json,
      @Mixin DeviceOption stepDevice,
      @Option(
              names = "--precision",
              defaultValue = "float32",
              paramLabel = "NAME",
              description =
                  "What matrix products of training are computed in: float32, or, on a GPU, bfloat16"
                      + " (default: ${DEFAULT-VALUE}).")
          String precisionName,
      @Mixin MemoryOption stepMemory,
      @Mixin CommonOptions stepCommon)
      throws IOException {
    StepRequest request = options.request();
    Device device = stepDevice.device();
    Precision precision = Precision.of(precisionName);
    StepBenchmark.Settings settings = new StepBenchmark.Settings(precision, stepMemory.bytes());
    StepResult result = StepBenchmark.run(device, request, settings);
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
    ImmutableMap<String, Double> measured = ImmutableMap.of();
    description.put("device", device.name()).put("precision", precision.toString());
    if (profile) {
      RunProfile where = StepBenchmark.profile(device, request, settings);
      if (!json) {
        tell("A step", where);
      }
      description.set("profile", describe(where));
      measured =
          where.byOperator().stream()
              .collect(
                  ImmutableMap.toImmutableMap(
                      RunProfile.Part::what, RunProfile.Part::milliseconds));
    }
    if (limits) {
      StepLimitsReport report =
          new StepLimitsReport(
              StepLimits.measure(device, request),
              result.trainMilliseconds(),
              request.threads(),
              measured);
      if (!json) {
        report.lines().forEach(terminal.out()::println);
      }
      description.set("limits", report.json());
    }
    terminal.out().println(description);
    return ExitCode.OK;
  }

  @Command(
      name = "length",
      sortOptions = false,
      description = "Times training steps on sequences of several lengths, and tells their memory.",
      footer = {
        "",
        "Each length is trained in a JVM of its own. Planned, with --memory, is the most that the",
        "values of a step take at a time; held are the blocks of ONNX Runtime's arena that they lie",
        "in, which are somewhat larger. The resident size is of the whole process.",
        "",
        "Example:",
        "  manticore bench length --model mamba --lengths 128,512,2048,8192 --memory 700MB"
      })
  Integer length(
      @Mixin DrawnModel drawn,
      @Option(
              names = "--lengths",
              split = ",",
              defaultValue = "128,512,2048,8192",
              paramLabel = "N",
              description = "Tokens of a sequence (default: ${DEFAULT-VALUE}).")
          List<Integer> lengths,
      @Option(
              names = "--batch",
              defaultValue = "1",
              paramLabel = "N",
              description = "Sequences of a step (default: ${DEFAULT-VALUE}).")
          int batch,
      @Mixin MemoryOption lengthMemory,
      @Option(
              names = "--steps",
              defaultValue = "" + StepRequest.DEFAULT_STEPS,
              paramLabel = "N",
              description = "Steps of each length (default: ${DEFAULT-VALUE}).")
          int steps,
      @Option(
              names = "--seconds",
              defaultValue = "" + StepRequest.DEFAULT_SECONDS,
              paramLabel = "N",
              description =
                  "Begin no further step of a length after so long (default:"
                      + " ${DEFAULT-VALUE}).")
          long seconds,
      @Option(
              names = "--threads",
              defaultValue = "0",
              paramLabel = "N",
              description = "Threads of a step, 0 for all cores (default: ${DEFAULT-VALUE}).")
          int threads,
      @Option(
              names = "--here",
              description = "Train in this JVM, on the first length alone, and write its JSON.")
          boolean here,
      @Option(names = "--json", description = "Write the JSON only.") boolean json,
      @Mixin DeviceOption lengthDevice,
      @Mixin CommonOptions lengthCommon) {
    List<StepRequest> requests =
        lengths.stream()
            .map(
                tokens -> drawn.request(batch, tokens, steps, Duration.ofSeconds(seconds), threads))
            .toList();
    Device device = lengthDevice.device();
    StepBenchmark.Settings settings =
        new StepBenchmark.Settings(Precision.FLOAT32, lengthMemory.bytes());
    if (here) {
      terminal
          .out()
          .println(LengthBenchmark.json(LengthBenchmark.here(device, requests.get(0), settings)));
      return ExitCode.OK;
    }
    LengthReport report;
    try {
      report =
          new LengthReport(
              requests.get(0),
              settings.memory(),
              LengthBenchmark.run(
                  lengths,
                  tokens ->
                      new Subprocess(
                          OwnJvm.command(
                              List.of(),
                              Main.class.getName(),
                              LengthReport.arguments(
                                  requests.get(lengths.indexOf(tokens)), device, settings)),
                          terminal.workingDirectory(),
                          Duration.ofSeconds(seconds).plus(LENGTH_OVERHEAD)),
                  terminal.cancellation()));
    } catch (CancelledException e) {
      return stopped();
    }
    if (!json) {
      report.lines().forEach(terminal.out()::println);
    }
    terminal.out().println(report.json());
    return ExitCode.OK;
  }

  @Command(
      name = "compare",
      sortOptions = false,
      description = "Times our steps and a peer's by turns, and tells the ratio of the medians.",
      footer = {
        "",
        "PEER is a command, after --, that prints a JSON object with one or more of the keys",
        "train_tokens_per_s, forward_tokens_per_s and peak_rss_mb; NAME=VALUE before it sets a",
        "variable of its environment. Nothing is judged, and the status is 1, where the spread of",
        "a side, the distance of its quartiles over its median, is more than 20 %.",
        "docs/benchmarks.md says more.",
        "",
        "Example:",
        "  manticore bench compare --model gpt-neo --at-least training=2 -- \\",
        "    OMP_NUM_THREADS=2 python3 torch_step.py --model gpt-neo"
      })
  Integer compare(
      @Mixin StepOptions options,
      @Option(
              names = "--rounds",
              defaultValue = "" + ComparisonBenchmark.LEAST_ROUNDS,
              paramLabel = "N",
              description = "Runs of each side, 5 or more (default: ${DEFAULT-VALUE}).")
          int rounds,
      @Option(
              names = "--timeout",
              defaultValue = "600",
              paramLabel = "SECONDS",
              description = "How long a run may take (default: ${DEFAULT-VALUE}).")
          long timeout,
      @Option(
              names = "--at-least",
              paramLabel = "FIGURE=RATIO",
              description =
                  "End with status 1 if ours is less than so many times the peer's; FIGURE is"
                      + " training, forward or memory.")
          List<String> atLeast,
      @Option(
              names = "--at-most",
              paramLabel = "FIGURE=RATIO",
              description = "The same if it is more.")
          List<String> atMost,
      @Option(names = "--json", description = "Write one JSON object, with all values.")
          boolean json,
      @Parameters(
              arity = "1..*",
              paramLabel = "PEER",
              description = "The peer's command and its arguments, after --.")
          List<String> peer,
      @Mixin CommonOptions compareCommon) {
    ImmutableList<Expectation> expectations =
        Stream.concat(
                expectations(Expectation.Side.AT_LEAST, atLeast),
                expectations(Expectation.Side.AT_MOST, atMost))
            .collect(ImmutableList.toImmutableList());
    Duration limit = Duration.ofSeconds(timeout);
    Comparison comparison;
    try {
      comparison =
          ComparisonBenchmark.run(
              new Subprocess(
                  OwnJvm.command(
                      List.of(), Main.class.getName(), StepOptions.arguments(options.request())),
                  terminal.workingDirectory(),
                  limit),
              ComparisonBenchmark.peer(peer, terminal.workingDirectory(), limit),
              rounds,
              terminal.cancellation(),
              line -> terminal.err().println(line));
    } catch (CancelledException e) {
      return stopped();
    }
    ComparisonReport report = new ComparisonReport(comparison, expectations);
    if (json) {
      terminal.out().println(report.json());
    } else {
      report.lines().forEach(terminal.out()::println);
    }
    return report.passes() ? ExitCode.OK : ExitCode.FAILED;
  }

  /** A measurement that was stopped has left nothing to go on from. */
  private int stopped() {
    terminal.err().println("Stopped; nothing was kept.");
    return ExitCode.INTERRUPTED;
  }

  /** The arguments by which another process times the same kernels. */
  private static ImmutableList<String> arguments(KernelRequest request, List<String> names) {
    return ImmutableList.<String>builder()
        .add(
            "bench",
            "kernel",
            "--here",
            "--width=" + request.width(),
            "--batch=" + request.batch(),
            "--length=" + request.length(),
            "--vocab=" + request.vocabulary(),
            "--states=" + request.states(),
            "--threads=" + request.threads())
        .addAll(names)
        .build();
  }

  private static Stream<Expectation> expectations(Expectation.Side side, List<String> texts) {
    return texts == null ? Stream.of() : texts.stream().map(text -> Expectation.parse(side, text));
  }

  @Command(
      name = "kernel",
      sortOptions = false,
      description = "Times our own kernels each alone, as vectors and as plain loops.",
      footer = {
        "",
        "Each form is timed in a JVM of its own. The floor is what the machine needs for what",
        "the kernel computes or for what it moves, whichever takes longer.",
        "",
        "Example:",
        "  manticore bench kernel SelectiveScan SelectiveScanGrad --width 512"
      })
  Integer kernel(
      @Option(
              names = "--width",
              defaultValue = "256",
              paramLabel = "N",
              description = "Width of the residual stream (default: ${DEFAULT-VALUE}).")
          int width,
      @Option(
              names = "--batch",
              defaultValue = "8",
              paramLabel = "N",
              description = "Sequences (default: ${DEFAULT-VALUE}).")
          int batch,
      @Option(
              names = "--length",
              defaultValue = "128",
              paramLabel = "N",
              description = "Tokens of a sequence (default: ${DEFAULT-VALUE}).")
          int length,
      @Option(
              names = "--vocab",
              defaultValue = "512",
              paramLabel = "N",
              description = "Rows of the token table (default: ${DEFAULT-VALUE}).")
          int vocabulary,
      @Option(
              names = "--states",
              defaultValue = "16",
              paramLabel = "N",
              description = "States of a channel of a scan (default: ${DEFAULT-VALUE}).")
          int states,
      @Option(
              names = "--threads",
              defaultValue = "0",
              paramLabel = "N",
              description = "Threads of a kernel, 0 for all cores (default: ${DEFAULT-VALUE}).")
          int threads,
      @Option(
              names = "--here",
              description =
                  "Time the form that this JVM has, and write the times alone, in milliseconds.")
          boolean here,
      @Option(names = "--json", description = "Write one JSON object.") boolean json,
      @Parameters(
              arity = "0..*",
              paramLabel = "NAME",
              description = "Kernels, by the names of their operators (default: all).")
          List<String> names,
      @Mixin CommonOptions kernelCommon) {
    List<String> wanted = names == null ? List.of() : names;
    KernelRequest request =
        new KernelRequest(
            width,
            batch,
            length,
            vocabulary,
            states,
            threads == 0 ? Runtime.getRuntime().availableProcessors() : threads);
    KernelBenchmark.check(request, wanted);
    Device device = Devices.byName("cpu");
    if (here) {
      ObjectNode times = JsonNodeFactory.instance.objectNode();
      KernelBenchmark.run(device, request, wanted).forEach(times::put);
      terminal.out().println(times);
      return ExitCode.OK;
    }
    MachineLimits machine = MachineLimits.measure(request.threads());
    double productRate = KernelBenchmark.productRate(device, request);
    ImmutableMap<String, ImmutableMap<String, Double>> times;
    try {
      times =
          KernelForms.times(
              form ->
                  new Subprocess(
                      OwnJvm.command(
                          List.of(form), Main.class.getName(), arguments(request, wanted)),
                      terminal.workingDirectory(),
                      KERNELS_LIMIT),
              terminal.cancellation());
    } catch (CancelledException e) {
      return stopped();
    }
    KernelReport report =
        new KernelReport(
            KernelBenchmark.limits(request, wanted, machine, productRate),
            machine,
            productRate,
            times);
    if (json) {
      terminal.out().println(report.json());
    } else {
      report.lines().forEach(terminal.out()::println);
    }
    return ExitCode.OK;
  }

  private void tell(String what, RunProfile profile) {
    terminal
        .out()
        .println(
            String.format(
                Locale.ROOT,
                "%n%s of %.1f ms while being profiled, by operator:",
                what,
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

  private static ObjectNode describe(RunProfile profile) {
    ObjectNode described = JsonNodeFactory.instance.objectNode();
    described.put("run_ms", profile.runMilliseconds());
    described.set("operators", describe(profile.byOperator()));
    described.set("modules", describe(profile.byOrigin()));
    return described;
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
      name = "search",
      sortOptions = false,
      description = "Times steps of searches for mixture weights beside plain training steps.",
      footer = {
        "",
        "Steps of all kinds take turns, and the medians of the later half count. The last line of",
        "output is a JSON object; with --json it is the only one.",
        "",
        "Example:",
        "  manticore bench search --width 256 --steps 60"
      })
  Integer search(
      @Mixin StepOptions options,
      @Option(names = "--json", description = "Write the JSON object only.") boolean json,
      @Mixin DeviceOption searchDevice,
      @Mixin CommonOptions searchCommon) {
    StepRequest request = options.request();
    SearchBenchmark.Result result = SearchBenchmark.run(searchDevice.device(), request);
    ObjectNode description = JsonNodeFactory.instance.objectNode();
    description.put("steps", result.steps()).put("plain_ms", result.plain());
    ObjectNode searches = description.putObject("searches_ms");
    result.searches().forEach(searches::put);
    if (!json) {
      terminal
          .out()
          .println(
              String.format(Locale.ROOT, "%-22s %8.1f ms a step", "fixed mixture", result.plain()));
      result
          .searches()
          .forEach(
              (updates, milliseconds) ->
                  terminal
                      .out()
                      .println(
                          String.format(
                              Locale.ROOT,
                              "%-22s %8.1f ms a step  %.2f times",
                              updates,
                              milliseconds,
                              milliseconds / result.plain())));
      terminal.out().println();
    }
    terminal.out().println(description);
    return ExitCode.OK;
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
        "Medians of single tokens after each of the positions; beside them what reading the",
        "model's weights once from memory takes, by turns with the tokens, and what a token",
        "costs where the whole text is read again for it. The last line of output is a JSON",
        "array with an object for each position.",
        "",
        "Example:",
        "  manticore bench decode --size mamba-130m --positions 16,256,960"
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
      @Option(
              names = "--profile",
              description = "Tell where the time of a token goes after the last of them, too.")
          boolean profile,
      @Option(names = "--json", description = "Write the JSON only.") boolean json,
      @Mixin DeviceOption decodeDevice,
      @Mixin CommonOptions decodeCommon)
      throws IOException {
    int last = positions.stream().mapToInt(position -> position).max().orElseThrow();
    if (positions.stream().anyMatch(position -> position < 1)) {
      throw new ManticoreException("MNT-BENCH", "positions must be 1 or more, not " + positions);
    }
    StepRequest request =
        drawn.request(
            1,
            last + Math.max(1, steps),
            steps,
            Duration.ofSeconds(StepRequest.DEFAULT_SECONDS),
            threads);
    DecodeReport report =
        new DecodeReport(request, DecodeBenchmark.run(decodeDevice.device(), request, positions));
    if (!json) {
      report.lines().forEach(terminal.out()::println);
    }
    ArrayNode array = report.json();
    if (profile) {
      int position = positions.get(positions.size() - 1);
      RunProfile where = DecodeBenchmark.profile(decodeDevice.device(), request, position);
      if (!json) {
        tell("A token after " + position + " others", where);
      }
      ((ObjectNode) array.get(array.size() - 1)).set("profile", describe(where));
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
        .put("steps", result.steps())
        .put("threads", request.threads())
        .put("train_tokens_per_s", result.trainTokensPerSecond())
        .put("forward_tokens_per_s", result.forwardTokensPerSecond())
        .put("peak_rss_mb", result.peakRssMebibytes())
        .put("loss", result.loss());
  }
}
