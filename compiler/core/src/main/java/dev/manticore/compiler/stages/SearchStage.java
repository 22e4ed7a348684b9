package dev.manticore.compiler.stages;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Maps;
import dev.manticore.compiler.decode.DecoderBuilder;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.compiler.pipeline.Stage;
import dev.manticore.compiler.pipeline.StageContext;
import dev.manticore.compiler.pipeline.StageInputs;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.training.TrainingPlan;
import dev.manticore.compiler.training.TrainingRun;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import dev.manticore.onnx.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Searches the mixture weights, by the recipe's method, while the weights are trained too. By
 * default as the paper ran it (§4.1): DARTS, first order, single level, simultaneous. Only the
 * mixture weights are kept.
 */
final class SearchStage implements Stage<SearchStage.Found> {

  /**
   * What a search found.
   *
   * @param alpha the logits of the mixture weights, by parameter
   * @param metrics losses and weights along the way, JSON lines
   */
  record Found(ImmutableMap<String, Tensor> alpha, Path metrics) {}

  private static final String ALPHA = "alpha.safetensors";
  private static final ImmutableSet<String> LATER =
      ImmutableSet.of("search.discretise", "search.threshold");

  private final Workshop shop;
  private final int repetition;
  private final TokenizerStage tokenizer;
  private final List<ComponentSource> components;
  private final StageInputs inputs;

  SearchStage(
      Workshop shop, int repetition, TokenizerStage tokenizer, List<ComponentSource> components) {
    this.shop = shop;
    this.repetition = repetition;
    this.tokenizer = tokenizer;
    this.components = components;
    StageInputs.Builder builder =
        shop.trainingInputs()
            .values(shop.resolved().values("splice"))
            .values(settings(shop.resolved().values("search")))
            .value("seed", Integer.toString(shop.seed(repetition)))
            .stage(tokenizer);
    components.forEach(component -> component.describe(builder));
    this.inputs = builder.build();
  }

  /** What is made of the mixture weights found is not the search's. */
  private static Map<String, String> settings(Map<String, String> search) {
    return Maps.filterKeys(search, key -> !LATER.contains(key));
  }

  @Override
  public String name() {
    return "search-" + shop.seed(repetition);
  }

  @Override
  public int version() {
    return 3;
  }

  @Override
  public StageInputs inputs() {
    return inputs;
  }

  @Override
  public void run(StageContext context) throws IOException {
    Path tokenizerFile = context.result(tokenizer);
    Hybrid hybrid =
        shop.splice(
            ComponentSource.directories(components, context::result), tokenizerFile, repetition);
    requireDeployable(hybrid);
    Recipe.Search search = shop.recipe().search();
    TrainingRun.Request request =
        new TrainingRun.Request(
            "search",
            "hybrid",
            shop.seed(repetition),
            hybrid.graph(),
            TrainingPlan.search(
                hybrid.graph(), search, shop.recipe().data().length(), hybrid.alphas()),
            shop.corpus().split(tokenizerFile),
            ImmutableMap.of(),
            hybrid.alphas(),
            shop.recipe().evaluate().every(),
            shop.recipe().evaluate().batches(),
            shop.trainer().device(),
            shop.trainer().threads());
    Path parameters = context.checkpoints().resolve("parameters.safetensors");
    shop.trainer().train(request, context, parameters);
    Map<String, Tensor> found = new LinkedHashMap<>();
    SafetensorsFile.open(parameters)
        .tensors()
        .forEach(
            (name, tensor) -> {
              if (Hybrid.isAlpha(name)) {
                found.put(name, tensor);
              }
            });
    SafetensorsWriter.write(context.directory().resolve(ALPHA), found, Map.of());
  }

  /** What a runtime would refuse is known before anything is trained, and not only at the end. */
  private void requireDeployable(Hybrid hybrid) {
    Recipe.Output output = shop.recipe().output();
    Lowering.forTarget(hybrid.graph(), output.target(), output.precision());
    Lowering.forTarget(
        DecoderBuilder.build(hybrid.graph()).graph(),
        output.deployment().decoderTarget(),
        output.precision());
  }

  @Override
  public Found result(Path directory) {
    return new Found(
        SafetensorsFile.open(directory.resolve(ALPHA)).tensors(),
        directory.resolve(Stages.METRICS));
  }
}
