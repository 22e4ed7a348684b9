package dev.manticore.compiler.stages;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.pipeline.Stage;
import dev.manticore.compiler.pipeline.StageContext;
import dev.manticore.compiler.pipeline.StageInputs;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.training.TrainingPlan;
import dev.manticore.compiler.training.TrainingRun;
import dev.manticore.ir.Graph;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Trains a component from scratch; the result is a Hugging Face directory. */
final class PretrainStage implements Stage<Path> {

  private final Trainer trainer;
  private final Corpus corpus;
  private final TokenizerStage tokenizer;
  private final Settings settings;
  private final StageInputs inputs;

  /**
   * What to train and how.
   *
   * @param name of the model, in tables and messages
   * @param configuration a Hugging Face {@code config.json} as text; the vocabulary is the
   *     tokenizer's where it names none
   * @param seed of the initial parameters and of the order of the data
   * @param values all of the above, by the names that users give them
   */
  record Settings(
      String name,
      String configuration,
      Recipe.Training training,
      Recipe.Evaluation evaluation,
      int seed,
      ImmutableMap<String, String> values) {}

  PretrainStage(Trainer trainer, Corpus corpus, TokenizerStage tokenizer, Settings settings) {
    this.trainer = trainer;
    this.corpus = corpus;
    this.tokenizer = tokenizer;
    this.settings = settings;
    this.inputs =
        trainer
            .describe(corpus.inputs())
            .values(settings.values())
            .value("seed", Integer.toString(settings.seed()))
            .stage(tokenizer)
            .build();
  }

  @Override
  public String name() {
    return "pretrain-" + Stages.slug(settings.name());
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
    ModelConfig config =
        Stages.withVocabulary(
            settings.name(), settings.configuration(), corpus.vocabulary(tokenizerFile));
    Graph model = Models.fresh(settings.name(), config, settings.seed());
    Stages.requireLength(settings.name(), model, corpus.length());
    AtomicFiles.writeBytes(
        context.directory().resolve("tokenizer.json"), Files.readAllBytes(tokenizerFile));
    if (settings.training().steps() == 0) {
      Models.write(context.directory(), config, Models.parameters(model));
      AtomicFiles.writeString(context.directory().resolve(Stages.METRICS), "");
      return;
    }
    TrainingRun.Request request =
        new TrainingRun.Request(
            "pretrain",
            settings.name(),
            settings.seed(),
            model,
            TrainingPlan.of(model, settings.training(), corpus.length(), parameter -> true),
            corpus.split(tokenizerFile),
            ImmutableMap.of(),
            ImmutableList.of(),
            settings.evaluation().every(),
            settings.evaluation().batches(),
            0,
            trainer.device(),
            trainer.threads());
    Path parameters = context.checkpoints().resolve("parameters.safetensors");
    trainer.train(request, context, parameters);
    Models.write(context.directory(), config, SafetensorsFile.open(parameters).tensors());
  }

  @Override
  public Path result(Path directory) {
    return directory;
  }
}
