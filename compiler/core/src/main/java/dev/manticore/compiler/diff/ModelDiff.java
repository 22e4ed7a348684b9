package dev.manticore.compiler.diff;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.compiler.verify.Subject;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.compare.GraphComparison;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.lift.Lift;
import dev.manticore.ir.op.NdArray;
import dev.manticore.ir.pass.InlineBodies;
import dev.manticore.ir.pass.Specialise;
import dev.manticore.ir.rewrite.Canonicalise;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

/**
 * Compares two models: brings both to their normal form and, where that differs, runs both on the
 * same random inputs. Models are small enough for the interpreter, in double precision, up to
 * {@link #INTERPRETED} numbers; beyond that ONNX Runtime runs them.
 */
public final class ModelDiff {

  /** Numbers in the parameters of the largest model that is interpreted. */
  private static final long INTERPRETED = 4L << 20;

  private static final int SAMPLES = 3;

  /** Extents of symbolic dimensions in the samples: few positions, then more. */
  private static final long[] BATCHES = {1, 2, 3};

  private static final long[] LENGTHS = {5, 11, 16};

  private final Device device;
  private final double tolerance;

  /**
   * @param device what runs models that are too large to be interpreted
   * @param tolerance the largest difference of results that are equal, relative to the largest
   *     result
   */
  public ModelDiff(Device device, double tolerance) {
    this.device = device;
    this.tolerance = tolerance;
  }

  /**
   * The graph of a model: a checkpoint directory, an {@code .onnx} file, a {@code .hir} text or a
   * {@code hybrid.json}.
   *
   * @param components the directory of a hybrid's components
   * @throws ManticoreException if it is none of them, or cannot be read
   */
  public static Graph read(Path model, Optional<Path> components) {
    return model.toString().endsWith(".json")
        ? Subject.load(model, components).graph()
        : ModelFiles.read(model);
  }

  /** A graph in normal form, or as it is where it cannot be lifted. */
  private record Normal(Graph graph, Optional<String> obstacle) {

    static Normal of(Graph graph) {
      Lift.Result lifted = Lift.attempt(graph);
      return lifted.obstacle().isPresent()
          ? new Normal(graph, lifted.obstacle())
          : new Normal(new Canonicalise().run(lifted.graph()), Optional.empty());
    }

    /** With our own operators written as what they stand for. */
    Normal inlined() {
      Graph inlined =
          obstacle.isPresent()
              ? graph
              : InlineBodies.of(op -> op.domain().equals(OpId.MANTICORE)).run(graph);
      return inlined == graph ? this : of(inlined);
    }
  }

  /**
   * Compares two models.
   *
   * @throws ManticoreException if an operator that both must be run for is not known
   */
  public DiffResult compare(Graph first, Graph second) {
    Normal one = Normal.of(first);
    Normal other = Normal.of(second);
    GraphComparison comparison = structure(one, other);
    List<String> notes = new ArrayList<>();
    one.obstacle().ifPresent(obstacle -> notes.add("the first model: " + obstacle));
    other.obstacle().ifPresent(obstacle -> notes.add("the second model: " + obstacle));
    if (comparison.same()) {
      return result(
          DiffResult.Verdict.SAME_NORMAL_FORM, one, other, comparison, notes, Numbers.NONE);
    }
    Optional<String> mismatch = mismatch(first, second);
    if (mismatch.isPresent()) {
      notes.add(mismatch.get());
      return result(DiffResult.Verdict.DIFFERENT, one, other, comparison, notes, Numbers.NONE);
    }
    Numbers numbers = run(first, second);
    return result(
        numbers.largestDifference() <= tolerance * numbers.largestValue()
            ? DiffResult.Verdict.EQUAL_ON_SAMPLES
            : DiffResult.Verdict.DIFFERENT,
        one,
        other,
        comparison,
        notes,
        numbers);
  }

  /** Compares the normal forms of two models, without running them. */
  public static GraphComparison structure(Graph first, Graph second) {
    return structure(Normal.of(first), Normal.of(second));
  }

