package dev.manticore.compiler.task.lra;

import com.google.common.collect.ImmutableList;
import com.google.common.primitives.ImmutableIntArray;
import dev.manticore.compiler.task.Faults;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.random.Draws;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * An image of Pathfinder and what was drawn in it (paper.md §7.5). All trigonometry is {@link
 * StrictMath}'s, so that it is the same on every machine.
 *
 * @param label 1 if the marks are the ends of one path
 * @param paths the two long ones, then those that distract
 * @param marks where the marks are
 * @param pixels 0 to 255, row by row
 */
record PathfinderScene(
    int label,
    ImmutableList<ImmutableList<Dash>> paths,
    ImmutableList<Point> marks,
    ImmutableIntArray pixels) {

  static final int SIDE = 32;
  static final int DASH = 2;
  static final int MARGIN = 1;

  private static final int PADDING = 1;
  private static final int SEED_DISTANCE = 7;
  private static final double MARK_RADIUS = 1.5;
  private static final int SMOOTHING = 2;
  private static final double CONTRAST = 2 * 0.75;
  private static final double DISTRACTOR_CONTRAST = 2;
  private static final int DISTRACTOR_DASHES = 20;
  private static final int DASH_TRIALS = 3;
  private static final int DISTRACTOR_TRIALS = 5;

  /** Above this a pixel is taken. */
  private static final double TAKEN = 0.3;

  private static final double COLLISION = 1.8;
  private static final double LEAST_FREE_SHARE = 0.01;
  private static final int ATTEMPTS = 1_000_000;
  private static final Raster MARK = mark();

  record Point(int y, int x) {

    Point moved(double angle, double distance) {
      return new Point(
          (int) Math.ceil(y + distance * StrictMath.sin(angle)),
          (int) Math.ceil(x + distance * StrictMath.cos(angle)));
    }

    boolean isInside() {
      return y >= 0 && y < SIDE && x >= 0 && x < SIDE;
    }
  }

  /**
   * A dash of a path.
   *
   * @param pivot where it turns about; that of the next dash lies {@code DASH + 2 * MARGIN} on
   * @param angle the direction from pivot to head, in radians
   * @param tip its outer end: the tail of a path's first dash, the head of any other
   */
  record Dash(Point pivot, double angle, Point tip) {}

  /**
   * A dash as drawn, the room that it takes, and the pixels that it takes wholly, from its start.
   */
  private record Stamp(Raster image, Raster mask, ImmutableList<Point> footprint) {

    private static final int REACH = DASH + 1 + MARGIN;
    private static final int CENTER = REACH * SMOOTHING;
    private static final int SPAN = DASH * SMOOTHING;
    private static final Stamp[][] ALL = all();

    /** A dash that starts in the middle. */
    static Stamp of(double angle) {
      Point end = new Point(CENTER, CENTER).moved(angle, SPAN);
      return ALL[end.y() - CENTER + SPAN][end.x() - CENTER + SPAN];
    }

    private static Stamp[][] all() {
      Stamp[][] all = new Stamp[2 * SPAN + 1][2 * SPAN + 1];
      for (int y = 0; y <= 2 * SPAN; y++) {
        for (int x = 0; x <= 2 * SPAN; x++) {
          Raster fine = new Raster(2 * CENTER + 1, 2 * CENTER + 1);
          fine.line(CENTER, CENTER, CENTER + y - SPAN, CENTER + x - SPAN);
          int side = 2 * REACH + 1;
          Raster mask = fine.dilated(MARGIN * SMOOTHING).reduced(side, side);
          ImmutableList.Builder<Point> footprint = ImmutableList.builder();
          for (int i = 0; i < side * side; i++) {
            if (mask.get(i / side, i % side) == 1) {
              footprint.add(new Point(i / side - REACH, i % side - REACH));
            }
          }
          all[y][x] = new Stamp(fine.reduced(side, side), mask, footprint.build());
        }
      }
      return all;
    }

    /** Whether a dash that starts there would lie, with its whole mask, on free pixels. */
    boolean isFree(Raster taken, Point start) {
      for (Point offset : footprint) {
        int y = start.y() + offset.y();
        int x = start.x() + offset.x();
        if (taken.contains(y, x) && taken.get(y, x) > TAKEN) {
          return false;
        }
      }
      return true;
    }

    /** Whether a dash that starts there runs into what is taken. */
    boolean collides(Raster taken, Point start) {
      for (int row = 0; row < mask.height; row++) {
        for (int column = 0; column < mask.width; column++) {
          int y = start.y() + row - REACH;
          int x = start.x() + column - REACH;
          if (taken.contains(y, x) && taken.get(y, x) + mask.get(row, column) >= COLLISION) {
            return true;
          }
        }
      }
      return false;
    }
  }

  /** A stamp and where its dash starts. */
  private record Placed(Stamp stamp, Point start) {
    void take(Raster mask) {
      mask.merge(stamp.mask(), start.y(), start.x(), 1);
    }
  }

  /**
   * What is taken of an image while paths grow in it.
   *
   * @param pivots those of all dashes
   * @param tips those of all dashes
   */
  private record Room(Raster mask, Set<Point> pivots, Set<Point> tips, Faults faults) {
    static Room empty(Faults faults) {
      Room room = new Room(new Raster(SIDE, SIDE), new HashSet<>(), new HashSet<>(), faults);
      room.mask.frame(PADDING);
      return room;
    }

    Room copy() {
      return new Room(mask.copy(), new HashSet<>(pivots), new HashSet<>(tips), faults);
    }

    /**
     * Whether two paths would go on from one place, so that nothing told them apart. As published
     * they may: of paths of 14 dashes one pair in eleven does.
     */
    boolean isForked(Point pivot) {
      return faults == Faults.MENDED && pivots.contains(pivot);
    }

    /** Whether two paths would come to one place. As published they may, with their last dashes. */
    boolean isMet(Point tip) {
      return faults == Faults.MENDED && tips.contains(tip);
    }
  }

  /** A path while it grows. */
  private static final class Path {
    final Raster image = new Raster(SIDE, SIDE);
    final List<Dash> dashes = new ArrayList<>();
    final double contrast;

    /** The last dash, whose mask is not yet in the image's own. */
    Placed last;

    Path(double contrast) {
      this.contrast = contrast;
    }

    Dash head() {
      return dashes.get(dashes.size() - 1);
    }

    /** Draws a dash from {@code start} on. */
    private void add(Room room, Dash dash, Point start, double angle) {
      Stamp stamp = Stamp.of(angle);
      image.merge(stamp.image(), start.y(), start.x(), contrast);
      last = new Placed(stamp, start);
      dashes.add(dash);
      room.pivots().add(dash.pivot());
      room.tips().add(dash.tip());
    }

    /** The first dash, from its tail on; false if it does not lie inside. */
    boolean start(Room room, Point tail, double angle) {
      Point head = tail.moved(angle, DASH);
      Point pivot = head.moved(angle < 0 ? angle + Math.PI : angle - Math.PI, DASH + MARGIN);
      if (!head.isInside() || !pivot.isInside() || room.isForked(pivot) || room.isMet(tail)) {
        return false;
      }
      add(room, new Dash(pivot, angle, tail), tail, angle);
      return true;
    }

    /**
     * One more dash, drawn from its head back to its pivot; false if there is no room.
     *
     * @param room gets the mask of the dash before
     */
    boolean extend(Draws draws, Room room, double continuity) {
      Point pivot = head().pivot().moved(head().angle(), DASH + 2 * MARGIN);
      if (room.isForked(pivot)) {
        return false;
      }
      List<Point> heads = around(pivot);
      double[] sums = new double[heads.size()];
      double sum = 0;
      for (int i = 0; i < sums.length; i++) {
        Point head = heads.get(i);
        sum +=
            weight(pivot, head, continuity)
                * (1 - room.mask().mostNear(head.y(), head.x(), MARGIN));
        sums[i] = sum;
      }
      if (sum < 1e-4) {
        return false;
      }
      for (int trial = 0; trial < DASH_TRIALS; trial++) {
        double drawn = draws.unit() * sum;
        int chosen = 0;
        while (chosen < sums.length - 1 && sums[chosen] <= drawn) {
          chosen++;
        }
        Point head = heads.get(chosen);
        double angle = angle(pivot, head);
        double back = angle < 0 ? angle + Math.PI : angle - Math.PI;
        if (!room.isMet(head) && !Stamp.of(back).collides(room.mask(), head)) {
          last.take(room.mask());
          add(room, new Dash(pivot, angle, head), head, back);
          return true;
        }
      }
      return false;
    }

    private double weight(Point pivot, Point head, double continuity) {
      double turn = Math.abs(angle(pivot, head) - head().angle());
      double delta = Math.min(turn, 2 * Math.PI - turn);
      double cosine = StrictMath.cos(Math.min(delta * continuity, Math.PI / 2));
      return cosine > 0 ? cosine * cosine : 0;
    }
  }

  private static double angle(Point from, Point to) {
    return StrictMath.atan2(to.y() - from.y(), to.x() - from.x());
  }

  /** The pixels on the circle of possible heads about a pivot, by row and column. */
  private static List<Point> around(Point pivot) {
    int radius = DASH + MARGIN;
    double step = 360 / (2 * radius * Math.PI);
    TreeSet<Integer> places = new TreeSet<>();
    for (int i = 0; i * step < 360; i++) {
      double angle = i * step * Math.PI / 180;
      double y = pivot.y() + radius * StrictMath.sin(angle);
      double x = pivot.x() + radius * StrictMath.cos(angle);
      if (y >= 0 && y < SIDE && x >= 0 && x < SIDE) {
        places.add((int) y * SIDE + (int) x);
      }
    }
    return places.stream().map(place -> new Point(place / SIDE, place % SIDE)).toList();
  }

  private static double orientation(Draws draws) {
    return (draws.below(360) - 180) * Math.PI / 180;
  }

  /** A free place for the tail of a dash of that direction. */
  private static Optional<Point> freeTail(Draws draws, Raster taken, double angle) {
    Stamp stamp = Stamp.of(angle);
    List<Point> free = new ArrayList<>();
    for (int y = 0; y < SIDE; y++) {
      for (int x = 0; x < SIDE; x++) {
        if (stamp.isFree(taken, new Point(y, x))) {
          free.add(new Point(y, x));
        }
      }
    }
    return free.isEmpty() ? Optional.empty() : Optional.of(draws.pick(free));
  }

  /** Draws a scene. */
  static PathfinderScene draw(Draws draws, int contourLength, double continuity, Faults faults) {
    int label = draws.below(2);
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
      Room room = Room.empty(faults);
      Path first = new Path(CONTRAST);
      Path second = new Path(CONTRAST);
      if (startTwo(draws, room, first, second)
          && growTwo(draws, room, first, second, contourLength, continuity)) {
        return finish(draws, label, room, first, second, contourLength / 3, continuity);
      }
    }
    throw new ManticoreException(
        "MNT-TASK",
        "In none of "
            + ATTEMPTS
            + " attempts two paths of "
            + contourLength
            + " dashes found room. Choose a shorter contour_length.");
  }

  private static boolean startTwo(Draws draws, Room room, Path first, Path second) {
    Raster lined = room.mask().copy();
    lined.frame(2 * SEED_DISTANCE);
    if (!startFree(draws, room, lined, first)) {
      return false;
    }
    Point origin = first.head().tip();
    for (int trial = 0; trial < DASH_TRIALS; trial++) {
      double angle = orientation(draws);
      double direction = draws.below(360) * Math.PI / 180;
      Point tail =
          new Point(
              (int) Math.rint(origin.y() + SEED_DISTANCE * StrictMath.sin(direction)),
              (int) Math.rint(origin.x() + SEED_DISTANCE * StrictMath.cos(direction)));
      if (second.start(room, tail, angle)) {
        return true;
      }
    }
    return false;
  }

  /** The first dash of a path where {@code lined} is free. */
  private static boolean startFree(Draws draws, Room room, Raster lined, Path path) {
    for (int trial = 0; trial < DASH_TRIALS; trial++) {
      double angle = orientation(draws);
      Optional<Point> tail = freeTail(draws, lined, angle);
      if (tail.isEmpty()) {
        return false;
      }
      if (path.start(room, tail.get(), angle)) {
        return true;
      }
    }
    return false;
  }

  private static boolean growTwo(
      Draws draws, Room room, Path first, Path second, int length, double continuity) {
    for (int i = 1; i < length; i++) {
      if (!first.extend(draws, room, continuity) || !second.extend(draws, room, continuity)) {
        return false;
      }
    }
    // As published: the last dash of the first path is left out.
    second.last.take(room.mask());
    return true;
  }

  private static PathfinderScene finish(
      Draws draws,
      int label,
      Room room,
      Path first,
      Path second,
      int distractorLength,
      double continuity) {
    ImmutableList.Builder<ImmutableList<Dash>> paths = ImmutableList.builder();
    paths.add(ImmutableList.copyOf(first.dashes));
    paths.add(ImmutableList.copyOf(second.dashes));
    Raster image = first.image;
    image.merge(second.image);
    Room taken = room;
    for (int count = DISTRACTOR_DASHES / distractorLength; count > 0; count--) {
      for (int trial = 0; trial < DISTRACTOR_TRIALS; trial++) {
        Room tried = taken.copy();
        Path path = new Path(DISTRACTOR_CONTRAST);
        if (distract(draws, tried, path, distractorLength, continuity)) {
          taken = tried;
          image.merge(path.image);
          paths.add(ImmutableList.copyOf(path.dashes));
          break;
        }
      }
    }
    boolean fromFirst = draws.below(2) == 0;
    boolean toFirst = (label == 1) == fromFirst;
    Point origin = (fromFirst ? first : second).dashes.get(0).tip();
    Point terminal = (toFirst ? first : second).head().tip();
    image.merge(MARK, origin.y(), origin.x(), 1);
    image.merge(MARK, terminal.y(), terminal.x(), 1);
    double most = image.most();
    ImmutableIntArray.Builder pixels = ImmutableIntArray.builder(SIDE * SIDE);
    for (int i = 0; i < SIDE * SIDE; i++) {
      pixels.add((int) Math.rint(255 * image.get(i / SIDE, i % SIDE) / most));
    }
    return new PathfinderScene(
        label, paths.build(), ImmutableList.of(origin, terminal), pixels.build());
  }

  private static boolean distract(
      Draws draws, Room room, Path path, int length, double continuity) {
    Raster lined = room.mask().copy();
    lined.frame(1);
    if (freeShare(room.mask()) < LEAST_FREE_SHARE || !startFree(draws, room, lined, path)) {
      return false;
    }
    for (int i = 1; i < length; i++) {
      if (!path.extend(draws, room, continuity)) {
        return false;
      }
    }
    path.last.take(room.mask());
    return true;
  }

  private static double freeShare(Raster mask) {
    int free = 0;
    for (int i = 0; i < SIDE * SIDE; i++) {
      free += mask.get(i / SIDE, i % SIDE) > TAKEN ? 0 : 1;
    }
    return free / (double) (SIDE * SIDE);
  }

  private static Raster mark() {
    int reach = 4;
    Raster fine = new Raster((2 * reach + 1) * SMOOTHING, (2 * reach + 1) * SMOOTHING);
    double radius = MARK_RADIUS * SMOOTHING;
    for (int y = 0; y < fine.height; y++) {
      for (int x = 0; x < fine.width; x++) {
        int dy = y - reach * SMOOTHING;
        int dx = x - reach * SMOOTHING;
        if (dy * dy + dx * dx <= radius * radius) {
          fine.set(y, x, 1);
        }
      }
    }
    return fine.reduced(2 * reach + 1, 2 * reach + 1);
  }
}
