package dev.manticore.compiler.stages;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.manticore.compiler.pipeline.StageContext;
import dev.manticore.compiler.progress.MetricsWriter;
import dev.manticore.compiler.training.TrainingRun;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.huggingface.ModelConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;

/** What several stages do alike. */
final class Stages {

  static final String METRICS = "metrics.jsonl";

  private static final ObjectMapper JSON = new ObjectMapper();

  private Stages() {}

  /** Trains with the stage's own checkpoints, progress and metrics. */
  static TrainingRun.Result train(
      TrainingRun.Request request, StageContext context, Path parameters) {
    Path checkpoints = context.checkpoints();
    int done = TrainingRun.stepsDone(checkpoints);
    // Records of steps that an interrupted run took after its last checkpoint are taken again.
    boolean resumed = done > 0;
    try (MetricsWriter metrics =
        MetricsWriter.open(
            context.directory().resolve(METRICS), entry -> resumed && entry.step() <= done)) {
      return TrainingRun.run(
          request,
          checkpoints,
          parameters,
          new TrainingRun.Surroundings(
              context.progress(), Optional.of(metrics), context.cancellation()));
    }
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
    try {
      JsonNode tree = JSON.readTree(configuration);
      if (!tree.isObject()) {
        throw new ManticoreException(
            "MNT-CONFIG", "the configuration of '" + name + "' is not an object");
      }
      ObjectNode config = (ObjectNode) tree;
      if (!config.has("vocab_size")) {
        config.put("vocab_size", vocabulary);
      } else if (config.path("vocab_size").asInt() < vocabulary) {
        throw new ManticoreException(
            "MNT-VOCABULARY",
            "the tokenizer does not fit the vocabulary of component '"
                + name
                + "': vocab_size is "
                + config.path("vocab_size")
                + " but the tokenizer has "
                + vocabulary
                + " ids; raise vocab_size or leave it out");
      }
      return ModelConfig.parse("the configuration of '" + name + "'", config.toString());
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-CONFIG", "the configuration of '" + name + "' is not JSON: " + e.getMessage(), e);
    }
  }
}
