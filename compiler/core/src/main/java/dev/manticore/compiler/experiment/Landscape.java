package dev.manticore.compiler.experiment;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import com.google.common.primitives.Doubles;
import com.google.common.primitives.Ints;
import dev.manticore.compiler.pipeline.PrettyJson;
import dev.manticore.compiler.statistics.Sample;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.io.AtomicFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The loss over fixed mixture weights of one block or two, and where a search went in it.
 *
 * @param name what it is the landscape of
 * @param axes what each weight is of, such as {@code mamba in block 1}; one or two
 * @param points on which a hybrid of fixed weights was trained
 * @param searched where the search ended; empty without one
 */
public record Landscape(
    String name,
    ImmutableList<String> axes,
    ImmutableList<Point> points,
    Optional<Point> searched) {

  private static final String CODE = "MNT-LANDSCAPE";
  private static final ImmutableList<String> COLUMNS = ImmutableList.of("loss", "seed", "point");
  private static final String GRID = "grid";
  private static final String SEARCHED = "searched";

  /**
   * A loss at mixture weights.
   *
   * @param weights one an axis, each from 0 to 1
   * @param loss in nats an answer
   */
  public record Point(ImmutableList<Double> weights, double loss, int seed) {
    public Point {
      for (double weight : weights) {
        checkArgument(weight >= 0 && weight <= 1, "a mixture weight is %s", weight);
      }
    }
  }

  /** The losses of all seeds at one place. */
  public record Cell(ImmutableList<Double> weights, Sample losses) {}

  public Landscape {
    checkArgument(!name.isBlank(), "the landscape has no name");
    checkArgument(axes.size() == 1 || axes.size() == 2, "there are %s axes", axes.size());
    checkArgument(
        ImmutableSet.<String>builder().addAll(axes).addAll(COLUMNS).build().size()
            == axes.size() + COLUMNS.size(),
        "two columns have one name among %s and %s",
        axes,
        COLUMNS);
    checkArgument(!points.isEmpty(), "there are no points");
    for (Point point : points) {
      checkArgument(
          point.weights().size() == axes.size(),
          "a point has %s weights for %s axes",
          point.weights().size(),
          axes.size());
    }
    requireNonNull(searched, "searched");
    searched.ifPresent(
        point ->
            checkArgument(
                point.weights().size() == axes.size(), "the searched point is not on the axes"));
  }

  /** The places of the points, in the order of their weights. */
  public ImmutableList<Cell> cells() {
    Map<ImmutableList<Double>, List<Double>> losses = new LinkedHashMap<>();
    points.stream()
        .sorted(
            Comparator.<Point>comparingDouble(point -> point.weights().get(0))
                .thenComparingDouble(point -> point.weights().get(axes.size() - 1))
                .thenComparingInt(Point::seed))
        .forEach(
            point ->
                losses
                    .computeIfAbsent(point.weights(), weights -> new ArrayList<>())
                    .add(point.loss()));
    ImmutableList.Builder<Cell> cells = ImmutableList.builder();
    losses.forEach((weights, own) -> cells.add(new Cell(weights, Sample.of(own))));
    return cells.build();
  }

  /** The place of the lowest mean loss; empty if none is finite. */
  public Optional<Cell> lowest() {
    return cells().stream()
        .filter(cell -> Double.isFinite(cell.losses().mean()))
        .min(Comparator.comparingDouble(cell -> cell.losses().mean()));
  }

  /**
   * Reads a JSON file.
   *
   * @throws ManticoreException {@code MNT-LANDSCAPE} if it cannot be read or is not a landscape
   */
  public static Landscape read(Path file) {
    StrictObject json = StrictObject.read(CODE, file);
    try {
      Landscape landscape =
          new Landscape(
              json.text("name"),
              json.texts("axes"),
              json.objects("points").stream()
                  .map(Landscape::point)
                  .collect(ImmutableList.toImmutableList()),
              json.has(SEARCHED) ? Optional.of(point(json.object(SEARCHED))) : Optional.empty());
      json.requireNothingElse();
      return landscape;
    } catch (IllegalArgumentException e) {
      throw json.failure(e.getMessage());
    }
  }

  private static Point point(StrictObject json) {
    Point point = new Point(json.numbers("weights"), json.number("loss"), json.integer("seed"));
    json.requireNothingElse();
    return point;
  }

  /**
   * Writes a JSON file; equal landscapes give equal bytes.
   *
   * @throws ManticoreException {@code MNT-WRITE} if it cannot be written
   */
  public void write(Path file) {
    AtomicFiles.writeString(file, PrettyJson.text(json()));
  }

  /** As {@link #write} writes it. */
  public ObjectNode json() {
    ObjectNode json = JsonNodeFactory.instance.objectNode().put("name", name);
    axes.forEach(json.putArray("axes")::add);
    json.putArray("points").addAll(points.stream().map(Landscape::json).toList());
    searched.ifPresent(point -> json.set(SEARCHED, json(point)));
    return json;
  }

  private static ObjectNode json(Point point) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    point.weights().forEach(json.putArray("weights")::add);
    return json.put("loss", point.loss()).put("seed", point.seed());
  }

  /**
   * Reads a CSV file of {@link #writeCsv}.
   *
   * @param name what it is the landscape of, which the file does not say
   * @throws ManticoreException {@code MNT-LANDSCAPE} if it cannot be read or is not a landscape
   */
  public static Landscape readCsv(String name, Path file) {
    try {
      ImmutableList<ImmutableList<String>> rows = Csv.rows(Files.readString(file));
      ImmutableList<String> head = rows.isEmpty() ? ImmutableList.of() : rows.get(0);
      int dimensions = head.size() - COLUMNS.size();
      if (dimensions < 1 || !head.subList(dimensions, head.size()).equals(COLUMNS)) {
        throw new IllegalArgumentException(
            "the columns must be one or two axes and " + String.join(", ", COLUMNS));
      }
      ImmutableList.Builder<Point> points = ImmutableList.builder();
      Optional<Point> searched = Optional.empty();
      for (int i = 1; i < rows.size(); i++) {
        Point point = point(rows.get(i), i, dimensions);
        String kind = rows.get(i).get(dimensions + 2);
        if (kind.equals(SEARCHED)) {
          searched = Optional.of(point);
        } else if (kind.equals(GRID)) {
          points.add(point);
        } else {
          throw new IllegalArgumentException(
              "row " + i + ": a point is '" + GRID + "' or '" + SEARCHED + "'");
        }
      }
      return new Landscape(name, head.subList(0, dimensions), points.build(), searched);
    } catch (IOException | IllegalArgumentException e) {
      throw new ManticoreException(
          CODE, file + " cannot be read as a landscape: " + e.getMessage(), e);
    }
  }

  private static Point point(ImmutableList<String> row, int index, int dimensions) {
    if (row.size() != dimensions + COLUMNS.size()) {
      throw new IllegalArgumentException("row " + index + " has " + row.size() + " values");
    }
    ImmutableList.Builder<Double> weights = ImmutableList.builder();
    for (int i = 0; i < dimensions; i++) {
      weights.add(number(row.get(i), index));
    }
    Integer seed = Ints.tryParse(row.get(dimensions + 1));
    if (seed == null) {
      throw new IllegalArgumentException("row " + index + ": the seed is not a whole number");
    }
    return new Point(weights.build(), number(row.get(dimensions), index), seed);
  }

  private static double number(String text, int index) {
    Double number = Doubles.tryParse(text);
    if (number == null) {
      throw new IllegalArgumentException("row " + index + ": '" + text + "' is not a number");
    }
    return number;
  }

  /**
   * Writes a CSV file: a column for each axis, then the loss, the seed, and whether the point is of
   * the grid or the searched one.
   *
   * @throws ManticoreException {@code MNT-WRITE} if it cannot be written
   */
  public void writeCsv(Path file) {
    Csv csv = new Csv();
    csv.row(ImmutableList.<Object>builder().addAll(axes).addAll(COLUMNS).build());
    points.forEach(point -> csv.row(row(point, GRID)));
    searched.ifPresent(point -> csv.row(row(point, SEARCHED)));
    AtomicFiles.writeString(file, csv.toString());
  }

  private static List<Object> row(Point point, String kind) {
    return ImmutableList.<Object>builder()
        .addAll(point.weights())
        .add(point.loss(), point.seed(), kind)
        .build();
  }
}
