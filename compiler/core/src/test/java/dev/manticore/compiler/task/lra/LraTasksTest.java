package dev.manticore.compiler.task.lra;

import static dev.manticore.compiler.task.SampleSets.inputs;
import static dev.manticore.compiler.task.SampleSets.unevenness;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;

import com.google.common.collect.ArrayListMultimap;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ListMultimap;
import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.task.Faults;
import dev.manticore.compiler.task.SampleSets;
import dev.manticore.compiler.task.Settings;
import dev.manticore.compiler.task.Split;
import dev.manticore.compiler.task.Task;
import dev.manticore.compiler.task.TaskDefinition;
import dev.manticore.compiler.task.lra.PathfinderScene.Dash;
import dev.manticore.compiler.task.lra.PathfinderScene.Point;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.random.Draws;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** ListOps and Pathfinder of paper.md §7, labelled anew by solvers of their own. */
class LraTasksTest {

  private static final int MANY = 10_000;

  private static Task task(String name, Object... settings) {
    TaskDefinition definition = LraTasks.byName(name);
    Settings chosen = definition.baseline();
    for (int i = 0; i < settings.length; i += 2) {
      chosen = chosen.with((String) settings[i], ((Number) settings[i + 1]).doubleValue());
    }
    return definition.create(chosen.with("test", MANY), 12345, Faults.MENDED);
  }

  /** What an expression is worth, and how deep it is. */
  private record Evaluated(int value, int depth) {}

  /** Evaluates symbols with a stack; an operator and its arguments are a list on it. */
  private static Evaluated evaluate(List<String> symbols) {
    Deque<List<String>> open = new ArrayDeque<>();
    open.push(new ArrayList<>());
    int depth = 1;
    for (String symbol : symbols) {
      if (symbol.startsWith("[")) {
        open.push(new ArrayList<>(List.of(symbol)));
        depth = Math.max(depth, open.size());
      } else if (symbol.equals("X")) {
        List<String> call = open.pop();
        List<Integer> sorted = call.stream().skip(1).map(Integer::valueOf).sorted().toList();
        int size = sorted.size();
        assertThat(size).isBetween(2, 10);
        double median = (sorted.get((size - 1) / 2) + sorted.get(size / 2)) / 2.0;
        int value =
            switch (call.get(0)) {
              case "[MIN" -> sorted.get(0);
              case "[MAX" -> sorted.get(size - 1);
              case "[MED" -> (int) median;
              case "[SM" -> sorted.stream().mapToInt(Integer::intValue).sum() % 10;
              default -> throw new AssertionError(call.get(0));
            };
        open.element().add(Integer.toString(value));
      } else {
        assertThat(symbol).matches("[0-9]");
        open.element().add(symbol);
      }
    }
    assertThat(open).hasSize(1);
    assertThat(open.element()).hasSize(1);
    return new Evaluated(Integer.parseInt(open.element().get(0)), depth);
  }

  @Test
  void listOpsIsLabelledWithItsValue() {
    Task task = task("listops");
    int[] operators = new int[4];
    int[] digits = new int[10];
    int[] labels = new int[10];
    Set<Sample> seen = new HashSet<>();
    int deepest = 0;
    long lengths = 0;
    for (int index = 0; index < MANY; index++) {
      Sample sample = task.sample(Split.TEST, index);
      int[] tokens = inputs(sample);
      int last = tokens.length - 1;
      assertThat(last).isBetween(501, 1999);
      assertThat(tokens[last]).isEqualTo(ListOpsTokens.END);
      List<String> symbols = Arrays.stream(tokens).limit(last).mapToObj(task::symbol).toList();
      Evaluated evaluated = evaluate(symbols);
      assertThat(sample.targets().get(last)).isEqualTo(evaluated.value());
      assertThat(sample.asked()).isEqualTo(1);
      deepest = Math.max(deepest, evaluated.depth());
      lengths += last;
      labels[evaluated.value()]++;
      for (int token : tokens) {
        if (token >= ListOpsTokens.OPERATOR && token < ListOpsTokens.CLOSE) {
          operators[token - ListOpsTokens.OPERATOR]++;
        } else if (token >= ListOpsTokens.DIGIT && token < ListOpsTokens.OPERATOR) {
          digits[token - ListOpsTokens.DIGIT]++;
        }
      }
      seen.add(sample);
    }
    assertThat(seen).hasSize(MANY);
    assertThat(deepest).isEqualTo(10);
    assertThat(unevenness(operators)).isLessThan(5);
    assertThat(unevenness(digits)).isLessThan(5);
    assertThat(Arrays.stream(labels).min().orElseThrow()).isGreaterThan(MANY / 40);
    assertThat(lengths / (double) MANY).isBetween(800.0, 1100.0);
  }