  private static GraphComparison structure(Normal one, Normal other) {
    GraphComparison comparison = GraphComparison.of(one.graph(), other.graph());
    Normal inlinedOne = one.inlined();
    Normal inlinedOther = other.inlined();
    if (comparison.same() || inlinedOne == one && inlinedOther == other) {
      return comparison;
    }
    GraphComparison inlined = GraphComparison.of(inlinedOne.graph(), inlinedOther.graph());
    return inlined.same() ? inlined : comparison;
  }

  private static DiffResult result(
      DiffResult.Verdict verdict,
      Normal one,
      Normal other,
      GraphComparison comparison,
      List<String> notes,
      Numbers numbers) {
    return new DiffResult(
        verdict,
        one.graph().nodes().size(),
        other.graph().nodes().size(),
        comparison.places(),
        comparison.parameters(),
        comparison.operators(),
        ImmutableList.copyOf(notes),
        numbers.samples(),
        numbers.largestDifference(),
        numbers.largestValue());
  }

  /** Why two models cannot be run on the same inputs. */
  private static Optional<String> mismatch(Graph first, Graph second) {
    if (first.inputs().size() != second.inputs().size()) {
      return Optional.of(
          "one model has "
              + first.inputs().size()
              + " inputs, the other "
              + second.inputs().size());
    }
    for (int i = 0; i < first.inputs().size(); i++) {
      Value one = first.inputs().get(i);
      Value other = second.inputs().get(i);
      boolean alike =
          one.isTensor()
              && other.isTensor()
              && one.elementType() == other.elementType()
              && one.shape().isRanked()
              && other.shape().isRanked()
              && one.shape().rank() == other.shape().rank();
      if (!alike) {
        return Optional.of("inputs " + one + " and " + other + " do not correspond");
      }
    }
    return first.outputs().size() == second.outputs().size()
        ? Optional.empty()
        : Optional.of(
            "one model has "
                + first.outputs().size()
                + " outputs, the other "
                + second.outputs().size());
  }

  private record Numbers(int samples, double largestDifference, double largestValue) {
    static final Numbers NONE = new Numbers(0, 0, 0);
  }

  private Numbers run(Graph first, Graph second) {
    long bound = Math.min(indexBound(first), indexBound(second));
    double largestDifference = 0;
    double largestValue = 0;
    for (int sample = 0; sample < SAMPLES; sample++) {
      List<Tensor> inputs = inputs(first, second, sample, bound);
      List<Tensor> one = run(first, inputs);
      List<Tensor> other = run(second, inputs);
      for (int i = 0; i < one.size(); i++) {
        if (!one.get(i).shape().equals(other.get(i).shape())) {
          return new Numbers(sample + 1, Double.POSITIVE_INFINITY, largestValue);
        }
        double[] a = one.get(i).toDoubles();
        double[] b = other.get(i).toDoubles();
        for (int j = 0; j < a.length; j++) {
          double difference = a[j] == b[j] ? 0 : Math.abs(a[j] - b[j]);
          largestDifference =
              Double.isNaN(difference)
                  ? Double.POSITIVE_INFINITY
                  : Math.max(largestDifference, difference);
          largestValue = Math.max(largestValue, Math.abs(a[j]));
        }
      }
    }
    return new Numbers(SAMPLES, largestDifference, largestValue);
  }

  /** Rows of the smallest table that an integer input chooses rows of. */
  private static long indexBound(Graph graph) {
    long bound = Long.MAX_VALUE;
    for (Node node : graph.nodes()) {
      if (node.op().isOnnx("Gather")
          && graph.parameters().containsKey(node.input(0))
          && readsInput(graph, node.input(1))) {
        int axis = (int) node.attributes().intValue("axis", 0);
        bound = Math.min(bound, node.input(0).shape().dim(axis).extent());
      }
    }
    return bound == Long.MAX_VALUE ? 2 : bound;
  }

