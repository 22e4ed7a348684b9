package dev.manticore.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.artifact.ArtifactCheck;
import dev.manticore.compiler.artifact.ExportDiscrepancy;
import dev.manticore.compiler.verify.Discrepancy;
import dev.manticore.compiler.verify.ReferenceCheck;
import dev.manticore.compiler.verify.ReferenceCheck.Gradients;
import dev.manticore.compiler.verify.Subject;
import dev.manticore.ir.ManticoreException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore verify}. */
@Command(
    name = "verify",
    description = {
      "Compares what a model computes with a reference: logits, hidden states, loss.",
      "Without a reference: verifies what compile has left, the hashes of its files, and that its",
      "exported models compute what the hybrid does, within the limit they were written under."
    },
    footer = {
      "",
      "The last line of output is a JSON object; with --json it is the only one. Ends with status 1",
      "when a difference is larger than it may be.",
      "",
      "Examples:",
      "  manticore verify runs/quickstart",
      "  manticore verify checkpoints/gpt-neo --against reference.safetensors --gradients",
      "  manticore verify hybrid.json --components checkpoints --against reference.safetensors",
      "  manticore verify model.onnx --parameters-like checkpoints/gpt2 --against reference.safetensors --gradients"
    })
final class VerifyCommand implements Callable<Integer> {

  private final Terminal terminal;

  @Mixin private DeviceOption device;
  @Mixin private CommonOptions common;

  @Parameters(
      paramLabel = "MODEL",
      description =
          "A checkpoint directory, an .onnx file, or a hybrid.json; without --against the directory of a"
              + " compiled hybrid.")
  private Path model;

  @Option(
      names = "--against",
      paramLabel = "FILE",
      description =
          "A safetensors file with input_ids, logits, loss, hidden_states.i and grad.<parameter>.")
  private Optional<Path> reference = Optional.empty();

  @Option(names = "--gradients", description = "Compare the gradient of every parameter too.")
  private boolean gradients;

  @Option(
      names = "--components",
      paramLabel = "DIR",
      description = "The directory that holds the component directories of a hybrid.json.")
  private Optional<Path> components = Optional.empty();

  @Option(
      names = "--parameters-like",
      paramLabel = "CHECKPOINT",
      description =
          "The checkpoint that an .onnx file was exported from: its parameters are found by content, under"
              + " whatever names and transposed.")
  private Optional<Path> parametersLike = Optional.empty();

  @Option(names = "--json", description = "Write the JSON object only.")
  private boolean json;

  VerifyCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() throws JsonProcessingException {
    Path subject = terminal.existing(model);
    return reference.isPresent()
        ? compare(subject, terminal.existing(reference.get()))
        : checkArtifact(subject);
  }

  private int checkArtifact(Path directory) throws JsonProcessingException {
    if (gradients || components.isPresent() || parametersLike.isPresent()) {
      throw new ManticoreException(
          "MNT-VERIFY", "--gradients, --components and --parameters-like need --against");
    }
    if (!Artifact.isArtifact(directory)) {
      throw new ManticoreException(
          "MNT-VERIFY",
          directory
              + " is not the directory of a compiled hybrid: name a reference to compare it with, by"
              + " --against");
    }
    Artifact artifact = Artifact.open(directory);
    ExportDiscrepancy discrepancy = new ArtifactCheck(device.device()).run(artifact);
    detail(artifact.manifest().files().size() + " files are those that the manifest describes");
    for (ExportDiscrepancy.Model exported : discrepancy.models()) {
      String words =
          String.format(
              Locale.ROOT,
              "%s: over %d tokens a logit differs from the hybrid's by %.3e, where at most %.1e may"
                  + " be",
              exported.file(),
              discrepancy.tokens(),
              exported.logitsMaxAbs(),
              exported.limit());
      if (exported.passed()) {
        detail(words);
      } else {
        terminal.err().println(words);
      }
    }
    terminal.out().println(new ObjectMapper().writeValueAsString(discrepancy));
    return discrepancy.passed() ? ExitCode.OK : ExitCode.FAILED;
  }

  private int compare(Path subject, Path against) throws JsonProcessingException {
    ReferenceCheck check =
        new ReferenceCheck(
            Subject.load(
                subject,
                components.map(terminal::existing),
                parametersLike.map(terminal::existing)),
            against,
            device.device());
    Discrepancy discrepancy =
        check.run(gradients ? Gradients.COMPARE : Gradients.SKIP, this::detail);
    terminal.out().println(new ObjectMapper().writeValueAsString(discrepancy));
    return discrepancy.passed() ? ExitCode.OK : ExitCode.FAILED;
  }

  private void detail(String line) {
    if (!json) {
      terminal.out().println(line);
    }
  }
}
