package dev.manticore.compiler.stages;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Iterables;
import com.google.common.collect.Maps;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.HybridFiles;
import dev.manticore.compiler.hybrid.ProjectorFiles;
import dev.manticore.compiler.pipeline.Stage;
import dev.manticore.compiler.pipeline.StageContext;
import dev.manticore.compiler.pipeline.StageInputs;
import dev.manticore.compiler.progress.MetricRecord;
import dev.manticore.compiler.progress.Metrics;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.recipe.Recipe.ProjectorMixture;
import dev.manticore.compiler.training.TrainingPlan;
import dev.manticore.compiler.training.TrainingRun;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/**
 * Trains what a hybrid adds to its components, which are frozen: projectors, gates of their own,
 * fresh tables (paper, §4.4). The result is a directory of {@link ProjectorFiles}, which all
 * repetitions share as they share the components.
 */
final class ProjectorStage implements Stage<ProjectorPretraining.Result> {

  private static final String SECTION = "projectors";

  private static final ObjectMapper JSON = new ObjectMapper();

  private final Workshop shop;
  private final Recipe.ProjectorTraining settings;
  private final TokenizerStage tokenizer;
  private final List<ComponentSource> components;
  private final ProjectorSource start;
  private final StageInputs inputs;

  /**
   * @param start the projectors to go on from
   */
  ProjectorStage(
      Workshop shop,
      Recipe.ProjectorTraining settings,
      TokenizerStage tokenizer,
      List<ComponentSource> components,
      ProjectorSource start) {
    this.shop = shop;
    this.settings = settings;
    this.tokenizer = tokenizer;
    this.components = components;
    this.start = start;
    StageInputs.Builder builder =
        shop.trainingInputs()
            .values(shop.resolved().values("splice"))
            .values(shop.resolved().values(SECTION))
            .values(shop.resolved().values("evaluate"))
            .value("seed", Integer.toString(shop.recipe().seed()))
            .stage(tokenizer);
    components.forEach(component -> component.describe(builder));
    start.describe(builder);
    this.inputs = builder.build();
  }

  @Override
  public String name() {
    return SECTION;
  }

  @Override
  public int version() {
    return 1;
  }

  @Override
  public StageInputs inputs() {
    return inputs;
  }

  int steps() {
    return settings.training().steps();
  }

  /** The parameters that are trained, by name. */
  static Predicate<String> trained(ProjectorMixture mixture) {
    return name ->
        !Hybrid.isOfComponent(name)
            && (mixture == ProjectorMixture.TRAINED || !Hybrid.isAlpha(name));
  }

  @Override
  public void run(StageContext context) throws IOException {
    Path tokenizerFile = context.result(tokenizer);
    List<Path> checkpoints = ComponentSource.directories(components, context::result);
    Hybrid hybrid = shop.splice(checkpoints, tokenizerFile, start.directory(context::result), 0);
    shop.requireDeployable(hybrid);
    ImmutableList<String> alphas = hybrid.alphas();
    TrainingRun.Request request =
        new TrainingRun.Request(
            SECTION,
            SECTION,
            shop.recipe().seed(),
            hybrid.graph(),
            TrainingPlan.of(
                hybrid.graph(),
                settings.training(),
                shop.recipe().data().length(),
                trained(settings.mixture())),
            shop.corpus().split(tokenizerFile),
            ImmutableMap.of(),
            alphas,
            shop.recipe().evaluate().every(),
            shop.recipe().evaluate().batches(),
            0,
            shop.trainer().device(),
            shop.trainer().threads());
    Path parameters = context.checkpoints().resolve("parameters.safetensors");
    shop.trainer().train(request, context, parameters);
    Map<String, Tensor> own =
        Maps.filterKeys(
            SafetensorsFile.open(parameters).tensors(), name -> !Hybrid.isOfComponent(name));
    Hybrid trained = HybridFiles.withParameters(hybrid, own);
    ProjectorFiles.write(
        context.directory(),
        trained,
        shop.components(checkpoints),
        tokenizerFile,
        record(result(context.directory()), trained));
  }

  /** How they were trained, and what it came to. */
  private ObjectNode record(ProjectorPretraining.Result result, Hybrid trained) throws IOException {
    ObjectNode json = JSON.createObjectNode();
    json.put("data", shop.corpus().source().fingerprint());
    json.put("length", shop.corpus().length());
    json.put("seed", shop.recipe().seed());
    for (Map.Entry<String, String> value : shop.resolved().values(SECTION).entrySet()) {
      json.set(value.getKey().substring(SECTION.length() + 1), JSON.readTree(value.getValue()));
    }
    json.putObject("held_out_loss").put("before", result.before()).put("after", result.after());
    if (settings.mixture() == ProjectorMixture.TRAINED) {
      ArrayNode blocks = json.putArray("mixture_weights");
      for (int i = 0; i < trained.blocks(); i++) {
        trained.weights(i).forEach(blocks.addArray()::add);
      }
    }
    return json;
  }

  @Override
  public ProjectorPretraining.Result result(Path directory) {
    List<Double> losses =
        Metrics.read(directory.resolve(Stages.METRICS)).stream()
            .filter(entry -> entry.split() == MetricRecord.Split.HELD_OUT)
            .map(MetricRecord::loss)
            .toList();
    return new ProjectorPretraining.Result(
        directory, steps(), losses.get(0), Iterables.getLast(losses));
  }
}
