package dev.manticore.compiler.stages;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableTable;
import com.google.common.math.Stats;
import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.artifact.ArtifactRequest;
import dev.manticore.compiler.artifact.ArtifactWriter;
import dev.manticore.compiler.artifact.BillOfMaterials;
import dev.manticore.compiler.artifact.HeldOutInputs;
import dev.manticore.compiler.artifact.ModelCard;
import dev.manticore.compiler.artifact.Provenance;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.HybridFiles;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.hybrid.Vocabularies;
import dev.manticore.compiler.pipeline.Pipeline;
import dev.manticore.compiler.pipeline.StageRunner;
import dev.manticore.compiler.pipeline.ToolVersion;
import dev.manticore.compiler.progress.MetricRecord;
import dev.manticore.compiler.progress.Metrics;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.report.ReportData;
import dev.manticore.compiler.report.ReportWriter;
import dev.manticore.onnx.OnnxExporter.Placement;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import dev.manticore.onnx.tokenizer.Retokenization;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** Writes what a compile came to: the artifact, the metrics, the results and the report. */
final class Publication {

  private static final String HYBRID = "hybrid";
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Workshop shop;
  private final TokenizerStage tokenizer;
  private final List<ComponentSource> components;
  private final Optional<ProjectorStage> projectors;
  private final List<CompilePipeline.Repetition> repetitions;

  Publication(
      Workshop shop,
      TokenizerStage tokenizer,
      List<ComponentSource> components,
      Optional<ProjectorStage> projectors,
      List<CompilePipeline.Repetition> repetitions) {
    this.shop = shop;
    this.tokenizer = tokenizer;
    this.components = components;
    this.projectors = projectors;
    this.repetitions = repetitions;
  }

  Pipeline.Summary write(StageRunner results, Path directory) throws IOException {
    // By model, hybrid first: the result of each seed.
    Map<String, Map<Integer, Tuned>> tuned = new LinkedHashMap<>();
    List<Path> metricFiles = new ArrayList<>();
    for (ComponentSource component : components) {
      component
          .stage()
          .ifPresent(stage -> metricFiles.add(results.result(stage).resolve(Stages.METRICS)));
    }
    projectors.ifPresent(
        stage -> metricFiles.add(results.result(stage).directory().resolve(Stages.METRICS)));
    for (CompilePipeline.Repetition repetition : repetitions) {
      metricFiles.add(results.result(repetition.search()).metrics());
      for (TuneStage stage : repetition.tuned()) {
        Tuned result = results.result(stage);
        tuned
            .computeIfAbsent(stage.run(), run -> new LinkedHashMap<>())
            .put(repetition.seed(), result);
        metricFiles.add(result.metrics());
      }
    }
    CompilePipeline.Repetition shipped = best(tuned.get(HYBRID));
    Hybrid hybrid = hybrid(results, shipped);
    Artifact artifact = writeArtifact(results, shipped, hybrid, directory);
    Provenance provenance = provenance(results, hybrid, tuned, directory);
    ModelCard.write(artifact, provenance);
    BillOfMaterials.write(artifact, provenance);
    StringBuilder metrics = new StringBuilder();
    ImmutableList.Builder<MetricRecord> records = ImmutableList.builder();
    for (Path file : metricFiles) {
      metrics.append(Files.readString(file, StandardCharsets.UTF_8));
      records.addAll(Metrics.read(file));
    }
    AtomicFiles.writeString(directory.resolve(Stages.METRICS), metrics.toString());
    ObjectNode json = json(results, tuned, shipped, hybrid);
    AtomicFiles.writeString(directory.resolve("results.json"), json.toPrettyString() + "\n");
    ReportWriter.write(report(tuned, records.build(), directory), directory.resolve("report.html"));
    return new Pipeline.Summary(text(results, tuned, shipped, hybrid), json.toString());
  }

