package dev.manticore.compiler.stages;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Maps;
import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.artifact.ArtifactRequest;
import dev.manticore.compiler.artifact.ArtifactWriter;
import dev.manticore.compiler.artifact.BillOfMaterials;
import dev.manticore.compiler.artifact.HeldOutInputs;
import dev.manticore.compiler.artifact.ModelCard;
import dev.manticore.compiler.artifact.Provenance;
import dev.manticore.compiler.experiment.Measure;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.HybridFiles;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.hybrid.Vocabularies;
import dev.manticore.compiler.pipeline.Pipeline;
import dev.manticore.compiler.pipeline.PrettyJson;
import dev.manticore.compiler.pipeline.StageRunner;
import dev.manticore.compiler.pipeline.ToolVersion;
import dev.manticore.compiler.progress.MetricRecord;
import dev.manticore.compiler.progress.Metrics;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.report.ReportData;
import dev.manticore.compiler.report.ReportData.Model;
import dev.manticore.compiler.report.ReportData.ModelKind;
import dev.manticore.compiler.report.ReportData.Part;
import dev.manticore.compiler.report.ReportData.Run;
import dev.manticore.compiler.report.ReportWriter;
import dev.manticore.compiler.report.ResultLines;
import dev.manticore.compiler.statistics.Interval;
import dev.manticore.compiler.statistics.PairedTest;
import dev.manticore.compiler.statistics.Sample;
import dev.manticore.onnx.OnnxExporter.Placement;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import dev.manticore.onnx.tokenizer.Retokenization;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/** Writes what a compile came to: the artifact, the metrics, the results and the report. */
final class Publication {

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
        metricFiles.add(results.result(stage).metrics());
      }
    }
    CompilePipeline.Repetition shipped = shipped(results);
    Hybrid hybrid = hybrid(results, shipped);
    Artifact artifact = writeArtifact(results, shipped, hybrid, directory);
    StringBuilder metrics = new StringBuilder();
    ImmutableList.Builder<MetricRecord> records = ImmutableList.builder();
    for (Path file : metricFiles) {
      metrics.append(Files.readString(file, StandardCharsets.UTF_8));
      records.addAll(Metrics.read(file));
    }
    AtomicFiles.writeString(directory.resolve(Stages.METRICS), metrics.toString());
    ReportData report =
        report(models(results), results.result(tokenizer), records.build(), directory);
    Provenance provenance = provenance(results, hybrid, report, directory);
    ModelCard.write(artifact, provenance);
    BillOfMaterials.write(artifact, provenance);
    ObjectNode json = json(results, report, shipped, hybrid);
    AtomicFiles.writeString(directory.resolve("results.json"), PrettyJson.text(json));
    ReportWriter.write(report, directory.resolve("report.html"));
    return new Pipeline.Summary(text(results, report, shipped, hybrid), json.toString());
  }

  /** The repetition whose hybrid is shipped: the one of the lowest held-out loss. */
  private CompilePipeline.Repetition shipped(StageRunner results) {
    return repetitions.stream()
        .min(
            Comparator.comparingDouble(
                repetition -> results.result(repetition.hybrid()).scored().heldOutLoss()))
        .orElseThrow();
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

  /** The hybrid and what it is compared with. */
  private ImmutableList<Model> models(StageRunner results) {
    ImmutableMap.Builder<Integer, Run> hybrid = ImmutableMap.builder();
    Map<String, ImmutableMap.Builder<Integer, Run>> components = new LinkedHashMap<>();
    ImmutableMap.Builder<Integer, Run> bestOf = ImmutableMap.builder();
    ImmutableMap.Builder<Integer, Run> ensemble = ImmutableMap.builder();
    for (CompilePipeline.Repetition repetition : repetitions) {
      int seed = repetition.seed();
      Tuned whole = results.result(repetition.hybrid());
      Cost cost =
          Cost.of(results.result(repetition.search()).metrics()).plus(Cost.of(whole.metrics()));
      if (projectors.isPresent()) {
        Path directory = results.result(projectors.get()).directory();
        cost = cost.plus(Cost.of(directory.resolve(Stages.METRICS)));
      }
      hybrid.put(seed, run(whole.scored(), cost));
      Cost all = Cost.NONE;
      for (TuneStage stage : repetition.alone()) {
        Tuned tuned = results.result(stage);
        Cost own = Cost.of(tuned.metrics());
        all = all.plus(own);
        components
            .computeIfAbsent(stage.run(), name -> ImmutableMap.builder())
            .put(seed, run(tuned.scored(), own));
      }
      Cost ofAll = all;
      repetition.alone().stream()
          .map(stage -> results.result(stage).scored())
          .min(Comparator.comparingDouble(Scored::heldOutLoss))
          .ifPresent(best -> bestOf.put(seed, run(best, ofAll)));
      repetition
          .ensemble()
          .ifPresent(stage -> ensemble.put(seed, run(results.result(stage), ofAll)));
    }
    ImmutableList.Builder<Model> models = ImmutableList.builder();
    models.add(new Model("hybrid", ModelKind.HYBRID, hybrid.buildOrThrow()));
    components.forEach(
        (name, runs) -> models.add(new Model(name, ModelKind.COMPONENT, runs.buildOrThrow())));
    // No component has a space in its name.
    if (!components.isEmpty()) {
      models.add(new Model("best of components", ModelKind.BEST_OF, bestOf.buildOrThrow()));
      if (shop.recipe().compare().ensemble()) {
        models.add(new Model("logit ensemble", ModelKind.ENSEMBLE, ensemble.buildOrThrow()));
      }
    }
    return models.build();
  }

  /** What models were trained for: steps of the optimizer, and the tokens of these. */
  private record Cost(long steps, long tokens) {
    static final Cost NONE = new Cost(0, 0);

    /** Of a whole run, from its metrics: a search may have settled early. */
    static Cost of(Path metrics) {
      return Metrics.read(metrics).stream()
          .max(Comparator.comparingLong(MetricRecord::step))
          .map(last -> new Cost(last.step(), last.tokens()))
          .orElse(NONE);
    }

    Cost plus(Cost other) {
      return new Cost(steps + other.steps, tokens + other.tokens);
    }
  }

  private static Run run(Scored scored, Cost cost) {
    return new Run(
        scored.slices().getOrDefault(Corpus.TEST, scored.heldOutLoss()),
        scored.heldOutLoss(),
        scored.parameterCount(),
        cost.steps(),
        cost.tokens(),
        ImmutableMap.copyOf(Maps.filterKeys(scored.slices(), slice -> !slice.equals(Corpus.TEST))),
        scored.measures());
  }

  private Provenance provenance(
      StageRunner results, Hybrid hybrid, ReportData report, Path directory) {
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
    for (Model model : report.models()) {
      losses.add(new Provenance.Result(model.name(), model.losses(), model.slices()));
    }
    return new Provenance(
        comparison(),
        shop.corpus().title(),
        shop.corpus().source().fingerprint(),
        sources.build(),
        report.part().toString(),
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

  private ObjectNode json(
      StageRunner results, ReportData report, CompilePipeline.Repetition shipped, Hybrid hybrid) {
    ObjectNode json = JSON.createObjectNode();
    json.put("name", shop.recipe().name());
    json.put("shipped_seed", shipped.seed());
    ObjectNode models = json.putObject(report.part() == Part.TEST ? "test_loss" : "held_out_loss");
    for (Model model : report.models()) {
      ObjectNode object = models.putObject(model.name());
      Sample losses = model.losses();
      object.put("mean", losses.mean());
      put(object, "interval", losses.interval());
      object.put("standard_deviation", losses.size() > 1 ? losses.standardDeviation() : 0);
      ObjectNode seeds = object.putObject("seeds");
      model.runs().forEach((seed, run) -> seeds.put(Integer.toString(seed), run.loss()));
      for (Measure measure : report.shown()) {
        Sample values = model.values(measure);
        ObjectNode figures = object.putObject(measure.key());
        figures.put("mean", values.mean());
        put(figures, "interval", values.interval());
      }
      ObjectNode slices = object.putObject("slices");
      model.slices().forEach(slices::put);
      // The most of any seed: mostly one and the same.
      object.put("parameters", model.parameters().greatest());
      object.put("steps", model.steps().greatest());
      object.put("tokens", model.tokens().greatest());
    }
    for (ReportData.Difference difference : report.differences()) {
      ObjectNode object =
          ((ObjectNode) models.get(difference.other().name())).putObject("hybrid_less");
      put(object, difference.test());
      difference.measures().forEach((measure, test) -> put(object.putObject(measure.key()), test));
    }
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

  private static void put(ObjectNode object, PairedTest test) {
    object.put("mean", test.differences().mean());
    put(object, "interval", test.interval());
    test.tTest().ifPresent(p -> object.put("p_t_test", p));
    test.signFlip().ifPresent(p -> object.put("p_sign_flips", p));
  }

  private static void put(ObjectNode object, String key, Optional<Interval> interval) {
    interval.ifPresent(ends -> object.putArray(key).add(ends.low()).add(ends.high()));
  }

  private String text(
      StageRunner results, ReportData report, CompilePipeline.Repetition shipped, Hybrid hybrid) {
    StringBuilder text = new StringBuilder();
    ResultLines.of(report).forEach(line -> text.append(line).append(System.lineSeparator()));
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

  /** What is reported beside the loss. */
  private ImmutableList<Measure> shown(Path tokenizerFile) {
    ImmutableList.Builder<Measure> shown = ImmutableList.builder();
    if (shop.corpus().byteLengths(tokenizerFile).isPresent()) {
      shown.add(Measure.BITS_PER_BYTE);
    }
    shown.add(Measure.ACCURACY);
    if (shop.corpus().hasExamples()) {
      shown.add(Measure.EXACT_MATCH);
    }
    return shown.build();
  }

  private ReportData report(
      ImmutableList<Model> models,
      Path tokenizerFile,
      ImmutableList<MetricRecord> metrics,
      Path directory) {
    return new ReportData(
        shop.recipe().name(),
        comparison(),
        shop.recipe().data().test() > 0 ? Part.TEST : Part.HELD_OUT,
        models,
        shown(tokenizerFile),
        ReportData.curves(metrics, "tune"),
        ImmutableList.copyOf(names()),
        ReportData.alphas(metrics, "search"),
        shop.resolved().explain(directory),
        ImmutableMap.of(
            "Manticore", ToolVersion.current(),
            "data", shop.corpus().title(),
            "data SHA-256", shop.corpus().source().fingerprint(),
            "threads of a step", Integer.toString(shop.trainer().threads())));
  }
}
