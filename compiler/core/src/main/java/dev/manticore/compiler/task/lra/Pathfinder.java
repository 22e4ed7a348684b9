package dev.manticore.compiler.task.lra;

import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.task.Faults;
import dev.manticore.compiler.task.GeneratedTask;
import dev.manticore.compiler.task.Setting;
import dev.manticore.compiler.task.Settings;
import dev.manticore.compiler.task.Split;
import dev.manticore.ir.random.Draws;
import java.util.OptionalInt;

/**
 * Pathfinder (paper.md §7.5): an image of 32 by 32 pixels, read row by row, with two long dashed
 * paths, short ones that distract, and two marks; class 1 if both marks lie on one path.
 *
 * <p>Mended: no two paths come to one place or go on from one; upstream they may, and then both
 * ways are as good.
 */
final class Pathfinder extends GeneratedTask {

  static final Setting CONTOUR_LENGTH =
      Setting.integer("contour_length", "dashes of a path", 3, 24, 14);
  static final Setting CONTINUITY =
      Setting.real("continuity", "how straight paths are; 0 for not at all", 0, 10, 1);

  private final int contourLength;
  private final double continuity;
  private final Faults faults;

  Pathfinder(String name, Settings settings, long seed, Faults faults) {
    super(name, settings, seed, faults);
    this.contourLength = settings.integer(CONTOUR_LENGTH);
    this.continuity = settings.real(CONTINUITY);
    this.faults = faults;
  }

  @Override
  protected Sample draw(Draws draws, Split split) {
    PathfinderScene scene = scene(draws);
    return Sample.classified(scene.pixels(), scene.label());
  }

  /** The scene of a sample. */
  PathfinderScene scene(Split split, int index) {
    return scene(draws(split, index));
  }

  private PathfinderScene scene(Draws draws) {
    return PathfinderScene.draw(draws, contourLength, continuity, faults);
  }

  @Override
  public Kind kind() {
    return Kind.CLASS;
  }

  @Override
  public OptionalInt imageWidth() {
    return OptionalInt.of(PathfinderScene.SIDE);
  }

  @Override
  public int vocabularySize() {
    return 256;
  }

  @Override
  public int classes() {
    return 2;
  }

  @Override
  public int longest() {
    return PathfinderScene.SIDE * PathfinderScene.SIDE;
  }
}
