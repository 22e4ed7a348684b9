package dev.manticore.cli;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.stages.Pretraining;
import dev.manticore.ir.ManticoreException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code manticore pretrain}. */
@Command(
    name = "pretrain",
    sortOptions = false,
    description = "Trains a model from scratch and writes it as a Hugging Face directory.",
    footer = {
      "",
      "A stopped run goes on when the same command is given again. Until the model is",
      "there, what is done is kept beside it, in .<name>.work.",
      "",
      "Example:",
      "  manticore pretrain --config config.json --data book.txt -o models/mine"
    })
final class PretrainCommand implements Callable<Integer> {

  private static final String GENERATOR = "generator";

  private final Terminal terminal;

  @Option(
      names = "--config",
      required = true,
      paramLabel = "FILE",
      description =
          "The model's config.json; without vocab_size the vocabulary is the tokenizer's.")
  private Path config;

  @Option(
      names = "--data",
      required = true,
      paramLabel = "FILE",
      description =
          "The text: a plain text file, a .jsonl file, or 'generator' for made-up passages"
              + " ('generator:recall' and 'generator:tracking' for one kind of them).")
  private String data;

  @Option(
      names = "--fields",
      split = ",",
      paramLabel = "NAME",
      description = "The fields of a .jsonl file that hold text (default: text).")
  private List<String> fields = List.of();

  @Option(
      names = "--characters",
      paramLabel = "N",
      description = "How much the generator makes (default: ${DEFAULT-VALUE}).")
  private int characters = 600_000;

  @Option(
      names = "--data-seed",
      paramLabel = "N",
      description = "Seed of the generator (default: ${DEFAULT-VALUE}).")
  private int dataSeed = 7;

  @ArgGroup private TokenizerChoice tokenizer = new TokenizerChoice();

  private static final class TokenizerChoice {
    @Option(names = "--tokenizer", paramLabel = "FILE", description = "A tokenizer.json.")
    private Optional<Path> file = Optional.empty();

    @Option(
        names = "--vocabulary",
        paramLabel = "N",
        description = "Tokens of a byte-level BPE tokenizer trained on the text (default: 512).")
    private int vocabulary = 512;
  }

  @Option(
      names = "--holdout",
      paramLabel = "SHARE",
      description = "Share of the text that is only measured on (default: ${DEFAULT-VALUE}).")
  private double holdout = 0.1;

  @Option(
      names = "--steps",
      paramLabel = "N",
      description = "Optimizer steps; 0 writes the initial weights (default: ${DEFAULT-VALUE}).")
  private int steps = 300;

  @Option(
      names = "--batch",
      paramLabel = "N",
      description = "Sequences of a batch (default: ${DEFAULT-VALUE}).")
  private int batch = 8;

  @Option(
      names = "--accumulation",
      paramLabel = "N",
      description = "Batches of one optimizer step (default: ${DEFAULT-VALUE}).")
  private int accumulation = 1;

  @Option(
      names = "--length",
      paramLabel = "N",
      description = "Tokens of a sequence (default: ${DEFAULT-VALUE}).")
  private int length = 128;

  @Option(
      names = "--learning-rate",
      paramLabel = "RATE",
      description = "Peak learning rate of AdamW (default: ${DEFAULT-VALUE}).")
  private double learningRate = 1e-3;

  @Option(
      names = "--weight-decay",
      paramLabel = "RATE",
      description = "Weight decay of matrices (default: ${DEFAULT-VALUE}).")
  private double weightDecay = 0.01;

  @Option(
      names = "--clip",
      paramLabel = "NORM",
      description = "Largest norm of the gradient, 0 for any (default: ${DEFAULT-VALUE}).")
  private double clip = 1;

  @Option(
      names = "--precision",
      defaultValue = "float32",
      paramLabel = "NAME",
      description =
          "What matrix products are computed in: float32, or, on a GPU, bfloat16 (default:"
              + " ${DEFAULT-VALUE}).")
  private String precision;