  /** The repetition whose hybrid is shipped: the one of the lowest held-out loss. */
  private CompilePipeline.Repetition best(Map<Integer, Tuned> hybrids) {
    CompilePipeline.Repetition best = repetitions.get(0);
    for (CompilePipeline.Repetition repetition : repetitions) {
      if (hybrids.get(repetition.seed()).heldOutLoss() < hybrids.get(best.seed()).heldOutLoss()) {
        best = repetition;
      }
    }
    return best;
  }

  private Hybrid hybrid(StageRunner results, CompilePipeline.Repetition repetition) {
    Hybrid found =
        shop.found(
            ComponentSource.directories(components, results::result),
            results.result(tokenizer),
            // All parameters are those of tuning, whatever it started from.
            Optional.empty(),
            repetition.index(),
            results.result(repetition.search()).alpha());
    return HybridFiles.withParameters(
        found, SafetensorsFile.open(results.result(repetition.hybrid()).parameters()).tensors());
  }

  /** The components that a hybrid is made of: a discretised one may have lost some. */
  private List<ComponentSource> components(Hybrid hybrid) {
    return components.stream()
        .filter(component -> hybrid.names().contains(component.name()))
        .toList();
  }

  private Provenance provenance(
      StageRunner results, Hybrid hybrid, Map<String, Map<Integer, Tuned>> tuned, Path directory) {
    ImmutableList.Builder<Provenance.Source> sources = ImmutableList.builder();
    for (ComponentSource component : components(hybrid)) {
      sources.add(Provenance.Source.of(component.name(), component.directory(results::result)));
    }
    // No component has a space in its name.
    shop.recipe()
        .splice()
        .projector()
        .from()
        .ifPresent(place -> sources.add(Provenance.Source.of("trained projectors", place)));
    ImmutableList.Builder<Provenance.Result> losses = ImmutableList.builder();
    tuned.forEach(
        (run, runs) -> {
          Stats stats = losses(runs);
          losses.add(
              new Provenance.Result(
                  run,
                  stats.mean(),
                  deviation(stats),
                  runs.size(),
                  ImmutableMap.copyOf(slices(runs))));
        });
    return new Provenance(
        comparison(),
        shop.corpus().title(),
        shop.corpus().source().fingerprint(),
        sources.build(),
        losses.build(),
        shop.resolved().yaml(directory));
  }

  private Artifact writeArtifact(
      StageRunner results, CompilePipeline.Repetition shipped, Hybrid hybrid, Path directory) {
    Path tokenizerFile = results.result(tokenizer);
    List<Path> checkpoints = ComponentSource.directories(components(hybrid), results::result);
    Recipe.Output output = shop.recipe().output();
    int sequences = output.verifyBatches() * shop.recipe().tune().batch();
    ArtifactRequest request =
        new ArtifactRequest(
            shop.recipe().name(),
            hybrid,
            ImmutableList.copyOf(checkpoints),
            tokenizerFile,
            HeldOutInputs.of(shop.corpus().split(tokenizerFile).heldOut(), sequences),
            ImmutableMap.of("run", (long) shipped.seed()),
            new ArtifactRequest.Options(
                shop.trainer().threads(),
                output.tolerance(),
                output.deployment(),
                output.decode(),
                Placement.AUTOMATIC));
    return new ArtifactWriter(shop.trainer().device()).write(directory, request);
  }

  private static Stats losses(Map<Integer, Tuned> runs) {
    return Stats.of(runs.values().stream().map(Tuned::heldOutLoss).toList());
  }

  private static double deviation(Stats stats) {
    return stats.count() > 1 ? stats.sampleStandardDeviation() : 0;
  }