  @Test
  void listOpsSettingsBound() {
    Task task = task("listops", "depth", 3, "above", 10, "below", 40, "arguments", 4);
    for (int index = 0; index < 1000; index++) {
      Sample sample = task.sample(Split.TEST, index);
      assertThat(sample.length() - 1).isBetween(11, 39);
      List<String> symbols =
          Arrays.stream(inputs(sample)).limit(sample.length() - 1L).mapToObj(task::symbol).toList();
      assertThat(evaluate(symbols).depth()).isLessThanOrEqualTo(3);
    }
    Task impossible = task("listops", "depth", 2, "above", 500);
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> impossible.sample(Split.TEST, 0))
        .withMessageContaining("has a length above 500 and below 2000");
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> task("listops", "above", 1999))
        .withMessageContaining("no length is above and below");
  }

  /**
   * Whether so many dashes in a row, each where the one before it points, lead from one place to
   * another. Looks at where dashes lie alone, not at the paths that they were drawn for.
   */
  private static boolean leads(ListMultimap<Point, Dash> byPivot, Dash from, Point to, int dashes) {
    if (dashes == 1) {
      return from.tip().equals(to);
    }
    Point next =
        new Point(
            (int) Math.ceil(from.pivot().y() + 4 * StrictMath.sin(from.angle())),
            (int) Math.ceil(from.pivot().x() + 4 * StrictMath.cos(from.angle())));
    return byPivot.get(next).stream().anyMatch(dash -> leads(byPivot, dash, to, dashes - 1));
  }

  private static int solve(List<Dash> dashes, Point mark, Point other, int length) {
    ListMultimap<Point, Dash> byPivot = ArrayListMultimap.create();
    dashes.forEach(dash -> byPivot.put(dash.pivot(), dash));
    boolean connected =
        dashes.stream()
            .anyMatch(
                dash ->
                    (dash.tip().equals(mark) && leads(byPivot, dash, other, length))
                        || (dash.tip().equals(other) && leads(byPivot, dash, mark, length)));
    return connected ? 1 : 0;
  }

  @ParameterizedTest
  @ValueSource(ints = {6, 9, 14})
  void pathfinderIsLabelledByThePathsThatTheMarksAreOn(int length) {
    Pathfinder task = (Pathfinder) task("pathfinder", "contour_length", length);
    int count = length == 14 ? MANY : 2000;
    int connected = 0;
    long distractors = 0;
    for (int index = 0; index < count; index++) {
      PathfinderScene scene = task.scene(Split.TEST, index);
      List<Dash> dashes = scene.paths().stream().flatMap(List::stream).toList();
      int label =
          solve(
              new Draws(index).shuffled(dashes),
              scene.marks().get(0),
              scene.marks().get(1),
              length);
      assertThat(scene.label()).isEqualTo(label);
      connected += label;
      distractors += scene.paths().size() - 2;

      checkPixels(scene);
      if (index < 100) {
        assertThat(task.sample(Split.TEST, index))
            .isEqualTo(Sample.classified(scene.pixels(), label));
      }
    }
    assertThat(connected / (double) count).isCloseTo(0.5, within(length == 14 ? 0.02 : 0.04));
    double wanted = 20 / (length / 3);
    assertThat(distractors / (double) count).isBetween(0.5 * wanted, wanted);
  }

  @Test
  void pathsMayForkUpstreamAlone() {
    TaskDefinition definition = LraTasks.byName("pathfinder");
    int differ = 0;
    for (int index = 0; index < 500; index++) {
      PathfinderScene scene =
          ((Pathfinder) definition.create(definition.baseline(), 1, Faults.UPSTREAM))
              .scene(Split.TEST, index);
      List<Dash> dashes = scene.paths().stream().flatMap(List::stream).toList();
      int solved = solve(dashes, scene.marks().get(0), scene.marks().get(1), 14);
      differ += solved == scene.label() ? 0 : 1;
    }
    assertThat(differ).isBetween(1, 100);
  }

  /** Everything drawn is bright, and nothing else. */
  private static void checkPixels(PathfinderScene scene) {
    assertThat(scene.pixels().length()).isEqualTo(1024);
    boolean[] drawn = new boolean[1024];
    int most = 0;
    for (List<Dash> path : scene.paths()) {
      for (Dash dash : path) {
        assertThat(scene.pixels().get(32 * dash.tip().y() + dash.tip().x()))
            .as("brightness of %s", dash)
            .isGreaterThan(60);
        mark(drawn, dash.pivot(), 5);
      }
    }
    for (Point mark : scene.marks()) {
      assertThat(scene.pixels().get(32 * mark.y() + mark.x())).isGreaterThan(150);
      mark(drawn, mark, 4);
    }
    for (int i = 0; i < 1024; i++) {
      most = Math.max(most, scene.pixels().get(i));
      if (!drawn[i]) {
        assertThat(scene.pixels().get(i)).isZero();
      }
    }
    assertThat(most).isEqualTo(255);
  }

  private static void mark(boolean[] drawn, Point at, int reach) {
    for (int y = Math.max(0, at.y() - reach); y <= Math.min(31, at.y() + reach); y++) {
      for (int x = Math.max(0, at.x() - reach); x <= Math.min(31, at.x() + reach); x++) {
        drawn[32 * y + x] = true;
      }
    }
  }

  @Test
  void difficultyIsThePapers() {
    assertThat(LraTasks.byName("pathfinder").benchmark().stream().map(Settings::toString))
        .containsExactly(
            "training=160000 validation=20000 test=20000 contour_length=14 continuity=1.0",
            "training=160000 validation=20000 test=20000 contour_length=9 continuity=1.0",
            "training=160000 validation=20000 test=20000 contour_length=6 continuity=1.0");
    assertThat(LraTasks.byName("pathfinder").hard(Faults.UPSTREAM).toString())
        .contains("contour_length=6");
    assertThat(LraTasks.byName("listops").benchmark())
        .isEqualTo(ImmutableList.of(LraTasks.byName("listops").baseline()));
    assertThat(LraTasks.byName("listops").baseline())
        .hasToString(
            "training=96000 validation=2000 test=2000 depth=10 arguments=10 operators=0.25"
                + " above=500 below=2000");
  }

  @ParameterizedTest
  @CsvSource({
    "listops, MENDED, 31173e19e808693533facb1824415c5d27b0ddd99316c183dc432622b0175a9a",
    "pathfinder, MENDED, 17b1dab10d681495c33f515c189c7902c3d2dea53b541dfbe17732a511976d64",
    "pathfinder, UPSTREAM, 7984ee3b8e57c8ad7ab3791396bcecb8fd9b1a9e3cbf477fe1b142d382984b10",
  })
  void sameSamplesOnEveryMachine(String name, Faults faults, String hash) {
    TaskDefinition definition = LraTasks.byName(name);
    Task task = definition.create(definition.hard(faults), 42, faults);
    assertThat(SampleSets.hash(task, 100)).isEqualTo(hash);
  }
}
