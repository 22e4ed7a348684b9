package dev.manticore.compiler.stages;

import com.fasterxml.jackson.databind.JsonNode;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.huggingface.ModelConfig;
import java.util.Locale;

/** What several stages do alike. */
final class Stages {

  static final String METRICS = "metrics.jsonl";

  private Stages() {}

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
}
