package dev.manticore.compiler.stages;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.experiment.Landscape;
import dev.manticore.compiler.pipeline.OutputDirectory;
import dev.manticore.compiler.pipeline.Pipeline;
import dev.manticore.compiler.pipeline.StageRunner;
import dev.manticore.compiler.pipeline.StageStore;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.recipe.ResolvedRecipe;
import dev.manticore.compiler.report.LandscapePage;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.runtime.Device;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The held-out loss of a recipe's hybrid over mixture weights of one block or two, each tuned from
 * the pretrained weights at weights that stay. Other blocks have the weights that the search of the
 * first seed found. Points that are done are kept in the store as stages.
 */
public final class LandscapeSweep {

  /** The landscape, in every output. */
  public static final String JSON = "landscape.json";

  /** The landscape as a table. */
  public static final String TABLE = "landscape.csv";

  /** The landscape as a picture. */
  public static final String PAGE = "landscape.html";

  private static final String RECIPE = "recipe.yaml";

  private final ResolvedRecipe recipe;
  private final CompilePipeline pipeline;
  private final StageStore store;
  private final Request request;
  private final List<String> names;

  /**
   * What to sweep.
   *
   * @param points weights of an axis, from 0 to 1
   * @param blocks one or two, counted from 0
   * @param components the two that share a swept block, whose first's weight is the axis; empty for
   *     both of two
   * @param steps of the training at each point; empty for those of the recipe's tuning
   */
  public record Request(
      int points,
      ImmutableList<Integer> blocks,
      ImmutableList<String> components,
      OptionalInt steps) {
    public Request {
      if (points < 2) {
        throw failure("an axis of " + points + " points: there should be 2 at least");
      }
      if (blocks.isEmpty()
          || blocks.size() > 2
          || blocks.stream().distinct().count() < blocks.size()) {
        throw failure("blocks " + blocks + ": choose one, or two different ones");
      }
      if (steps.isPresent() && steps.getAsInt() < 1) {
        throw failure("a training of " + steps.getAsInt() + " steps: there should be 1 at least");
      }
    }
  }

  /**
   * @param work directory of the stage store
   * @throws ManticoreException {@code MNT-SWEEP} if the recipe has no such blocks or components,
   *     and if a file that it names cannot be read
   */
  public LandscapeSweep(ResolvedRecipe recipe, Device device, Path work, Request request) {
    this.recipe = requireNonNull(recipe, "recipe");
    this.pipeline = CompilePipeline.of(recipe, device);
    this.store = new StageStore(work);
    this.request = requireNonNull(request, "request");
    this.names = pipeline.components().stream().map(ComponentSource::name).toList();
    int blocks = recipe.recipe().splice().blocks();
    for (int block : request.blocks()) {
      if (block < 0 || block >= blocks) {
        throw failure(
            "there is no block " + block + ": the recipe has " + blocks + ", counted from 0");
      }
    }
    List<String> two = request.components();
    if (two.isEmpty() ? names.size() > 2 : two.size() != 2 || two.get(0).equals(two.get(1))) {
      throw failure("choose two of the components " + names + ", whose shares are swept");
    }
    for (String name : two) {
      if (!names.contains(name)) {
        throw failure("there is no component '" + name + "' among " + names);
      }
    }
  }

  private static ManticoreException failure(String message) {
    return new ManticoreException("MNT-SWEEP", message);
  }

  private ImmutableList<String> two() {
    return request.components().isEmpty() ? ImmutableList.copyOf(names) : request.components();
  }