  /** Whether a value is an input, at most cast or reshaped. */
  private static boolean readsInput(Graph graph, Value value) {
    Value read = value;
    Optional<Node> made = graph.producer(read);
    while (made.isPresent()
        && List.of("Cast", "Reshape", "Identity").contains(made.get().op().name())) {
      read = made.get().input(0);
      made = graph.producer(read);
    }
    return graph.inputs().contains(read);
  }

  private static List<Tensor> inputs(Graph first, Graph second, int sample, long bound) {
    Random random = new Random(sample);
    Map<String, Long> extents = new LinkedHashMap<>();
    List<Tensor> inputs = new ArrayList<>();
    for (int i = 0; i < first.inputs().size(); i++) {
      Value input = first.inputs().get(i);
      Shape other = second.inputs().get(i).shape();
      long[] shape = new long[input.shape().rank()];
      for (int axis = 0; axis < shape.length; axis++) {
        shape[axis] = extent(input.shape().dim(axis), other.dim(axis), axis, sample, extents);
      }
      ElementType type = input.elementType();
      double[] values = new double[Math.toIntExact(Shape.of(shape).elementCount())];
      for (int j = 0; j < values.length; j++) {
        values[j] =
            type.isFloating()
                ? random.nextGaussian()
                : type == ElementType.BOOL
                    ? random.nextInt(2)
                    : random.nextInt((int) Math.min(bound, Integer.MAX_VALUE));
      }
      inputs.add(Tensor.ofDoubles(type, Shape.of(shape), values));
    }
    return inputs;
  }

  /** Symbols of one name have one extent; the first axis is a batch. */
  private static long extent(
      Dim first, Dim second, int axis, int sample, Map<String, Long> extents) {
    if (first.isKnown()) {
      return first.extent();
    }
    if (second.isKnown()) {
      return second.extent();
    }
    long chosen = axis == 0 ? BATCHES[sample] : LENGTHS[sample];
    return first instanceof Dim.Symbolic symbol
        ? extents.computeIfAbsent(symbol.name(), name -> chosen)
        : chosen;
  }

  private List<Tensor> run(Graph graph, List<Tensor> inputs) {
    long count = graph.parameterCount();
    return count <= INTERPRETED ? interpret(graph, inputs) : runByRuntime(graph, inputs);
  }

  private static List<Tensor> interpret(Graph graph, List<Tensor> inputs) {
    Map<String, NdArray> named = new LinkedHashMap<>();
    for (int i = 0; i < inputs.size(); i++) {
      named.put(graph.inputs().get(i).name(), NdArray.of(inputs.get(i)));
    }
    Map<String, NdArray> outputs = new Interpreter().run(graph, named);
    return graph.outputs().stream()
        .map(output -> outputs.get(output.name()))
        .map(array -> array.withElementType(ElementType.FLOAT64).toTensor())
        .toList();
  }

  private List<Tensor> runByRuntime(Graph graph, List<Tensor> inputs) {
    Map<String, Long> extents = new LinkedHashMap<>();
    Map<String, Tensor> named = new LinkedHashMap<>();
    for (int i = 0; i < inputs.size(); i++) {
      Value input = graph.inputs().get(i);
      named.put(input.name(), inputs.get(i));
      for (int axis = 0; axis < input.shape().rank(); axis++) {
        if (input.shape().dim(axis) instanceof Dim.Symbolic symbol) {
          extents.put(symbol.name(), inputs.get(i).shape().dim(axis).extent());
        }
      }
    }
    Lift.Result lifted = Lift.attempt(graph);
    Graph runnable =
        lifted.obstacle().isPresent()
            ? graph
            : Lowering.portable(Specialise.of(extents).run(lifted.graph()));
    try (ModelSession session =
        ModelSession.open(device, OnnxExporter.toBytes(runnable), SessionConfig.defaults())) {
      Map<String, Tensor> outputs = session.run(named);
      return runnable.outputs().stream().map(output -> outputs.get(output.name())).toList();
    }
  }
}
