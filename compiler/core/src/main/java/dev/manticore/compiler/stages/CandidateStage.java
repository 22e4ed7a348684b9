package dev.manticore.compiler.stages;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Iterables;
import dev.manticore.compiler.data.DatasetSplit;
import dev.manticore.compiler.data.TokenDataset;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.HybridFiles;
import dev.manticore.compiler.pipeline.PrettyJson;
import dev.manticore.compiler.pipeline.Stage;
import dev.manticore.compiler.pipeline.StageContext;
import dev.manticore.compiler.pipeline.StageInputs;
import dev.manticore.compiler.progress.Metrics;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.training.SearchSteps;
import dev.manticore.compiler.training.TrainingPlan;
import dev.manticore.compiler.training.TrainingRun;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.io.AtomicFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * Trains the hybrid of one repetition from the pretrained weights at mixture weights that stay, to
 * see how good these are. Nothing is kept but the loss.
 */
final class CandidateStage implements Stage<CandidateStage.Judgement> {

  private static final String RESULT = "result.json";
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Workshop shop;
  private final TokenizerStage tokenizer;
  private final List<ComponentSource> components;
  private final ProjectorSource projectors;
  private final Candidate candidate;
  private final StageInputs inputs;

  /** What the loss is taken on. */
  enum Judged {
    /** The data that is held out from all training. */
    HELD_OUT,
    /** A share of the training data, which the weights then do not see. */
    TRAINING_SHARE
  }

  /**
   * @param loss after the last step, in nats a token
   * @param tokens that were trained on, padding counted
   */
  record Judgement(double loss, long tokens) {}

  /**
   * @param name of the stage
   * @param weights the mixture weights, [block][component]
   */
  record Candidate(
      String name, int repetition, double[][] weights, Recipe.Training schedule, Judged judged) {}

  CandidateStage(
      Workshop shop,
      TokenizerStage tokenizer,
      List<ComponentSource> components,
      ProjectorSource projectors,
      Candidate candidate) {
    this.shop = shop;
    this.tokenizer = tokenizer;
    this.components = components;
    this.projectors = projectors;
    this.candidate = candidate;
    StageInputs.Builder builder =
        shop.trainingInputs()
            .values(shop.resolved().values("splice"))
            .value("schedule", candidate.schedule().toString())
            .value("weights", Arrays.deepToString(candidate.weights()))
            .value("seed", Integer.toString(seed()))
            .stage(tokenizer);
    if (candidate.judged() == Judged.TRAINING_SHARE) {
      builder.value("judged_on", Double.toString(shop.recipe().search().heldOut()));
    }
    components.forEach(component -> component.describe(builder));
    projectors.describe(builder);
    this.inputs = builder.build();
  }

  double[][] weights() {
    return candidate.weights();
  }

  int steps() {
    return candidate.schedule().steps();
  }

  private int seed() {
    return shop.seed(candidate.repetition());
  }

  @Override
  public String name() {
    return candidate.name();
  }

  @Override
  public int version() {
    return 1;
  }

  @Override
  public StageInputs inputs() {
    return inputs;
  }

  @Override
  public void run(StageContext context) throws IOException {
    Path tokenizerFile = context.result(tokenizer);
    Hybrid spliced =
        shop.splice(
            ComponentSource.directories(components, context::result),
            tokenizerFile,
            projectors.directory(context::result),
            candidate.repetition());
    shop.requireDeployable(spliced);
    Hybrid hybrid =
        HybridFiles.withParameters(
            spliced, SearchSteps.alphas(spliced.alphas(), candidate.weights()));
    TrainingRun.Request request =
        new TrainingRun.Request(
            "candidate",
            candidate.name(),
            seed(),
            hybrid.graph(),
            TrainingPlan.of(
                hybrid.graph(),
                candidate.schedule(),
                shop.recipe().data().length(),
                name -> !Hybrid.isAlpha(name)),
            data(tokenizerFile),
            ImmutableMap.of(),
            hybrid.alphas(),
            0,
            shop.recipe().evaluate().batches(),
            0,
            shop.trainer().device(),
            shop.trainer().threads());
    ObjectNode json = JSON.createObjectNode();
    try {
      TrainingRun.Result result =
          shop.trainer()
              .train(request, context, context.checkpoints().resolve("parameters.safetensors"));
      json.put("loss", result.heldOutLoss());
    } catch (ManticoreException e) {
      if (!e.code().equals(TrainingRun.DIVERGED)) {
        throw e;
      }
      // Of many candidates one may diverge, and is then not chosen.
      json.put("diverged", e.getMessage());
    }
    AtomicFiles.writeString(context.directory().resolve(RESULT), PrettyJson.text(json));
  }

  private DatasetSplit data(Path tokenizerFile) {
    DatasetSplit split = shop.corpus().split(tokenizerFile);
    if (candidate.judged() == Judged.HELD_OUT) {
      return split;
    }
    List<TokenDataset> parts = split.training().parts(shop.recipe().search().heldOut());
    return new DatasetSplit(parts.get(0), parts.get(1));
  }

  @Override
  public Judgement result(Path directory) throws IOException {
    JsonNode json = JSON.readTree(Files.readAllBytes(directory.resolve(RESULT)));
    return new Judgement(
        json.path("loss").asDouble(Double.POSITIVE_INFINITY),
        Iterables.getLast(Metrics.read(directory.resolve(Stages.METRICS))).tokens());
  }
}
