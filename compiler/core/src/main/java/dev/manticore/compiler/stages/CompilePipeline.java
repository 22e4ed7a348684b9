package dev.manticore.compiler.stages;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.pipeline.Pipeline;
import dev.manticore.compiler.pipeline.Stage;
import dev.manticore.compiler.pipeline.StageRunner;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.recipe.ResolvedRecipe;
import dev.manticore.compiler.training.TrainingRun;
import dev.manticore.runtime.Device;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The pipeline of a recipe: tokenizer, components trained from scratch, projectors where they are
 * trained before the search, and for each repetition the search, the tuning of the hybrid and that
 * of each component alone, and what these reach together; then the artifact and the report.
 */
public final class CompilePipeline implements Pipeline {

  private final Workshop shop;
  private final TokenizerStage tokenizer;
  private final List<ComponentSource> components = new ArrayList<>();
  private final ProjectorSource projectors;
  private final List<Repetition> repetitions = new ArrayList<>();
  private final ImmutableList<Stage<?>> stages;

  /**
   * The stages of one seed.
   *
   * @param index counted from 0
   * @param alone one for each component, in their order; empty where they are not compared
   */
  record Repetition(
      int index,
      int seed,
      SearchStage search,
      TuneStage hybrid,
      ImmutableList<TuneStage> alone,
      Optional<EnsembleStage> ensemble) {

    ImmutableList<TuneStage> tuned() {
      return ImmutableList.<TuneStage>builder().add(hybrid).addAll(alone).build();
    }
  }

  private CompilePipeline(ResolvedRecipe resolved, Trainer trainer) {
    this.shop = new Workshop(resolved, trainer);
    Recipe recipe = resolved.recipe();
    this.tokenizer = new TokenizerStage(shop.corpus(), recipe.data().tokenizer());
    ImmutableList.Builder<Stage<?>> all = ImmutableList.builder();
    all.add(tokenizer);
    for (int k = 0; k < recipe.components().size(); k++) {
      Recipe.Component component = recipe.components().get(k);
      if (component.source() instanceof Recipe.Pretrained pretrained) {
        components.add(new ComponentSource.Given(component.name(), pretrained.place()));
      } else {
        Recipe.FromScratch source = (Recipe.FromScratch) component.source();
        PretrainStage stage =
            new PretrainStage(
                trainer,
                shop.corpus(),
                tokenizer,
                new PretrainStage.Settings(
                    component.name(),
                    source.configuration(),
                    source.training(),
                    recipe.evaluate(),
                    recipe.seed(),
                    resolved.values("components." + k + ".pretrain")));
        all.add(stage);
        components.add(new ComponentSource.Trained(component.name(), stage));
      }
    }
    ProjectorSource given = new ProjectorSource.Given(recipe.splice().projector().from());
    this.projectors =
        recipe
            .projectors()
            .map(settings -> new ProjectorStage(shop, settings, tokenizer, components, given))
            .<ProjectorSource>map(ProjectorSource.Trained::new)
            .orElse(given);
    projectors.stage().ifPresent(all::add);
    for (int r = 0; r < recipe.seeds(); r++) {
      SearchStage search = new SearchStage(shop, r, tokenizer, components, projectors);
      TuneStage hybrid = TuneStage.hybrid(shop, r, tokenizer, components, projectors, search);
      ImmutableList.Builder<TuneStage> alone = ImmutableList.builder();
      Optional<EnsembleStage> ensemble = Optional.empty();
      if (recipe.compare().components()) {
        for (ComponentSource component : components) {
          alone.add(TuneStage.alone(shop, r, tokenizer, component));
        }
        if (recipe.compare().ensemble()) {
          ensemble = Optional.of(new EnsembleStage(shop, r, tokenizer, alone.build()));
        }
      }
      Repetition repetition =
          new Repetition(r, shop.seed(r), search, hybrid, alone.build(), ensemble);
      repetitions.add(repetition);
      all.addAll(search.candidates()).add(search).addAll(repetition.tuned());
      ensemble.ifPresent(all::add);
    }
    this.stages = all.build();
  }

  /**
   * @throws dev.manticore.ir.ManticoreException if a file that the recipe names cannot be read
   */
  public static CompilePipeline of(ResolvedRecipe resolved, Device device) {
    return of(resolved, device, TrainingRun.CHECKPOINT_INTERVAL);
  }

  /**
   * @param checkpointInterval time between two checkpoints of a stage that trains
   * @throws dev.manticore.ir.ManticoreException if a file that the recipe names cannot be read
   */
  public static CompilePipeline of(
      ResolvedRecipe resolved, Device device, Duration checkpointInterval) {
    return new CompilePipeline(
        resolved, Trainer.of(device, resolved.recipe().threads(), checkpointInterval));
  }

  @Override
  public ImmutableList<Stage<?>> stages() {
    return stages;
  }

  /** The stage that trains projectors, if the recipe asks for it. */
  Optional<ProjectorStage> projectors() {
    return projectors.stage();
  }

  /** What hybrids start from. */
  ProjectorSource projectorSource() {
    return projectors;
  }

  /** The stages that lead to what the searches of these repetitions find. */
  ImmutableList<Stage<?>> stagesToSearch(List<Repetition> wanted) {
    ImmutableList.Builder<Stage<?>> all = ImmutableList.builder();
    all.add(tokenizer);
    components.forEach(component -> component.stage().ifPresent(all::add));
    projectors.stage().ifPresent(all::add);
    wanted.forEach(
        repetition -> all.addAll(repetition.search().candidates()).add(repetition.search()));
    return all.build();
  }

  /** All stages that train anything. */
  ImmutableList<Stage<?>> stagesToTune() {
    return stages.stream()
        .filter(stage -> !(stage instanceof EnsembleStage))
        .collect(ImmutableList.toImmutableList());
  }

  Workshop shop() {
    return shop;
  }

  TokenizerStage tokenizer() {
    return tokenizer;
  }

  ImmutableList<ComponentSource> components() {
    return ImmutableList.copyOf(components);
  }

  ImmutableList<Repetition> repetitions() {
    return ImmutableList.copyOf(repetitions);
  }

  @Override
  public Summary publish(StageRunner results, Path directory) throws IOException {
    return new Publication(shop, tokenizer, components, projectors.stage(), repetitions)
        .write(results, directory);
  }
}
