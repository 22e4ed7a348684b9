package dev.manticore.compiler.lint;

import com.fasterxml.jackson.databind.JsonNode;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.hybrid.Vocabularies;
import dev.manticore.compiler.lint.Finding.Severity;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.lift.Lift;
import dev.manticore.onnx.ExternalReferences;
import dev.manticore.onnx.ExternalReferences.Reference;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** Looks at the files that a model consists of. */
final class FileLint {

  /** What alignment may leave between two tensors of a file, in bytes. */
  private static final long ALIGNMENT = 1 << 16;

  private FileLint() {}

  /** The external data of an ONNX model. */
  static void external(Path model, Findings findings) throws IOException {
    Map<String, List<Reference>> files = new LinkedHashMap<>();
    for (Reference reference : ExternalReferences.of(model)) {
      files.computeIfAbsent(reference.location(), key -> new ArrayList<>()).add(reference);
    }
    Path directory = model.toAbsolutePath().getParent();
    for (Map.Entry<String, List<Reference>> file : files.entrySet()) {
      ranges(directory.resolve(file.getKey()), file.getValue(), findings);
    }
    List<String> strays = new ArrayList<>();
    try (Stream<Path> beside = Files.list(directory)) {
      for (Path path : beside.sorted().toList()) {
        String name = path.getFileName().toString();
        if (name.startsWith(model.getFileName().toString())
            && name.matches(".*[._]data")
            && !files.containsKey(name)) {
          strays.add(name);
        }
      }
    }
    findings.addAll(
        Severity.WARNING,
        "stray-external-data",
        strays,
        "files that look like the model's data, and that it does not refer to",
        "remove them, if no other model uses them");
  }

  private static void ranges(Path file, List<Reference> references, Findings findings)
      throws IOException {
    List<Reference> sorted = new ArrayList<>(references);
    sorted.sort(Comparator.comparingLong(Reference::offset));
    long size = Files.size(file);
    long end = 0;
    long unused = 0;
    List<String> overlapping = new ArrayList<>();
    for (Reference reference : sorted) {
      if (reference.length() < 0) {
        // Where its end is not said nothing can be told of what follows.
        return;
      }
      if (reference.offset() < end && reference.length() > 0) {
        overlapping.add(reference.tensor());
      }
      long gap = reference.offset() - end;
      unused += gap > ALIGNMENT ? gap : 0;
      end = Math.max(end, reference.offset() + reference.length());
    }
    unused += size - end > ALIGNMENT ? size - end : 0;
    if (unused > 0) {
      findings.add(
          Severity.WARNING,
          "unused-external-data",
          file.toString(),
          String.format(
              Locale.ROOT, "%,d of its %,d bytes belong to no tensor of the model", unused, size),
          "manticore convert writes the model anew, with what it needs");
    }
    findings.addAll(
        Severity.NOTE,
        "overlapping-external-data",
        overlapping,
        "tensors that share bytes with others",
        "nothing, if they were meant to; when they are written, each gets its own");
  }

  /** The configuration, the tokenizer and further files of a checkpoint. */
  static void checkpoint(Path directory, Graph graph, Findings findings) throws IOException {
    ModelConfig config = ModelConfig.read(directory.resolve("config.json"));
    findings.addAll(
        Severity.WARNING,
        "ignored-key",
        Models.ignoredKeys(config),
        "keys of config.json that are not read",
        "see whether they are misspelt, or change what the model computes: docs/families.md lists"
            + " those that are read");
    List<String> pickles = new ArrayList<>();
    try (Stream<Path> files = Files.list(directory)) {
      files
          .map(file -> file.getFileName().toString())
          .filter(name -> name.matches(".*\\.(bin|pt|pth|ckpt|pkl)"))
          .sorted()
          .forEach(pickles::add);
    }
    findings.addAll(
        Severity.NOTE,
        "pickle",
        pickles,
        "files that can run code when they are loaded, beside the safetensors that are read",
        "remove them");
    Optional<Integer> vocabulary = tokenizer(directory, graph, findings);
    JsonNode json = config.json();
    for (String key : List.of("bos_token_id", "eos_token_id", "pad_token_id")) {
      if (vocabulary.isPresent()
          && json.path(key).isIntegralNumber()
          && (json.path(key).asLong() >= vocabulary.get() || json.path(key).asLong() < 0)) {
        findings.add(
            Severity.WARNING,
            "token-outside-vocabulary",
            key,
            "it is "
                + json.path(key)
                + ", but the tokenizer's ids end at "
                + (vocabulary.get() - 1),
            "take the tokenizer that the model was trained with, or correct the key");
      }
    }
  }

  /** The tokenizer beside a model; the number of its ids. */
  static Optional<Integer> tokenizer(Path model, Graph graph, Findings findings) {
    long rows;
    try {
      rows = ComponentFinder.find("model", new Lift().run(graph)).vocabulary();
    } catch (ManticoreException e) {
      // No language model, whose logits would be known.
      return Optional.empty();
    }
    Optional<Path> file = Vocabularies.tokenizerOf(model);
    if (file.isEmpty()) {
      findings.add(
          Severity.NOTE,
          "no-tokenizer",
          model.toString(),
          "there is no tokenizer.json beside the model, so that its ids mean nothing by themselves",
          "put the one there that it was trained with");
      return Optional.empty();
    }
    try (Tokenizer tokenizer = Tokenizer.load(file.get())) {
      int ids = tokenizer.vocabularySize();
      if (ids > rows) {
        findings.add(
            Severity.ERROR,
            "tokenizer-too-large",
            file.get().toString(),
            "it gives ids up to " + (ids - 1) + ", but the model knows only " + rows,
            "take the tokenizer that the model was trained with");
      } else if (ids < rows) {
        findings.add(
            Severity.NOTE,
            "padded-vocabulary",
            file.get().toString(),
            (rows - ids) + " of the model's " + rows + " ids are no tokens",
            "nothing, if the table was padded; such rows are dropped when the model is spliced");
      }
      if (tokenizer.endOfText().isEmpty()) {
        findings.add(
            Severity.NOTE,
            "no-end-of-text",
            file.get().toString(),
            "no token is known to end a document",
            "add one that is called <|endoftext|> or </s>");
      }
      return Optional.of(ids);
    } catch (ManticoreException e) {
      findings.add(
          Severity.WARNING,
          "tokenizer-unreadable",
          file.get().toString(),
          e.getMessage(),
          "texts cannot be given to the model by its own tokenizer");
      return Optional.empty();
    }
  }
}
