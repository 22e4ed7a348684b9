package dev.manticore.compiler.pipeline;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSortedMap;
import com.google.common.collect.Maps;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.recipe.RecipeReader;
import dev.manticore.compiler.recipe.ResolvedRecipe;
import dev.manticore.ir.ManticoreException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Set;
import java.util.TreeSet;

/**
 * Makes a result of {@code compile} once more, from its own recipe and what that names, with
 * nothing taken over from earlier runs, and compares every file. The second one is made beside the
 * first; where it is the same, it goes again.
 */
public final class Reproduction {

  private static final String CODE = "MNT-REPRODUCE";

  private final Path directory;
  private final int threads;
  private final Pipeline.Factory factory;

  /**
   * @param directory a result of {@code compile}
   * @param threads those that its steps had, on which results depend; 0 for what the recipe says
   */
  public Reproduction(Path directory, int threads, Pipeline.Factory factory) {
    this.directory = directory.toAbsolutePath().normalize();
    this.threads = threads;
    this.factory = requireNonNull(factory, "factory");
  }

  /**
   * How two results compare.
   *
   * @param files the number of files that are the same
   * @param differing the files that are not the same, or are in one of the results only
   * @param second where the second result is, if it is not the same
   */
  public record Outcome(int files, ImmutableList<String> differing, Path second) {

    /** Whether both results have the same files, byte by byte. */
    public boolean isSame() {
      return differing.isEmpty();
    }
  }

  /**
   * Makes the result again.
   *
   * @throws ManticoreException {@code MNT-REPRODUCE} if the directory is no whole result, or what
   *     it was made of is not what is there now, which is found out before anything runs; and what
   *     a compile throws. A run that was stopped goes on when it is asked for again.
   */
  public Outcome run(Progress progress, Cancellation cancellation, Clock clock) {
    Completion first =
        Completion.read(directory)
            .orElseThrow(
                () -> new ManticoreException(CODE, directory + " is not a result of compile"));
    ImmutableSortedMap<String, String> before = first.files();
    if (!Files.isRegularFile(directory.resolve(Compilation.RECIPE))) {
      throw new ManticoreException(
          CODE, directory + " has no " + Compilation.RECIPE + " to be made again from");
    }
    before.forEach(
        (file, hash) -> {
          Path place = directory.resolve(file);
          if (!Files.isRegularFile(place) || !Hashes.sha256(place).equals(hash)) {
            throw new ManticoreException(
                CODE, place + " is not as compile left it: there is nothing to compare with");
          }
        });
    ResolvedRecipe recipe = recipe();
    requireSameInputs(first, factory.create(recipe));

    Path second = OutputDirectory.sibling(directory, "reproduced");
    Path work = OutputDirectory.sibling(directory, "reproducing");
    StageStore.delete(second);
    new Compilation(recipe, factory, work, second).run(progress, cancellation, clock);
    StageStore.delete(work);
    ImmutableSortedMap<String, String> after = Completion.read(second).orElseThrow().files();
    Set<String> differing =
        new TreeSet<>(Maps.difference(before, after).entriesDiffering().keySet());
    differing.addAll(Maps.difference(before, after).entriesOnlyOnLeft().keySet());
    differing.addAll(Maps.difference(before, after).entriesOnlyOnRight().keySet());
    if (differing.isEmpty()) {
      StageStore.delete(second);
    }
    return new Outcome(
        Maps.difference(before, after).entriesInCommon().size(),
        ImmutableList.copyOf(differing),
        second);
  }

  private ResolvedRecipe recipe() {
    ResolvedRecipe recipe =
        new RecipeReader(directory).read(directory.resolve(Compilation.RECIPE), ImmutableList.of());
    return threads == 0 ? recipe : recipe.onThreads(threads);
  }

  /** Stages are called by what they depend on. */
  private void requireSameInputs(Completion first, Pipeline pipeline) {
    ImmutableList<String> now = Completion.addresses(pipeline);
    for (int i = 0; i < now.size(); i++) {
      if (i >= first.stages().size() || !first.stages().get(i).equals(now.get(i))) {
        throw new ManticoreException(
            CODE,
            directory
                + " was made of something else: stage "
                + now.get(i)
                + " was "
                + (i < first.stages().size() ? first.stages().get(i) : "not there")
                + ". A component, the data or the tokenizer that the recipe names has changed, or it"
                + " was another version of Manticore; the SHA-256 of what went in are in "
                + "bom.cdx.json");
      }
    }
  }
}
