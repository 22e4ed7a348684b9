package dev.manticore.compiler.stages;

import static java.util.Objects.requireNonNull;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.pipeline.Pipeline;
import dev.manticore.compiler.pipeline.Stage;
import dev.manticore.compiler.pipeline.StagePlan;
import dev.manticore.compiler.pipeline.StageRunner;
import dev.manticore.compiler.pipeline.StageStore;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.recipe.ResolvedRecipe;
import dev.manticore.compiler.report.TextTable;
import dev.manticore.ir.ManticoreException;
import dev.manticore.runtime.Device;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * The stages of a compile up to the search or to the tuning, and what they found. Results stay in
 * the store, where a compile of the same recipe finds them.
 */
public final class PartialCompilation {

  /** How far to go. */
  public enum Goal {
    /** To the mixture weights. */
    SEARCH,
    /** To the mixture weights, read as which component fits the data. */
    SELECT,
    /** The same, and to the components tuned alone, which tell whether that is so. */
    CHECK_SELECTION,
    /** To the tuned hybrid, and the components tuned alone. */
    TUNE
  }

  private static final ObjectMapper JSON = new ObjectMapper();

  private final CompilePipeline pipeline;
  private final StageStore store;
  private final Goal goal;

  /**
   * @param work directory of the stage store
   * @throws ManticoreException if a file that the recipe names cannot be read, or if the recipe
   *     does not go as far
   */
  public PartialCompilation(ResolvedRecipe recipe, Device device, Path work, Goal goal) {
    this.pipeline = CompilePipeline.of(recipe, device);
    this.store = new StageStore(work);
    this.goal = requireNonNull(goal, "goal");
    boolean selects = goal == Goal.SELECT || goal == Goal.CHECK_SELECTION;
    if (selects && recipe.recipe().search().method() == Recipe.SearchMethod.FIXED) {
      throw new ManticoreException(
          "MNT-RECIPE-INVALID",
          "a choice is read off mixture weights that a search found, and this recipe gives them:"
              + " set search.method=darts");
    }
    if (goal == Goal.CHECK_SELECTION && !recipe.recipe().compare().components()) {
      throw new ManticoreException(
          "MNT-RECIPE-INVALID",
          "the choice is checked by tuning each component alone, which this recipe forbids: set"
              + " compare.components=true");
    }
  }

  private ImmutableList<Stage<?>> stages() {
    return switch (goal) {
      case SEARCH, SELECT -> pipeline.stagesToSearch(pipeline.repetitions());
      case CHECK_SELECTION ->
          ImmutableList.<Stage<?>>builder()
              .addAll(pipeline.stagesToSearch(pipeline.repetitions()))
              .addAll(
                  pipeline.repetitions().stream()
                      .flatMap(repetition -> repetition.alone().stream())
                      .iterator())
              .build();
      case TUNE -> pipeline.stagesToTune();
    };
  }

  /** What {@link #run} would do. */
  public ImmutableList<StagePlan> plan() {
    return store.plan(stages());
  }

  /**
   * Runs what has not run yet.
   *
   * @throws dev.manticore.ir.ManticoreException {@code MNT-BUSY}, {@code MNT-WRITE}, and what
   *     stages throw
   * @throws dev.manticore.compiler.progress.CancelledException when a stop was asked for
   */
  public Pipeline.Summary run(Progress progress, Cancellation cancellation, Clock clock) {
    StageRunner runner = new StageRunner(store, progress, cancellation, clock);
    runner.run(stages());
    return switch (goal) {
      case SEARCH -> found(runner);
      case SELECT -> new SelectionSummary(pipeline, runner, false).summary();
      case CHECK_SELECTION -> new SelectionSummary(pipeline, runner, true).summary();
      case TUNE -> tuned(runner);
    };
  }

  private Pipeline.Summary found(StageRunner results) {
    List<String> names = pipeline.components().stream().map(ComponentSource::name).toList();
    TextTable table = new TextTable().numbers("seed").numbers("loss").numbers("block");
    names.forEach(table::numbers);
    ObjectNode json = JSON.createObjectNode();
    names.forEach(json.putArray("components")::add);
    ArrayNode searches = json.putArray("searches");
    StringBuilder places = new StringBuilder();
    for (CompilePipeline.Repetition repetition : pipeline.repetitions()) {
      SearchStage.Found found = results.result(repetition.search());
      Path directory = store.directoryOf(repetition.search());
      ObjectNode search = searches.addObject();
      search.put("seed", repetition.seed()).put("loss", found.loss());
      ArrayNode blocks = search.putArray("mixture_weights");
      for (int i = 0; i < found.weights().size(); i++) {
        List<String> row = new ArrayList<>();
        row.add(i == 0 ? Integer.toString(repetition.seed()) : "");
        row.add(i == 0 ? String.format(Locale.ROOT, "%.4f", found.loss()) : "");
        row.add(Integer.toString(i));
        found.weights().get(i).forEach(w -> row.add(String.format(Locale.ROOT, "%.3f", w)));
        table.row(row);
        found.weights().get(i).forEach(blocks.addArray()::add);
      }
      search.put("directory", directory.toString());
      places.append(String.format("seed %d: %s%n", repetition.seed(), directory));
    }
    String data =
        pipeline.repetitions().get(0).search().candidates().isEmpty()
            ? "held-out text at the end of the search"
            : "the share of the training text that they are judged on";
    return new Pipeline.Summary(
        String.format(
            "Mixture weights found; losses in nats a token, on %s:%n%s%n%n%s",
            data, lines(table), places.toString().stripTrailing()),
        json.toString());
  }

  private Pipeline.Summary tuned(StageRunner results) {
    TextTable table =
        new TextTable()
            .numbers("seed")
            .words("model")
            .numbers("held-out loss")
            .numbers("parameters")
            .numbers("steps");
    ObjectNode json = JSON.createObjectNode();
    ArrayNode models = json.putArray("tuned");
    StringBuilder places = new StringBuilder();
    for (CompilePipeline.Repetition repetition : pipeline.repetitions()) {
      for (TuneStage stage : repetition.tuned()) {
        Scored tuned = results.result(stage).scored();
        Path directory = store.directoryOf(stage);
        table.row(
            Integer.toString(repetition.seed()),
            stage.run(),
            String.format(Locale.ROOT, "%.4f", tuned.heldOutLoss()),
            String.format(Locale.ROOT, "%,d", tuned.parameterCount()),
            Integer.toString(tuned.steps()));
        ObjectNode model = models.addObject();
        model.put("seed", repetition.seed()).put("model", stage.run());
        model.put("held_out_loss", tuned.heldOutLoss());
        ObjectNode slices = model.putObject("slices");
        tuned.slices().forEach(slices::put);
        model.put("parameters", tuned.parameterCount()).put("steps", tuned.steps());
        model.put("directory", directory.toString());
        places.append(
            String.format("seed %d, %s: %s%n", repetition.seed(), stage.run(), directory));
      }
    }
    return new Pipeline.Summary(
        String.format(
            "Tuned; losses in nats a token:%n%s%n%n%s",
            lines(table), places.toString().stripTrailing()),
        json.toString());
  }

  private static String lines(TextTable table) {
    return String.join(System.lineSeparator(), table.lines());
  }
}
