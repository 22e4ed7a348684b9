package dev.manticore.compiler.trial;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.Series;
import dev.manticore.compiler.hybrid.SpliceOptions;
import dev.manticore.compiler.hybrid.Splicer;
import dev.manticore.compiler.task.Task;
import dev.manticore.ir.Graph;
import dev.manticore.ir.random.Draws;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A model with initial weights, for a task.
 *
 * @param graph input {@code input_ids} [batch,length], output [batch,length,classes]
 * @param alphas parameters whose softmax are mixture weights, one a block; none but a hybrid has
 *     them
 * @param components what is mixed, by name
 */
public record TaskModel(
    Graph graph, ImmutableList<String> alphas, ImmutableList<String> components) {

  private static final int MAMBA_LAYERS = 2;

  /**
   * Draws a model. Equal seeds give equal weights; GPT-Neo and Mamba in a hybrid begin as they do
   * alone.
   */
  public static TaskModel draw(Architecture architecture, ModelSize size, Task task, long seed) {
    Draws seeds = new Draws(seed);
    long neoSeed = seeds.seed();
    long mambaSeed = seeds.seed();
    long spliceSeed = seeds.seed();
    long headSeed = seeds.seed();
    int blocks = size.blocks();
    return switch (architecture) {
      case GPT_NEO -> alone(gptNeo(size, task, neoSeed), task, headSeed);
      case MAMBA -> alone(mamba(size, task, MAMBA_LAYERS * blocks, mambaSeed), task, headSeed);
      case HYBRID -> {
        Hybrid hybrid =
            Splicer.splice(
                List.of(
                    gptNeo(size, task, neoSeed),
                    mamba(size, task, MAMBA_LAYERS * blocks, mambaSeed)),
                new SpliceOptions(
                    blocks,
                    SpliceOptions.Gates.TIED,
                    SpliceOptions.ProjectorInitialisation.IDENTITY,
                    SpliceOptions.Embeddings.PRETRAINED,
                    ImmutableList.of(),
                    task.vocabularySize(),
                    spliceSeed));
        yield new TaskModel(
            TaskHead.attach(hybrid.graph(), hybrid.hiddenStates().get(blocks), task, headSeed),
            IntStream.range(0, blocks)
                .mapToObj(Hybrid::alpha)
                .collect(ImmutableList.toImmutableList()),
            hybrid.names());
      }
      case MAMBAFORMER -> {
        Component mamba = mamba(size, task, blocks + 1, mambaSeed);
        Component attention = gptNeo(size, task, neoSeed);
        List<Series.Stretch> stretches = new ArrayList<>();
        stretches.add(Series.layer(0, mamba, 0));
        for (int i = 0; i < blocks; i++) {
          stretches.add(Series.attention(1, attention, i));
          stretches.add(Series.layer(0, mamba, i + 1));
        }
        yield series(architecture, List.of(mamba, attention), stretches, task, headSeed);
      }
      case STRIPED -> {
        Component mamba = mamba(size, task, MAMBA_LAYERS * blocks, mambaSeed);
        Component neo = gptNeo(size, task, neoSeed);
        List<Series.Stretch> stretches = new ArrayList<>();
        for (int i = 0; i < blocks; i++) {
          for (int j = 0; j < MAMBA_LAYERS; j++) {
            stretches.add(Series.layer(0, mamba, MAMBA_LAYERS * i + j));
          }
          stretches.add(Series.layer(1, neo, i));
        }
        yield series(architecture, List.of(mamba, neo), stretches, task, headSeed);
      }
    };
  }

  private static TaskModel alone(Component component, Task task, long seed) {
    return new TaskModel(
        TaskHead.attach(component.graph(), component.normed(), task, seed),
        ImmutableList.of(),
        ImmutableList.of());
  }

  private static TaskModel series(
      Architecture architecture,
      List<Component> components,
      List<Series.Stretch> stretches,
      Task task,
      long seed) {
    Series.Made made = Series.of(architecture.toString(), components, stretches);
    return new TaskModel(
        TaskHead.attach(made.graph(), made.normed(), task, seed),
        ImmutableList.of(),
        ImmutableList.of());
  }

  /** A GPT-Neo as the paper's from-scratch experiments have it: all layers global. */
  private static Component gptNeo(ModelSize size, Task task, long seed) {
    ObjectNode config = JsonNodeFactory.instance.objectNode();
    config.put("model_type", "gpt_neo");
    config.put("vocab_size", task.vocabularySize());
    config.put("hidden_size", size.width());
    config.put("num_layers", size.blocks());
    config.put("num_heads", size.heads());
    config.put("max_position_embeddings", task.longest());
    for (int i = 0; i < size.blocks(); i++) {
      config.withArray("attention_layers").add("global");
    }
    return draw("gpt-neo", config, seed);
  }

  private static Component mamba(ModelSize size, Task task, int layers, long seed) {
    ObjectNode config = JsonNodeFactory.instance.objectNode();
    config.put("model_type", "mamba");
    config.put("vocab_size", task.vocabularySize());
    config.put("hidden_size", size.width());
    config.put("num_hidden_layers", layers);
    config.put("state_size", size.state());
    return draw("mamba", config, seed);
  }

  private static Component draw(String name, ObjectNode config, long seed) {
    return ComponentFinder.find(
        name, Models.fresh(name, ModelConfig.parse(name, config.toString()), seed));
  }
}
