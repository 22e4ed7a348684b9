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

  private final Workshop shop;
  private final int index;
  private final TokenizerStage tokenizer;
  private final Recipe.FromScratch recipe;
  private final StageInputs inputs;

  PretrainStage(Workshop shop, int index, TokenizerStage tokenizer) {
    this.shop = shop;
    this.index = index;
    this.tokenizer = tokenizer;
    this.recipe = (Recipe.FromScratch) shop.recipe().components().get(index).source();
    this.inputs =
        shop.dataInputs()
            .values(shop.resolved().values("components." + index + ".pretrain"))
            .value("seed", Integer.toString(shop.recipe().seed()))
            .stage(tokenizer)
            .build();
  }

  @Override
  public String name() {
    return "pretrain-" + Stages.slug(shop.recipe().components().get(index).name());
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
    String name = shop.recipe().components().get(index).name();
    ModelConfig config =
        Stages.withVocabulary(name, recipe.configuration(), shop.vocabulary(tokenizerFile));
    Graph model = Models.fresh(name, config, shop.recipe().seed());
    TrainingRun.Request request =
        new TrainingRun.Request(
            "pretrain",
            name,
            shop.recipe().seed(),
            model,
            TrainingPlan.of(model, recipe.training(), shop.recipe().data().length(), p -> true),
            shop.data(tokenizerFile),
            ImmutableMap.of(),
            ImmutableList.of(),
            shop.recipe().evaluate().every(),
            shop.recipe().evaluate().batches(),
            shop.device(),
            shop.threads());
    Path parameters = context.checkpoints().resolve("parameters.safetensors");
    Stages.train(request, context, parameters);
    Models.write(context.directory(), config, SafetensorsFile.open(parameters).tensors());
    AtomicFiles.writeBytes(
        context.directory().resolve("tokenizer.json"), Files.readAllBytes(tokenizerFile));
  }

  @Override
  public Path result(Path directory) {
    return directory;
  }
}