  private ObjectNode json(
      StageRunner results,
      Map<String, Map<Integer, Tuned>> tuned,
      CompilePipeline.Repetition shipped,
      Hybrid hybrid) {
    ObjectNode json = JSON.createObjectNode();
    json.put("name", shop.recipe().name());
    json.put("shipped_seed", shipped.seed());
    ObjectNode models = json.putObject("held_out_loss");
    tuned.forEach(
        (run, runs) -> {
          ObjectNode model = models.putObject(run);
          Stats stats = losses(runs);
          model.put("mean", stats.mean());
          model.put("standard_deviation", deviation(stats));
          ObjectNode seeds = model.putObject("seeds");
          runs.forEach((seed, result) -> seeds.put(Integer.toString(seed), result.heldOutLoss()));
          ObjectNode slices = model.putObject("slices");
          slices(runs).forEach(slices::put);
          Tuned any = runs.values().iterator().next();
          model.put("parameters", any.parameterCount());
          model.put("steps", any.steps());
        });
    retokenizations(results)
        .forEach(
            (name, tokens) -> {
              ObjectNode vocabulary = json.withObject("/vocabularies").putObject(name);
              tokens
                  .counts()
                  .forEach(
                      (kind, count) -> vocabulary.put(kind.name().toLowerCase(Locale.ROOT), count));
            });
    projectors.ifPresent(
        stage -> {
          ProjectorPretraining.Result result = results.result(stage);
          json.putObject("projectors")
              .put("steps", result.steps())
              .put("held_out_loss_before", result.before())
              .put("held_out_loss_after", result.after());
        });
    ArrayNode searches = json.putArray("mixture_weights");
    for (CompilePipeline.Repetition repetition : repetitions) {
      ObjectNode search = searches.addObject();
      search.put("seed", repetition.seed());
      ArrayNode blocks = search.putArray("blocks");
      for (ImmutableList<Double> weights : results.result(repetition.search()).weights()) {
        weights.forEach(blocks.addArray()::add);
      }
    }
    if (isDiscretised()) {
      ArrayNode blocks = json.putArray("kept_components");
      for (int i = 0; i < hybrid.blocks(); i++) {
        ArrayNode block = blocks.addArray();
        hybrid.mixed(i).forEach(k -> block.add(hybrid.names().get(k)));
      }
    }
    return json;
  }

  private boolean isDiscretised() {
    return shop.recipe().search().discretisation().keeping() != Recipe.Keeping.NONE;
  }

  /** The mean loss on each slice over the seeds. */
  private static Map<String, Double> slices(Map<Integer, Tuned> runs) {
    Map<String, Double> means = new LinkedHashMap<>();
    runs.values()
        .forEach(
            run ->
                run.slices()
                    .forEach((slice, loss) -> means.merge(slice, loss / runs.size(), Double::sum)));
    return means;
  }

  private String text(
      StageRunner results,
      Map<String, Map<Integer, Tuned>> tuned,
      CompilePipeline.Repetition shipped,
      Hybrid hybrid) {
    StringBuilder text = new StringBuilder();
    text.append(
        String.format(
            "Held-out loss in nats a token, mean and standard deviation over %d seed%s:%n",
            repetitions.size(), repetitions.size() == 1 ? "" : "s"));
    tuned.forEach(
        (run, runs) -> {
          Stats stats = losses(runs);
          StringBuilder slices = new StringBuilder();
          slices(runs)
              .forEach(
                  (slice, loss) ->
                      slices.append(String.format(Locale.ROOT, "   %s %.4f", slice, loss)));
          text.append(
              String.format(
                  Locale.ROOT,
                  "  %-20s %.4f +- %.4f%s%n",
                  run,
                  stats.mean(),
                  deviation(stats),
                  slices));
        });
    retokenizations(results)
        .forEach(
            (name, tokens) ->
                text.append(
                    String.format(
                        Locale.ROOT,
                        "Vocabulary of %s merged: of %d tokens %d are its own too, %d are the mean of"
                            + " several, %d are unknown to it.%n",
                        name,
                        tokens.size(),
                        tokens.counts().get(Retokenization.Kind.SAME),
                        tokens.counts().get(Retokenization.Kind.PIECES),
                        tokens.counts().get(Retokenization.Kind.NONE))));
    projectors.ifPresent(
        stage -> text.append(results.result(stage).text()).append(System.lineSeparator()));
    text.append(String.format("Mixture weights of %s, by block:%n", names()));
    for (CompilePipeline.Repetition repetition : repetitions) {
      StringBuilder blocks = new StringBuilder();
      for (ImmutableList<Double> found : results.result(repetition.search()).weights()) {
        List<String> weights = new ArrayList<>();
        found.forEach(weight -> weights.add(String.format(Locale.ROOT, "%.3f", weight)));
        blocks.append("  [").append(String.join(", ", weights)).append("]");
      }
      text.append(
          String.format(
              "  seed %-3d%s%s%n",
              repetition.seed(), blocks, repetition == shipped ? "  (shipped)" : ""));
    }
    if (isDiscretised()) {
      text.append(String.format("Components kept, by block:%n  %-8s", "seed " + shipped.seed()));
      for (int i = 0; i < hybrid.blocks(); i++) {
        text.append(
            hybrid.mixed(i).stream()
                .map(hybrid.names()::get)
                .collect(Collectors.joining(", ", "  [", "]")));
      }
      text.append(String.format("%n"));
    }
    if (shop.recipe().output().target().isTensorRt()) {
      text.append(
          "No engine is built by a compile: manticore engine adds it, on a machine with an NVIDIA"
              + " GPU.");
    }
    return text.toString().stripTrailing();
  }

