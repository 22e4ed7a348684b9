package dev.manticore.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.generate.GenerationRequest;
import dev.manticore.compiler.generate.GenerationResult;
import dev.manticore.compiler.generate.Generator;
import dev.manticore.compiler.generate.Sampling;
import dev.manticore.compiler.progress.CancelledException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore generate}. */
@Command(
    name = "generate",
    sortOptions = false,
    description = "Writes on from a prompt with a model.",
    footer = {
      "",
      "The same command gives the same text.",
      "",
      "Examples:",
      "  manticore generate runs/quickstart --prompt 'The password of ' --tokens 40",
      "  manticore generate checkpoints/mamba --temperature 0.8 --top-p 0.95 --seed 3"
    })
final class GenerateCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Parameters(
      paramLabel = "MODEL",
      description = "A result of compile, a checkpoint directory, or an .onnx file.")
  private Path model;

  @Option(
      names = "--prompt",
      paramLabel = "TEXT",
      description = "What to go on from (default: nothing, the start of a document).")
  private String prompt = "";

  @Option(
      names = "--tokens",
      paramLabel = "N",
      description = "The most tokens to write (default: ${DEFAULT-VALUE}).")
  private int tokens = 100;

  @Option(
      names = "--temperature",
      paramLabel = "T",
      description = "0 takes the likeliest token, 1 draws as the model says (default: 0).")
  private double temperature = 0;

  @Option(
      names = "--top-k",
      paramLabel = "K",
      description = "Draw among the K likeliest tokens only, 0 for all (default: 0).")
  private int topK = 0;

  @Option(
      names = "--top-p",
      paramLabel = "P",
      description =
          "Draw among the likeliest tokens that together have probability P (default: 1).")
  private double topP = 1;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Seed of the draws (default: ${DEFAULT-VALUE}).")
  private long seed = 1;

  @Option(
      names = "--stop",
      paramLabel = "TEXT",
      description = "End before this text; may be given several times.")
  private List<String> stops = List.of();

  @Option(
      names = "--tokenizer",
      paramLabel = "FILE",
      description = "A tokenizer.json (default: the one beside the model).")
  private Optional<Path> tokenizer = Optional.empty();

  @Option(names = "--json", description = "Write one JSON object when the text is complete.")
  private boolean json;

  @Mixin private DeviceOption device;
  @Mixin private CommonOptions common;

  GenerateCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    GenerationRequest request =
        new GenerationRequest(
            prompt,
            tokens,
            new Sampling(temperature, topK, topP),
            seed,
            ImmutableList.copyOf(stops));
    try (Generator generator =
        Generator.open(
            terminal.existing(model), tokenizer.map(terminal::existing), device.device())) {
      show(prompt);
      GenerationResult result = generator.generate(request, this::show);
      if (json) {
        terminal
            .out()
            .println(
                JsonNodeFactory.instance
                    .objectNode()
                    .put("prompt", prompt)
                    .put("text", result.text())
                    .put("prompt_tokens", result.promptTokens())
                    .put("tokens", result.tokens())
                    .put("stop", result.stop().name().toLowerCase(Locale.ROOT)));
      } else {
        terminal.out().println();
      }
      return ExitCode.OK;
    } catch (CancelledException e) {
      // A text has no use that is half; there is nothing to go on from.
      terminal.out().println();
      return ExitCode.INTERRUPTED;
    }
  }

  private void show(String piece) {
    terminal.cancellation().throwIfRequested();
    if (!json) {
      terminal.out().print(piece);
      terminal.out().flush();
    }
  }
}
