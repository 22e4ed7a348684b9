package dev.manticore.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.SpliceOptions;
import dev.manticore.compiler.hybrid.Splicing;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore splice}. */
@Command(
    name = "splice",
    sortOptions = false,
    description = "Splices models into an untrained hybrid, without searching or tuning it.",
    footer = {
      "",
      "All mixture weights are equal at first.",
      "",
      "Examples:",
      "  manticore splice checkpoints/pythia checkpoints/mamba -o hybrid.onnx",
      "  manticore splice gpt2/model.onnx checkpoints/mamba --blocks 2 --embeddings fresh -o hybrid"
    })
final class SpliceCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Parameters(
      arity = "2..*",
      paramLabel = "MODEL",
      description = "Checkpoint directories or .onnx files.")
  private List<Path> models = List.of();

  @Option(
      names = "--blocks",
      paramLabel = "N",
      description = "Blocks that each model is cut into (default: the layers of the shallowest).")
  private Integer blocks;

  @Option(
      names = "--gates",
      paramLabel = "KIND",
      description = "tied to the mixture weights, or separate (default: tied).")
  private SpliceOptions.Gates gates = SpliceOptions.Gates.TIED;

  @Option(
      names = "--projectors",
      paramLabel = "KIND",
      description = "What projectors begin as: identity or paper (default: identity).")
  private SpliceOptions.ProjectorInitialisation projectors =
      SpliceOptions.ProjectorInitialisation.IDENTITY;

  @Option(
      names = "--embeddings",
      paramLabel = "KIND",
      description =
          "pretrained, for models that share a tokenizer; merged, which makes tables for the first"
              + " model's; or fresh (default: pretrained).")
  private SpliceOptions.Embeddings embeddings = SpliceOptions.Embeddings.PRETRAINED;

  @Option(
      names = "--vocabulary",
      paramLabel = "N",
      description = "Token ids; further rows of tables are left out (default: the least of all).")
  private Integer vocabulary;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Seed of what is drawn (default: ${DEFAULT-VALUE}).")
  private long seed = 1;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "PLACE",
      description = "An .onnx file, or a directory for hybrid.json, its tensors and components.")
  private Path output;

  @Option(names = "--json", description = "Write one JSON object.")
  private boolean json;

  @Mixin private CommonOptions common;

  SpliceCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    Splicing.Request request =
        new Splicing.Request(
            models.stream().map(terminal::existing).collect(ImmutableList.toImmutableList()),
            optional(blocks),
            gates,
            projectors,
            embeddings,
            optional(vocabulary),
            seed);
    Path target = terminal.resolve(output);
    Hybrid hybrid = Splicing.splice(request);
    Splicing.write(hybrid, request, target);
    long parameters = hybrid.graph().parameterCount();
    terminal
        .out()
        .println(
            json
                ? JsonNodeFactory.instance
                    .objectNode()
                    .put("output", target.toString())
                    .put("blocks", hybrid.blocks())
                    .put("width", hybrid.width())
                    .put("vocabulary", hybrid.options().vocabulary())
                    .put("parameters", parameters)
                    .toString()
                : String.format(
                    Locale.ROOT,
                    "%s: %s in %d blocks of width %d, vocabulary %,d, %,d parameters",
                    target,
                    String.join(" + ", hybrid.names()),
                    hybrid.blocks(),
                    hybrid.width(),
                    hybrid.options().vocabulary(),
                    parameters));
    return ExitCode.OK;
  }

  private static OptionalInt optional(Integer value) {
    return value == null ? OptionalInt.empty() : OptionalInt.of(value);
  }
}
