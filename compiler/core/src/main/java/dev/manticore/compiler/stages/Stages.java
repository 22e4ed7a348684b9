package dev.manticore.compiler.stages;

import com.fasterxml.jackson.databind.JsonNode;
import com.google.common.collect.Streams;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.progress.MetricRecord;
import dev.manticore.compiler.progress.Metrics;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.huggingface.ModelConfig;
import java.nio.file.Path;
import java.util.Locale;
import java.util.OptionalDouble;

/** What several stages do alike. */
final class Stages {

  static final String METRICS = Metrics.FILE;

  private Stages() {}

  /** The last held-out loss of a file of metrics; empty if there is none. */
  static OptionalDouble heldOutLoss(Path metrics) {
    return Streams.findLast(
        Metrics.read(metrics).stream()
            .filter(entry -> entry.split() == MetricRecord.Split.HELD_OUT)
            .mapToDouble(MetricRecord::loss));
  }

  /** A name as stages and directories may have it. */
  static String slug(String name) {
    String slug = name.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]+", "-");
    return slug.replaceAll("^-|-$", "");
  }

  /**
   * A configuration whose vocabulary is the tokenizer's, unless it names one that is large enough.
   */
  static ModelConfig withVocabulary(String name, String configuration, int vocabulary) {
    ModelConfig config = ModelConfig.parse("the configuration of '" + name + "'", configuration);
    JsonNode size = config.json().path("vocab_size");
    if (size.isMissingNode() || size.isNull()) {
      return config.with("vocab_size", vocabulary);
    }
    if (size.isIntegralNumber() && size.asLong() < vocabulary) {
      throw new ManticoreException(
          "MNT-VOCABULARY",
          "the tokenizer does not fit the vocabulary of '"
              + name
              + "': vocab_size is "
              + size
              + " but the tokenizer has "
              + vocabulary
              + " ids; raise vocab_size or leave it out");
    }
    return config;
  }

  /**
   * @throws ManticoreException {@code MNT-LENGTH} if the model does not take sequences so long
   */
  static void requireLength(Component component, int length) {
    component
        .maxLength()
        .ifPresent(
            longest -> {
              if (length > longest) {
                throw new ManticoreException(
                    "MNT-LENGTH",
                    "sequences of "
                        + length
                        + " tokens are too long for '"
                        + component.name()
                        + "', which has positions for "
                        + longest
                        + "; make the length shorter");
              }
            });
  }

  /** The same for a model that may not be cut into layers, of whose positions nothing is known. */
  static void requireLength(String name, Graph model, int length) {
    Component component;
    try {
      component = ComponentFinder.find(name, model);
    } catch (ManticoreException e) {
      return;
    }
    requireLength(component, length);
  }

  /**
   * @throws ManticoreException {@code MNT-VOCABULARY} if the tokenizer gives ids that the
   *     component's own table does not have
   */
  static void requireVocabulary(Component component, int vocabulary) {
    if (component.vocabulary() < vocabulary) {
      throw new ManticoreException(
          "MNT-VOCABULARY",
          "the tokenizer does not fit the vocabulary of component '"
              + component.name()
              + "', which is to be tuned alone too: it has "
              + vocabulary
              + " ids, but the component knows only "
              + component.vocabulary()
              + "; use the tokenizer that it was trained with, or set compare.components=false");
    }
  }
}
