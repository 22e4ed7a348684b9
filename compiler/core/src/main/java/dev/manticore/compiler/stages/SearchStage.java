package dev.manticore.compiler.stages;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Maps;
import com.google.common.primitives.Doubles;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.pipeline.Stage;
import dev.manticore.compiler.pipeline.StageContext;
import dev.manticore.compiler.pipeline.StageInputs;
import dev.manticore.compiler.progress.MetricRecord;
import dev.manticore.compiler.progress.MetricsWriter;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.search.CandidateWeights;
import dev.manticore.compiler.training.SearchSteps;
import dev.manticore.compiler.training.TrainingPlan;
import dev.manticore.compiler.training.TrainingRun;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import dev.manticore.onnx.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Searches the mixture weights, by the recipe's method, while the weights are trained too. By
 * default as the paper ran it (§4.1): DARTS, first order, single level, simultaneous. Methods that
 * try candidates take the best of {@link CandidateStage}s. Only the mixture weights are kept.
 */
final class SearchStage implements Stage<SearchStage.Found> {

  /**
   * What a search found.
   *
   * @param alpha the logits of the mixture weights, by parameter
   * @param metrics losses and weights along the way, JSON lines
   */
  record Found(ImmutableMap<String, Tensor> alpha, Path metrics) {

    /** The mixture weights, [block][component]. */
    ImmutableList<ImmutableList<Double>> weights() {
      return alpha.values().stream()
          .map(logits -> TrainingRun.softmax(logits.toFloats()))
          .collect(ImmutableList.toImmutableList());
    }

    /** The loss with them at the end of the search, in nats a token. */
    double loss() {
      return Stages.heldOutLoss(metrics).orElse(Double.NaN);
    }
  }

  private static final String ALPHA = "alpha.safetensors";
  private static final ImmutableSet<String> LATER =
      ImmutableSet.of("search.discretise", "search.threshold");
  private static final ImmutableSet<String> OF_CANDIDATES =
      ImmutableSet.of("search.grid_step", "search.points");

  private final Workshop shop;
  private final int repetition;
  private final TokenizerStage tokenizer;
  private final List<ComponentSource> components;
  private final ProjectorSource projectors;
  private final ImmutableList<CandidateStage> candidates;
  private final StageInputs inputs;

  SearchStage(
      Workshop shop,
      int repetition,
      TokenizerStage tokenizer,
      List<ComponentSource> components,
      ProjectorSource projectors) {
    this.shop = shop;
    this.repetition = repetition;
    this.tokenizer = tokenizer;
    this.components = components;
    this.projectors = projectors;
    this.candidates = candidates(shop, repetition, tokenizer, components, projectors);
    StageInputs.Builder builder =
        shop.trainingInputs()
            .values(shop.resolved().values("splice"))
            .values(settings())
            .value("seed", Integer.toString(shop.seed(repetition)))
            .stage(tokenizer);
    components.forEach(component -> component.describe(builder));
    projectors.describe(builder);
    candidates.forEach(builder::stage);
    this.inputs = builder.build();
  }

  /** Of methods that try candidates, a training at each of them for a share of the steps. */
  private static ImmutableList<CandidateStage> candidates(
      Workshop shop,
      int repetition,
      TokenizerStage tokenizer,
      List<ComponentSource> components,
      ProjectorSource projectors) {
    Recipe.Search search = shop.recipe().search();
    List<double[][]> weights =
        CandidateWeights.of(
            search, shop.recipe().splice().blocks(), components.size(), shop.seed(repetition));
    ImmutableList.Builder<CandidateStage> candidates = ImmutableList.builder();
    for (int i = 0; i < weights.size(); i++) {
      candidates.add(
          new CandidateStage(
              shop,
              tokenizer,
              components,
              projectors,
              new CandidateStage.Candidate(
                  "search-" + shop.seed(repetition) + "-candidate-" + (i + 1),
                  repetition,
                  weights.get(i),
                  search.training().withSteps(search.training().steps() / weights.size()),
                  CandidateStage.Judged.TRAINING_SHARE)));
    }
    return candidates.build();
  }

  /** The stages that it takes the best of; may be none. */
  ImmutableList<CandidateStage> candidates() {
    return candidates;
  }

  /** What the method reads; what is made of the mixture weights found is not the search's. */
  private Map<String, String> settings() {
    return Maps.filterKeys(
        shop.resolved().values("search"),
        key -> !LATER.contains(key) && !(candidates.isEmpty() && OF_CANDIDATES.contains(key)));
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
    if (!candidates.isEmpty()) {
      choose(context);
      return;
    }
    Path tokenizerFile = context.result(tokenizer);
    Hybrid hybrid =
        shop.splice(
            ComponentSource.directories(components, context::result),
            tokenizerFile,
            projectors.directory(context::result),
            repetition);
    shop.requireDeployable(hybrid);
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
            0,
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

  /**
   * Takes the first of the least loss, and none whose training diverged; the metrics are of one
   * candidate after the other, then of it.
   */
  private void choose(StageContext context) {
    CandidateStage best = candidates.get(0);
    int steps = 0;
    long tokens = 0;
    try (MetricsWriter metrics =
        MetricsWriter.open(context.directory().resolve(Stages.METRICS), entry -> false)) {
      for (CandidateStage candidate : candidates) {
        steps += candidate.steps();
        tokens += context.result(candidate).tokens();
        double loss = context.result(candidate).loss();
        if (Double.isFinite(loss)) {
          metrics.write(record(candidate, steps, loss, tokens));
        }
        if (loss < context.result(best).loss()) {
          best = candidate;
        }
      }
      if (!Double.isFinite(context.result(best).loss())) {
        throw new ManticoreException(
            TrainingRun.DIVERGED,
            "training diverged at each of the "
                + candidates.size()
                + " mixture weights that were tried: lower the learning rate, or set clip");
      }
      metrics.write(record(best, steps, context.result(best).loss(), tokens));
    }
    List<String> alphas =
        IntStream.range(0, best.weights().length).mapToObj(Hybrid::alpha).toList();
    SafetensorsWriter.write(
        context.directory().resolve(ALPHA), SearchSteps.alphas(alphas, best.weights()), Map.of());
  }

  private MetricRecord record(CandidateStage candidate, int steps, double loss, long tokens) {
    return new MetricRecord(
        "search",
        "hybrid",
        shop.seed(repetition),
        steps,
        MetricRecord.Split.HELD_OUT,
        loss,
        Arrays.stream(candidate.weights())
            .map(block -> ImmutableList.copyOf(Doubles.asList(block)))
            .collect(ImmutableList.toImmutableList()),
        0,
        tokens);
  }

  @Override
  public Found result(Path directory) {
    return new Found(
        SafetensorsFile.open(directory.resolve(ALPHA)).tensors(),
        directory.resolve(Stages.METRICS));
  }
}
