package dev.manticore.compiler.lower;

import com.google.common.collect.ImmutableSet;
import dev.manticore.compiler.decode.DecoderState;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Copies;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.Pass;
import dev.manticore.onnx.ConvertedData;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Computes in 16 bits what can be, by explicit casts, as strongly typed runtimes want it. Matrix
 * products and convolutions are computed in 16 bits, with their weights held so; what moves values
 * about, adds or multiplies them or passes them through an activation follows its operands. All
 * else stays in float32: norms, softmax, state spaces and their states, everything that a single
 * number scales, the mixture weights among it. Inputs and outputs keep their types, but for a
 * decoder's keys and values, which become 16 bits wide.
 *
 * <p>It comes before our operators of state spaces are written out, whose products would be taken
 * for others.
 */
public final class LowerPrecision implements Pass {

  private static final ImmutableSet<String> PRODUCTS = ImmutableSet.of("MatMul", "Gemm", "Conv");

  /** Those whose first operand alone carries the values. */
  private static final ImmutableSet<String> MOVEMENTS =
      ImmutableSet.of(
          "Expand",
          "Flatten",
          "Gather",
          "Identity",
          "Pad",
          "Reshape",
          "Slice",
          "Split",
          "Squeeze",
          "Tile",
          "Transpose",
          "Unsqueeze");

  private static final ImmutableSet<String> FOLLOWERS =
      ImmutableSet.of(
          "Add", "Concat", "Erf", "Gelu", "Mul", "Neg", "Relu", "Sigmoid", "Sub", "Tanh", "Where");

  /** In a training step: what ONNX Runtime's provider for CUDA computes in bfloat16. */
  private static final ImmutableSet<String> TRAINED_PRODUCTS = ImmutableSet.of("MatMul", "Gemm");

