package dev.manticore.compiler.stages;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Maps;
import dev.manticore.compiler.data.TokenDataset;
import dev.manticore.compiler.experiment.Measures;
import dev.manticore.compiler.hybrid.Ensemble;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.pipeline.Stage;
import dev.manticore.compiler.pipeline.StageContext;
import dev.manticore.compiler.pipeline.StageInputs;
import dev.manticore.compiler.training.Evaluator;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Function;

/**
 * Measures the logit ensemble of one repetition's components, each as it was tuned alone: what
 * several models are worth that were never spliced. Nothing is trained.
 */
final class EnsembleStage implements Stage<Scored> {

  private final Workshop shop;
  private final int repetition;
  private final TokenizerStage tokenizer;
  private final ImmutableList<TuneStage> alone;
  private final StageInputs inputs;

  /**
   * @param alone the stages that tune the components, one each
   */
  EnsembleStage(
      Workshop shop, int repetition, TokenizerStage tokenizer, ImmutableList<TuneStage> alone) {
    this.shop = shop;
    this.repetition = repetition;
    this.tokenizer = tokenizer;
    this.alone = alone;
    StageInputs.Builder builder =
        shop.trainingInputs()
            .value("batch", Integer.toString(shop.recipe().tune().batch()))
            .stage(tokenizer);
    if (shop.recipe().splice().embeddings() == Embeddings.MERGED) {
      builder.value("embeddings", "merged");
    }
    for (TuneStage stage : alone) {
      stage.component().describe(builder);
      builder.stage(stage);
    }
    this.inputs = builder.build();
  }

  @Override
  public String name() {
    return "ensemble-" + shop.seed(repetition);
  }

  @Override
  public int version() {
    return 2;
  }

  @Override
  public StageInputs inputs() {
    return inputs;
  }

  @Override
  public void run(StageContext context) throws IOException {
    Path tokenizerFile = context.result(tokenizer);
    ImmutableList.Builder<Ensemble.Member> members = ImmutableList.builder();
    long parameters = 0;
    int steps = 0;
    for (TuneStage stage : alone) {
      Tuned tuned = context.result(stage);
      ComponentSource component = stage.component();
      members.add(
          new Ensemble.Member(
              shop.alone(component.name(), component.directory(context::result), tokenizerFile),
              SafetensorsFile.open(tuned.parameters()).tensors()));
      parameters += tuned.scored().parameterCount();
      steps += tuned.scored().steps();
    }
    Corpus corpus = shop.corpus();
    try (Evaluator evaluator = shop.evaluator(Ensemble.of(members.build()), Map.of())) {
      Function<TokenDataset, Measures> measure =
          part ->
              evaluator.measure(part, corpus.byteLengths(tokenizerFile), context.cancellation());
      Measures heldOut = measure.apply(corpus.split(tokenizerFile).heldOut());
      ImmutableMap<String, Measures> slices =
          ImmutableMap.copyOf(Maps.transformValues(corpus.slices(tokenizerFile), measure::apply));
      new Scored(
              parameters,
              steps,
              heldOut.loss(),
              ImmutableMap.copyOf(Maps.transformValues(slices, Measures::loss)),
              slices.getOrDefault(Corpus.TEST, heldOut))
          .write(context.directory());
    }
  }

  @Override
  public Scored result(Path directory) throws IOException {
    return Scored.read(directory);
  }
}