  /** How the tokenizer's tokens are made of a component's, by component of another tokenizer. */
  private Map<String, Retokenization> retokenizations(StageRunner results) {
    Map<String, Retokenization> all = new LinkedHashMap<>();
    if (shop.recipe().splice().embeddings() == Embeddings.MERGED) {
      for (ComponentSource component : components) {
        Vocabularies.between(results.result(tokenizer), component.directory(results::result))
            .ifPresent(tokens -> all.put(component.name(), tokens));
      }
    }
    return all;
  }

  private List<String> names() {
    return components.stream().map(ComponentSource::name).toList();
  }

  private String comparison() {
    Recipe recipe = shop.recipe();
    return String.format(
        "%s searched for %d steps, rewound to the pretrained weights and tuned for %d;"
            + " each component alone was tuned for all %d, on the same data, batch and rates.",
        projectors
            .map(
                stage ->
                    String.format(
                        "The hybrid's projectors were trained for %d steps with frozen components;"
                            + " it was",
                        stage.steps()))
            .orElse("The hybrid was"),
        recipe.search().training().steps(),
        recipe.tune().steps(),
        recipe.hybridSteps());
  }

  private ReportData report(
      Map<String, Map<Integer, Tuned>> tuned, ImmutableList<MetricRecord> metrics, Path directory) {
    ImmutableList.Builder<ReportData.Model> models = ImmutableList.builder();
    ImmutableTable.Builder<String, String, Double> slices = ImmutableTable.builder();
    tuned.forEach(
        (run, runs) -> {
          ImmutableMap.Builder<Integer, Double> losses = ImmutableMap.builder();
          runs.forEach((seed, result) -> losses.put(seed, result.heldOutLoss()));
          models.add(
              new ReportData.Model(
                  run,
                  run.equals(HYBRID) ? ReportData.ModelKind.HYBRID : ReportData.ModelKind.COMPONENT,
                  losses.buildOrThrow(),
                  runs.values().iterator().next().parameterCount(),
                  Double.NaN));
          slices(runs).forEach((slice, loss) -> slices.put(slice, run, loss));
        });
    return new ReportData(
        shop.recipe().name(),
        comparison(),
        models.build(),
        ReportData.curves(metrics, "tune"),
        ImmutableList.copyOf(names()),
        ReportData.alphas(metrics, "search"),
        slices.build(),
        shop.resolved().explain(directory),
        ImmutableMap.of(
            "Manticore", ToolVersion.current(),
            "data", shop.corpus().title(),
            "data SHA-256", shop.corpus().source().fingerprint(),
            "threads of a step", Integer.toString(shop.trainer().threads())));
  }
}
