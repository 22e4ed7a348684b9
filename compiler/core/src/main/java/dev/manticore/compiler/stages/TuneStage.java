package dev.manticore.compiler.stages;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.pipeline.Stage;
import dev.manticore.compiler.pipeline.StageContext;
import dev.manticore.compiler.pipeline.StageInputs;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.training.Evaluator;
import dev.manticore.compiler.training.TrainingPlan;
import dev.manticore.compiler.training.TrainingRun;
import dev.manticore.ir.Graph;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * Fine-tunes one model of one repetition: the hybrid, from pretrained weights (of its projectors
 * too, where they were trained before the search) and the searched mixture weights, which stay as
 * they are; or one component alone, for as many steps as the hybrid was given in all stages
 * together.
 */
final class TuneStage implements Stage<Tuned> {

  private final Workshop shop;
  private final int repetition;
  private final TokenizerStage tokenizer;
  private final Subject subject;
  private final Recipe.Training schedule;
  private final StageInputs inputs;

  /** What is tuned. */
  private sealed interface Subject {
    String name();
  }

  private record WholeHybrid(
      List<ComponentSource> components, ProjectorSource projectors, SearchStage search)
      implements Subject {
    @Override
    public String name() {
      return "hybrid";
    }
  }

  private record Alone(ComponentSource component) implements Subject {
    @Override
    public String name() {
      return component.name();
    }
  }

  private TuneStage(
      Workshop shop,
      int repetition,
      TokenizerStage tokenizer,
      Subject subject,
      Recipe.Training schedule) {
    this.shop = shop;
    this.repetition = repetition;
    this.tokenizer = tokenizer;
    this.subject = subject;
    this.schedule = schedule;
    StageInputs.Builder builder =
        shop.trainingInputs()
            .values(shop.resolved().values("tune"))
            .value("steps", Integer.toString(schedule.steps()))
            .value("seed", Integer.toString(shop.seed(repetition)))
            .stage(tokenizer);
    if (subject instanceof WholeHybrid hybrid) {
      builder.values(shop.resolved().values("splice")).stage(hybrid.search());
      hybrid.components().forEach(component -> component.describe(builder));
      hybrid.projectors().describe(builder);
      Recipe.Discretisation discretisation = shop.recipe().search().discretisation();
      if (discretisation.keeping() != Recipe.Keeping.NONE) {
        builder.value("discretisation", discretisation.toString());
      }
    } else {
      ((Alone) subject).component().describe(builder);
      if (shop.recipe().splice().embeddings() == Embeddings.MERGED) {
        builder.value("embeddings", "merged");
      }
    }
    this.inputs = builder.build();
  }

  static TuneStage hybrid(
      Workshop shop,
      int repetition,
      TokenizerStage tokenizer,
      List<ComponentSource> components,
      ProjectorSource projectors,
      SearchStage search) {
    return new TuneStage(
        shop,
        repetition,
        tokenizer,
        new WholeHybrid(components, projectors, search),
        shop.recipe().tune());
  }

  static TuneStage alone(
      Workshop shop, int repetition, TokenizerStage tokenizer, ComponentSource component) {
    Recipe.Training tune = shop.recipe().tune();
    return new TuneStage(
        shop,
        repetition,
        tokenizer,
        new Alone(component),
        tune.withSteps(shop.recipe().hybridSteps()));
  }

  String run() {
    return subject.name();
  }

  /** The component that is tuned alone. */
  ComponentSource component() {
    return ((Alone) subject).component();
  }

  int seed() {
    return shop.seed(repetition);
  }

  @Override
  public String name() {
    return "tune-" + Stages.slug(subject.name()) + "-" + seed();
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
    Graph model;
    ImmutableList<String> alphas = ImmutableList.of();
    if (subject instanceof WholeHybrid whole) {
      Hybrid hybrid =
          shop.found(
              ComponentSource.directories(whole.components(), context::result),
              tokenizerFile,
              whole.projectors().directory(context::result),
              repetition,
              context.result(whole.search()).alpha());
      model = hybrid.graph();
      alphas = hybrid.alphas();
    } else {
      Alone alone = (Alone) subject;
      Component component =
          shop.alone(alone.name(), alone.component().directory(context::result), tokenizerFile);
      model = component.graph();
    }
    TrainingRun.Request request =
        new TrainingRun.Request(
            "tune",
            subject.name(),
            seed(),
            model,
            TrainingPlan.of(
                model, schedule, shop.recipe().data().length(), name -> !Hybrid.isAlpha(name)),
            shop.corpus().split(tokenizerFile),
            shop.corpus().slices(tokenizerFile),
            alphas,
            shop.recipe().evaluate().every(),
            shop.recipe().evaluate().batches(),
            0,
            shop.trainer().device(),
            shop.trainer().threads());
    Path parameters = context.directory().resolve(Tuned.PARAMETERS);
    TrainingRun.Result result = shop.trainer().train(request, context, parameters);
    try (Evaluator evaluator = shop.evaluator(model, SafetensorsFile.open(parameters).tensors())) {
      new Scored(
              model.parameterCount(),
              schedule.steps(),
              result.heldOutLoss(),
              result.slices(),
              evaluator.measure(
                  shop.corpus().reported(tokenizerFile),
                  shop.corpus().byteLengths(tokenizerFile),
                  context.cancellation()))
          .write(context.directory());
    }
  }

  @Override
  public Tuned result(Path directory) throws IOException {
    return Tuned.read(directory);
  }
}