  @Mixin private MemoryOption memory;

  @Option(
      names = "--schedule",
      paramLabel = "NAME",
      description =
          "Learning rate after the warm-up: linear, cosine or constant (default: linear).")
  private Recipe.Schedule schedule = Recipe.Schedule.LINEAR;

  @Option(
      names = "--warmup",
      paramLabel = "N",
      description = "Steps of linear warm-up (default: ${DEFAULT-VALUE}).")
  private int warmup = 0;

  @Option(
      names = "--evaluate-every",
      paramLabel = "N",
      description = "Steps between measurements of the held-out loss (default: ${DEFAULT-VALUE}).")
  private int evaluateEvery = 50;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Seed of the weights and of the order of the data (default: ${DEFAULT-VALUE}).")
  private int seed = 1;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads of a step, 0 for all cores (default: ${DEFAULT-VALUE}).")
  private int threads = 0;

  @Mixin private CheckpointOptions files;

  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "DIR",
      description = "The directory that the model becomes.")
  private Path output;

  @Mixin private ProgressOptions progress;
  @Mixin private DeviceOption device;
  @Mixin private CommonOptions common;

  PretrainCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() {
    Recipe.TokenizerSource source =
        tokenizer.file.isPresent()
            ? new Recipe.TokenizerFile(terminal.existing(tokenizer.file.get()))
            : new Recipe.TrainedTokenizer(tokenizer.vocabulary);
    Pretraining.Request request =
        new Pretraining.Request(
            terminal.existing(config),
            new Recipe.Data(text(), source, length, 1, holdout, 0),
            new Recipe.Training(
                steps,
                batch,
                accumulation,
                learningRate,
                weightDecay,
                clip,
                0.9,
                0.999,
                1e-8,
                schedule,
                warmup,
                Precision.of(precision),
                memory.bytes()),
            evaluateEvery,
            seed,
            threads,
            files.options());
    Path target = terminal.resolve(output);
    Pretraining.Result result =
        new Pretraining(request, device.device(), target)
            .run(progress.progress(terminal), terminal.cancellation(), terminal.clock());
    terminal
        .out()
        .println(
            progress.json()
                ? JsonNodeFactory.instance
                    .objectNode()
                    .put("output", target.toString())
                    .put(
                        "held_out_loss",
                        result.heldOutLoss().isPresent()
                            ? result.heldOutLoss().getAsDouble()
                            : null)
                    .put("steps", result.steps())
                    .put("tokens", result.tokens())
                    .put("parameters", result.parameters())
                    .toString()
                : describe(target, result));
    return ExitCode.OK;
  }

  private static String describe(Path target, Pretraining.Result result) {
    return result.heldOutLoss().isEmpty()
        ? String.format(Locale.ROOT, "%s: %,d parameters, not trained", target, result.parameters())
        : String.format(
            Locale.ROOT,
            "%s: %,d parameters, %,d tokens in %d steps; held-out loss %.4f nats a token",
            target,
            result.parameters(),
            result.tokens(),
            result.steps(),
            result.heldOutLoss().getAsDouble());
  }

  private Recipe.DataSource text() {
    if (data.equals(GENERATOR) || data.startsWith(GENERATOR + ":")) {
      String kind = data.equals(GENERATOR) ? "mixed" : data.substring(GENERATOR.length() + 1);
      if (!ImmutableList.of("mixed", "recall", "tracking").contains(kind)) {
        throw new ManticoreException(
            "MNT-INPUT",
            "--data: the generator makes no '"
                + kind
                + "'; choose generator:mixed, generator:recall or generator:tracking");
      }
      return new Recipe.Generated(kind, characters, dataSeed);
    }
    Path file = terminal.existing(Path.of(data));
    if (fields.isEmpty() && !data.endsWith(".jsonl")) {
      return new Recipe.TextFile(file);
    }
    return new Recipe.JsonLines(
        file, fields.isEmpty() ? ImmutableList.of("text") : ImmutableList.copyOf(fields));
  }
}