  /**
   * Runs what has not run yet and writes the output directory.
   *
   * @param output replaced if it holds an earlier landscape
   * @throws ManticoreException {@code MNT-OUTPUT}, {@code MNT-BUSY}, {@code MNT-WRITE}, and what
   *     stages throw
   * @throws dev.manticore.compiler.progress.CancelledException when a stop was asked for; a later
   *     call goes on from there
   */
  public Pipeline.Summary run(
      Path output, Progress progress, Cancellation cancellation, Clock clock) {
    try (OutputDirectory target = OutputDirectory.open(output, JSON)) {
      StageRunner runner = new StageRunner(store, progress, cancellation, clock);
      CompilePipeline.Repetition first = pipeline.repetitions().get(0);
      runner.run(pipeline.stagesToSearch(ImmutableList.of(first)));
      double[][] found =
          runner.result(first.search()).weights().stream()
              .map(block -> block.stream().mapToDouble(Double::doubleValue).toArray())
              .toArray(double[][]::new);
      List<ImmutableList<Double>> places = places();
      List<CandidateStage> candidates = new ArrayList<>();
      for (ImmutableList<Double> place : places) {
        candidates.add(candidate(first, nameOf(first, place), at(found, place)));
      }
      // Of more than two components, what was found does not lie on the axes.
      boolean marked = names.size() == 2;
      if (marked) {
        candidates.add(candidate(first, "landscape-" + first.seed() + "-searched", found));
      }
      runner.run(candidates);
      ImmutableList.Builder<Landscape.Point> points = ImmutableList.builder();
      for (int i = 0; i < places.size(); i++) {
        points.add(
            new Landscape.Point(
                places.get(i), runner.result(candidates.get(i)).loss(), first.seed()));
      }
      int axis = names.indexOf(two().get(0));
      Optional<Landscape.Point> searched =
          marked
              ? Optional.of(
                  new Landscape.Point(
                      request.blocks().stream()
                          .map(block -> found[block][axis])
                          .collect(ImmutableList.toImmutableList()),
                      runner.result(candidates.get(places.size())).loss(),
                      first.seed()))
              : Optional.empty();
      Landscape landscape = new Landscape(recipe.recipe().name(), axes(), points.build(), searched);
      Path staging = target.staging();
      landscape.write(staging.resolve(JSON));
      landscape.writeCsv(staging.resolve(TABLE));
      LandscapePage.write(landscape, about(), staging.resolve(PAGE));
      AtomicFiles.writeString(staging.resolve(RECIPE), recipe.yaml(output));
      target.commit();
      return new Pipeline.Summary(text(landscape, output), landscape.json().toString());
    }
  }

  /** The weights of the axes, every combination of them, the last fastest. */
  private List<ImmutableList<Double>> places() {
    List<ImmutableList<Double>> places = new ArrayList<>();
    for (int i = 0; i < request.points(); i++) {
      double first = (double) i / (request.points() - 1);
      if (request.blocks().size() == 1) {
        places.add(ImmutableList.of(first));
        continue;
      }
      for (int j = 0; j < request.points(); j++) {
        places.add(ImmutableList.of(first, (double) j / (request.points() - 1)));
      }
    }
    return places;
  }

  /** The mixture weights found, but for the blocks that are swept. */
  private double[][] at(double[][] found, List<Double> place) {
    double[][] weights = Arrays.stream(found).map(double[]::clone).toArray(double[][]::new);
    for (int axis = 0; axis < place.size(); axis++) {
      double[] block = weights[request.blocks().get(axis)];
      Arrays.fill(block, 0);
      block[names.indexOf(two().get(0))] = place.get(axis);
      block[names.indexOf(two().get(1))] = 1 - place.get(axis);
    }
    return weights;
  }

  /** By its weights, so that finer sweeps find the points of coarser ones. */
  private static String nameOf(CompilePipeline.Repetition repetition, List<Double> place) {
    StringBuilder name = new StringBuilder("landscape-" + repetition.seed());
    place.forEach(weight -> name.append('-').append(Math.round(1000 * weight)));
    return name.toString();
  }

  private CandidateStage candidate(
      CompilePipeline.Repetition repetition, String name, double[][] weights) {
    Recipe.Training tune = recipe.recipe().tune();
    return new CandidateStage(
        pipeline.shop(),
        pipeline.tokenizer(),
        pipeline.components(),
        pipeline.projectorSource(),
        new CandidateStage.Candidate(
            name,
            repetition.index(),
            weights,
            tune.withSteps(request.steps().orElse(tune.steps())),
            CandidateStage.Judged.HELD_OUT));
  }

  private ImmutableList<String> axes() {
    return request.blocks().stream()
        .map(block -> two().get(0) + " in block " + block)
        .collect(ImmutableList.toImmutableList());
  }

  private String about() {
    return String.format(
        "The held-out loss in nats a token after %d steps from the pretrained weights, at mixture"
            + " weights that stay.",
        request.steps().orElse(recipe.recipe().tune().steps()));
  }

  private String text(Landscape landscape, Path output) {
    StringBuilder text = new StringBuilder();
    text.append(String.format("%s: %s%n", landscape.name(), about()));
    landscape
        .lowest()
        .ifPresent(cell -> text.append(line("lowest", cell.weights(), cell.losses().mean())));
    landscape
        .searched()
        .ifPresent(point -> text.append(line("searched", point.weights(), point.loss())));
    return text.append(String.format("%d points: %s", landscape.points().size(), output))
        .toString();
  }

  private String line(String what, List<Double> weights, double loss) {
    List<String> places = new ArrayList<>();
    for (int axis = 0; axis < weights.size(); axis++) {
      places.add(String.format(Locale.ROOT, "%s %.3f", axes().get(axis), weights.get(axis)));
    }
    return String.format(
        Locale.ROOT, "  %-8s  %.4f  at %s%n", what, loss, String.join(", ", places));
  }
}
