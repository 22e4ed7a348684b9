package dev.manticore.compiler.hybrid;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.pipeline.OutputDirectory;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.OnnxFunctions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/** Splices models as they are, without search or tuning, from files to files. */
public final class Splicing {

  private Splicing() {}

  /**
   * What to splice, and how.
   *
   * @param models checkpoint directories or {@code .onnx} files; components are called after them
   * @param blocks the number of mixtures; if empty, the least depth
   * @param vocabulary the number of token ids; if empty, the least of the components'
   * @param seed of what is drawn
   */
  public record Request(
      ImmutableList<Path> models,
      OptionalInt blocks,
      SpliceOptions.Gates gates,
      SpliceOptions.ProjectorInitialisation projectors,
      SpliceOptions.Embeddings embeddings,
      OptionalInt vocabulary,
      long seed) {}

  /**
   * Reads the components and splices them. Ids are those of the first tokenizer that a model
   * brings; where none brings one, that of all is taken to be the same. Parameters stay in their
   * files until they are written.
   *
   * @throws ManticoreException what reading the components and {@link Splicer#splice} throw
   */
  public static Hybrid splice(Request request) {
    Optional<Path> tokenizer = tokenizer(request);
    List<Component> components = new ArrayList<>();
    for (Path model : request.models()) {
      Component component = ModelFiles.component(ModelFiles.nameOf(model), model);
      components.add(
          tokenizer.isPresent()
              ? Vocabularies.fit(component, model, tokenizer.get(), request.embeddings())
              : component);
    }
    int depth = components.stream().mapToInt(c -> c.layers().size()).min().orElse(1);
    int vocabulary = components.stream().mapToInt(Component::vocabulary).min().orElse(1);
    return Splicer.splice(
        components,
        new SpliceOptions(
            request.blocks().orElse(depth),
            request.gates(),
            request.projectors(),
            request.embeddings(),
            ImmutableList.of(),
            request.vocabulary().orElse(vocabulary),
            request.seed()));
  }

  private static Optional<Path> tokenizer(Request request) {
    return request.models().stream()
        .flatMap(model -> Vocabularies.tokenizerOf(model).stream())
        .findFirst();
  }

  /**
   * Writes the hybrid: as an ONNX model with projectors and mixtures as model-local functions where
   * the output ends in {@code .onnx}, else as a directory with {@code hybrid.json}, as {@link
   * HybridFiles#write} does, and the tokenizer.
   *
   * @throws ManticoreException if it cannot be written; what was there is then as it was
   */
  public static void write(Hybrid hybrid, Request request, Path output) {
    if (output.toString().endsWith(".onnx")) {
      OnnxExporter.write(
          OnnxFunctions.define(hybrid.graph()), output, OnnxExporter.Options.DEFAULT);
      return;
    }
    try (OutputDirectory target = OutputDirectory.open(output, HybridFiles.DESCRIPTION)) {
      HybridFiles.write(target.staging(), hybrid, request.models());
      tokenizer(request).ifPresent(file -> copy(file, target.staging()));
      target.commit();
    }
  }

  private static void copy(Path file, Path directory) {
    try {
      Files.copy(file, directory.resolve(Vocabularies.FILE));
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-WRITE", file + " cannot be copied to " + directory + ": " + e.getMessage(), e);
    }
  }
}
