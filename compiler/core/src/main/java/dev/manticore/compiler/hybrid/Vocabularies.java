package dev.manticore.compiler.hybrid;

import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.onnx.tokenizer.Retokenization;
import dev.manticore.onnx.tokenizer.Tokenizer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Brings components to the vocabulary of the tokenizer that segments the text, so that ids mean the
 * same to all of them. Tokenizers are compared by what they do, not by their sizes or their files.
 */
public final class Vocabularies {

  /** The name of a tokenizer beside a model. */
  public static final String FILE = "tokenizer.json";

  private Vocabularies() {}

  /**
   * The tokenizer that a model brings: a {@value #FILE} in its directory, or in that of its file.
   */
  public static Optional<Path> tokenizerOf(Path model) {
    Path file =
        Files.isDirectory(model)
            ? model.resolve(FILE)
            : model.toAbsolutePath().resolveSibling(FILE);
    return Optional.of(file).filter(Files::isRegularFile);
  }

  /**
   * The component as it takes the ids of a tokenizer. With fresh tables any component does, since
   * its own are not used. With pretrained ones its own tokenizer must be the same; a component that
   * brings none is taken to have been trained with the one that segments the text. With merged ones
   * a table, and the head, of a component of another tokenizer is made anew: each token of the
   * segmenting tokenizer has the mean of the rows of the tokens that the component's own makes of
   * the same bytes, and a token that it has nothing for the mean of all rows.
   *
   * @param place the component's directory or file
   * @param segmenting a {@code tokenizer.json}
   * @throws ManticoreException {@code MNT-VOCABULARY} if the ids would mean something else to the
   *     component
   */
  public static Component fit(
      Component component, Path place, Path segmenting, Embeddings embeddings) {
    if (embeddings == Embeddings.FRESH) {
      return component;
    }
    Optional<Path> own = tokenizerOf(place);
    if (own.isEmpty()) {
      if (embeddings == Embeddings.MERGED) {
        throw failure(
            "the vocabulary of component '"
                + component.name()
                + "' cannot be merged, since "
                + place
                + " brings no "
                + FILE
                + "; put the one there that the component was trained with");
      }
      return component;
    }
    try (Tokenizer text = Tokenizer.load(segmenting);
        Tokenizer components = Tokenizer.load(own.get())) {
      Optional<String> difference = components.differenceFrom(text);
      if (difference.isEmpty()) {
        return component;
      }
      if (embeddings == Embeddings.PRETRAINED) {
        throw failure(
            "component '"
                + component.name()
                + "' was trained with another tokenizer than the one that segments the text: "
                + difference.get()
                + " ("
                + own.get()
                + ", "
                + segmenting
                + "). With splice.embeddings=merged its table is made anew for that tokenizer; with"
                + " fresh, all tables are new");
      }
      return merged(component, components, Retokenization.of(text, components));
    }
  }

  /**
   * Checks that ids of a tokenizer mean to a component what they meant when it was trained.
   *
   * @param remedy what to do if they do not
   * @throws ManticoreException {@code MNT-VOCABULARY} if the component brings another tokenizer
   */
  public static void requireSame(Component component, Path place, Path segmenting, String remedy) {
    Optional<Path> own = tokenizerOf(place);
    if (own.isEmpty()) {
      return;
    }
    try (Tokenizer text = Tokenizer.load(segmenting);
        Tokenizer components = Tokenizer.load(own.get())) {
      components
          .differenceFrom(text)
          .ifPresent(
              difference -> {
                throw failure(
                    "the ids of the text mean other tokens to component '"
                        + component.name()
                        + "': "
                        + difference
                        + "; "
                        + remedy);
              });
    }
  }

  /** How the tokens of a tokenizer are found in the one of a model; empty if they are the same. */
  public static Optional<Retokenization> between(Path segmenting, Path place) {
    Optional<Path> own = tokenizerOf(place);
    if (own.isEmpty()) {
      return Optional.empty();
    }
    try (Tokenizer text = Tokenizer.load(segmenting);
        Tokenizer components = Tokenizer.load(own.get())) {
      return components.differenceFrom(text).map(different -> Retokenization.of(text, components));
    }
  }

  private static Component merged(
      Component component, Tokenizer own, Retokenization retokenization) {
    int rows = component.vocabulary();
    if (own.vocabularySize() > rows) {
      throw failure(
          "the tokenizer "
              + own.path()
              + " does not fit component '"
              + component.name()
              + "': it has "
              + own.vocabularySize()
              + " ids, but the component knows only "
              + rows);
    }
    Map<String, Tensor> parameters = new LinkedHashMap<>();
    component
        .graph()
        .parameters()
        .forEach(
            (value, tensor) ->
                parameters.put(
                    value.name(),
                    component.isVocabularyTable(value)
                        ? Tables.merge(
                            tensor,
                            axis(component, value, rows),
                            own.vocabularySize(),
                            retokenization)
                        : tensor));
    return ComponentFinder.find(
        component.name(), HybridFiles.withTensors(component.graph(), parameters));
  }

  /** The axis of a table along which the vocabulary lies. */
  private static int axis(Component component, Value table, int rows) {
    boolean first = table.shape().dim(0).equals(Dim.of(rows));
    if (table.shape().rank() == 1 || first && !table.shape().dim(1).equals(Dim.of(rows))) {
      return 0;
    }
    if (!first) {
      return 1;
    }
    // Of a square table only its use tells.
    for (Node node : component.graph().nodes()) {
      if (node.presentInputs().contains(table)) {
        if (node.op().isOnnx("Gather") && node.input(0) == table) {
          return 0;
        }
        if (node.op().isOnnx("MatMul") && node.input(1) == table) {
          return 1;
        }
        if (node.op().isOnnx("Transpose")) {
          return 0;
        }
      }
    }
    throw failure(
        "table '"
            + table.name()
            + "' of component '"
            + component.name()
            + "' is as wide as it is high, and its use does not tell which way the vocabulary lies");
  }

  private static ManticoreException failure(String message) {
    return new ManticoreException("MNT-VOCABULARY", message);
  }
}
