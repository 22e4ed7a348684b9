package dev.manticore.compiler.stages;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.math.Stats;
import com.google.common.math.StatsAccumulator;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.pipeline.Pipeline;
import dev.manticore.compiler.pipeline.StageRunner;
import dev.manticore.compiler.training.TrainingRun;
import dev.manticore.onnx.io.AtomicFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Writes what a compile came to: the artifact, the metrics, the results and the report. */
final class Publication {

  private static final ObjectMapper JSON = new ObjectMapper();

  private final Workshop shop;
  private final TokenizerStage tokenizer;
  private final List<ComponentSource> components;
  private final List<CompilePipeline.Repetition> repetitions;

  Publication(
      Workshop shop,
      TokenizerStage tokenizer,
      List<ComponentSource> components,
      List<CompilePipeline.Repetition> repetitions) {
    this.shop = shop;
    this.tokenizer = tokenizer;
    this.components = components;
    this.repetitions = repetitions;
  }

  Pipeline.Summary write(StageRunner results, Path directory) throws IOException {
    Map<String, List<Tuned>> tuned = new LinkedHashMap<>();
    StringBuilder metrics = new StringBuilder();
    for (CompilePipeline.Repetition repetition : repetitions) {
      List<TuneStage> all = new ArrayList<>();
      all.add(repetition.hybrid());
      all.addAll(repetition.alone());
      for (TuneStage stage : all) {
        Tuned result = results.result(stage);
        tuned.computeIfAbsent(stage.run(), run -> new ArrayList<>()).add(result);
        metrics.append(Files.readString(result.metrics(), StandardCharsets.UTF_8));
      }
    }
    AtomicFiles.writeString(directory.resolve(Stages.METRICS), metrics.toString());
    ObjectNode json = JSON.createObjectNode();
    StringBuilder text = new StringBuilder();
    tuned.forEach(
        (run, runs) -> {
          StatsAccumulator losses = new StatsAccumulator();
          runs.forEach(one -> losses.add(one.heldOutLoss()));
          Stats stats = losses.snapshot();
          double deviation = stats.count() > 1 ? stats.sampleStandardDeviation() : 0;
          json.put(run, stats.mean());
          text.append(
              String.format(
                  Locale.ROOT,
                  "%-16s %.4f +- %.4f  %s%n",
                  run,
                  stats.mean(),
                  deviation,
                  runs.get(0).slices()));
        });
    for (CompilePipeline.Repetition repetition : repetitions) {
      results
          .result(repetition.search())
          .forEach(
              (name, tensor) ->
                  text.append(
                      String.format(
                          "seed %d %s %s%n",
                          repetition.seed(), name, TrainingRun.softmax(tensor.toFloats()))));
    }
    AtomicFiles.writeString(directory.resolve("manifest.json"), json.toPrettyString() + "\n");
    return new Pipeline.Summary(text.toString(), json.toString());
  }

  static boolean isMixture(String parameter) {
    return Hybrid.isAlpha(parameter);
  }
}