  private static final ImmutableSet<String> TRAINED_MOVEMENTS =
      ImmutableSet.of("Flatten", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze");

  private final Precision precision;
  private final ImmutableSet<String> products;
  private final ImmutableSet<String> movements;
  private final ImmutableSet<String> followers;

  /** Whether transposed values are made in the type that they are read in, whatever they are. */
  private final boolean transposesLate;

  /**
   * For a deployed graph.
   *
   * @param precision at {@link Precision#FLOAT32} nothing is changed
   */
  public LowerPrecision(Precision precision) {
    this(precision, PRODUCTS, MOVEMENTS, FOLLOWERS, false);
  }

  private LowerPrecision(
      Precision precision,
      ImmutableSet<String> products,
      ImmutableSet<String> movements,
      ImmutableSet<String> followers,
      boolean transposesLate) {
    this.precision = precision;
    this.products = products;
    this.movements = movements;
    this.followers = followers;
    this.transposesLate = transposesLate;
  }

  /**
   * For a training step, whose parameters are inputs: matrix products alone, of values cast where
   * they are read, so that parameters, gradients that are summed, and moments stay in float32.
   */
  public static LowerPrecision ofTraining(Precision precision) {
    return new LowerPrecision(
        precision, TRAINED_PRODUCTS, TRAINED_MOVEMENTS, ImmutableSet.of(), true);
  }

  @Override
  public String name() {
    return "lower-precision";
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.of();
  }

  @Override
  public Graph run(Graph graph) {
    return precision == Precision.FLOAT32 ? graph : new Casting(graph).graph();
  }

  private final class Casting {
    private final Graph graph;
    private final GraphEditor editor;
    private final Ops ops;
    private final ElementType low = precision.type();

    /** Values of the graph as they are computed, and, where they are float32, in 16 bits. */
    private final Map<Value, Value> full = new HashMap<>();

    private final Map<Value, Value> narrow = new HashMap<>();

    /**
     * Weights that are only moved about, and other values that are, by the nodes that do so: in the
     * type that they are read in.
     */
    private final Map<Value, Node> moved = new HashMap<>();

    /** Outputs that are other values under a name of their own. */
    private final Map<Value, Value> named = new HashMap<>();

    /** The values that are computed in 16 bits. */
    private final Set<Value> lowered = new HashSet<>();

    Casting(Graph graph) {
      this.graph = graph;
      this.editor = new GraphEditor(graph.name());
      this.ops = new Ops(editor);
    }

    Graph graph() {
      for (Value input : graph.inputs()) {
        if (isCache(input)) {
          TensorType type = input.type().withElementType(low);
          narrow.put(input, editor.input(input.name(), type));
          lowered.add(input);
        } else {
          editor.addInput(input);
          full.put(input, input);
        }
      }
      for (Node node : graph.nodes()) {
        editor.withOrigin(node.origin());
        if (isOutputName(node)) {
          named.put(node.output(), plain(node.input(0)));
          continue;
        }
        if (movesWeights(node) || transposesLate && node.op().isOnnx("Transpose")) {
          moved.put(node.output(), node);
        } else if (isLow(node)) {
          compute(node);
        } else {
          keep(node);
        }
      }
      for (Value output : graph.outputs()) {
        graph.producer(output).ifPresent(made -> editor.withOrigin(made.origin()));
        Value given = isCache(output) ? narrow(output) : full(output);
        editor.output(given.name().equals(output.name()) ? given : ops.named(output.name(), given));
      }
      graph.metadata().forEach(editor::metadata);
      return editor.freezeLive();
    }

    private boolean isOutputName(Node node) {
      return node.op().isOnnx("Identity") && graph.outputs().contains(node.output());
    }

    private Value plain(Value value) {
      return named.getOrDefault(value, value);
    }

    private boolean isLowered(Value value) {
      return lowered.contains(plain(value));
    }

    private boolean isCache(Value value) {
      return value.isTensor()
          && value.elementType() == ElementType.FLOAT32
          && DecoderState.isCache(value.name());
    }

    private boolean movesWeights(Node node) {
      return node.op().domain().isEmpty()
          && movements.contains(node.op().name())
          && !node.op().name().equals("Gather")
          && node.presentOutputs().size() == 1
          && hasFloats(node)
          && isWeight(node.input(0));
    }

    private boolean isWeight(Value value) {
      return graph.parameters().containsKey(value) || moved.containsKey(value);
    }

    private boolean isLow(Node node) {
      if (!node.op().domain().isEmpty() || !hasFloats(node)) {
        return false;
      }
      String name = node.op().name();
      if (products.contains(name)) {
        return true;
      }
      if (movements.contains(name)) {
        Value data = node.input(0);
        return isLowered(data) || name.equals("Gather") && isWeight(data);
      }
      return followers.contains(name) && follows(node);
    }

    private static boolean hasFloats(Node node) {
      return node.presentOutputs().stream().allMatch(Casting::isFloat)
          && node.presentInputs().stream().allMatch(Value::isTensor)
          && node.attributes().graphs().isEmpty();
    }

    private static boolean isFloat(Value value) {
      return value.isTensor() && value.elementType() == ElementType.FLOAT32;
    }

    /**
     * Something is in 16 bits, and what is not are weights along one axis: a single number may be a
     * mixture weight, and what has two axes a mask, whose numbers would not fit.
     */
    private boolean follows(Node node) {
      List<Value> floats = node.presentInputs().stream().filter(Casting::isFloat).toList();
      return floats.stream().anyMatch(this::isLowered)
          && floats.stream().allMatch(value -> isLowered(value) || isVector(value));
    }

    private boolean isVector(Value value) {
      return isWeight(value)
          && value.shape().isRanked()
          && value.shape().isStatic()
          && Arrays.stream(value.shape().extents()).filter(extent -> extent != 1).count() == 1;
    }

    /** A node in 16 bits. */
    private void compute(Node node) {
      List<Value> results = narrowed(node);
      for (int i = 0; i < node.outputs().size(); i++) {
        if (node.hasOutput(i)) {
          narrow.put(node.output(i), results.get(i));
          lowered.add(node.output(i));
        }
      }
    }

    private List<Value> narrowed(Node node) {
      List<Optional<Value>> operands = new ArrayList<>();
      for (Optional<Value> input : node.inputs()) {
        operands.add(input.map(value -> isFloat(value) ? narrow(value) : full(value)));
      }
      return editor.add(
          node.op(), node.op().name(), node.attributes(), operands, node.outputs().size());
    }

    /** A node as it is, on operands as they were. */
    private void keep(Node node) {
      Map<Value, Value> operands = new HashMap<>();
      node.reads().forEach(value -> operands.put(value, full(value)));
      Copies.copy(editor, node, operands);
      node.presentOutputs().forEach(output -> full.put(output, operands.get(output)));
    }

    private Value full(Value wanted) {
      Value value = plain(wanted);
      Value known = full.get(value);
      if (known != null) {
        return known;
      }
      if (moved.containsKey(value)) {
        keep(moved.get(value));
        return full.get(value);
      }
      Value made;
      if (graph.parameters().containsKey(value)) {
        made = parameter(value, graph.parameters().get(value));
      } else {
        made = ops.cast(narrow.get(value), ElementType.FLOAT32);
      }
      full.put(value, made);
      return made;
    }

    /** A parameter under its own name; if it is needed in both types, the second time with that. */
    private Value parameter(Value value, Tensor tensor) {
      boolean isFirst = !full.containsKey(value) && !narrow.containsKey(value);
      String name = value.name() + (isFirst ? "" : "." + tensor.elementType().text());
      return editor.parameter(name, tensor);
    }

    private Value narrow(Value wanted) {
      Value value = plain(wanted);
      Value known = narrow.get(value);
      if (known != null) {
        return known;
      }
      Tensor tensor = graph.parameters().get(value);
      Value made;
      if (moved.containsKey(value)) {
        made = narrowed(moved.get(value)).get(0);
      } else if (tensor == null) {
        made = ops.cast(full(value), low);
      } else {
        made = parameter(value, ConvertedData.convert(value.name(), tensor, low));
      }
      narrow.put(value, made);
      return made;
    }
  }
}
