package dev.manticore.ir.lift;

import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedMap;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The table of lifting: for an operator, the versions in which nodes written before need another
 * form, and that form. Versions that only accept more, other element types for one, are not in it.
 * The facts are those of the operators' specifications and their changes.
 */
final class VersionAdapters {

  private static final String COORDINATES = "coordinate_transformation_mode";

  private static final String ELEMENTWISE =
      "Abs Add Ceil Clip Div Dropout Elu Exp Floor HardSigmoid InstanceNormalization LeakyRelu Log"
          + " Max Mean Min Mul Neg PRelu Reciprocal Relu Selu Sigmoid Sqrt Sub Sum Tanh"
          + " BatchNormalization";

  private static final String REDUCTIONS =
      "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd"
          + " ReduceSumSquare";

  /** The operators that version {@link OpId#OPSET} has, without those it deprecates. */
  private static final ImmutableSet<String> STANDARD =
      names(
          "Abs Acos Acosh Add AffineGrid And ArgMax ArgMin Asin Asinh Atan Atanh Attention"
              + " AveragePool BatchNormalization Bernoulli BitShift BitwiseAnd BitwiseNot BitwiseOr"
              + " BitwiseXor BlackmanWindow Cast CastLike Ceil Celu CenterCropPad Clip Col2Im"
              + " Compress Concat ConcatFromSequence Constant ConstantOfShape Conv ConvInteger"
              + " ConvTranspose Cos Cosh CumSum DFT DeformConv DepthToSpace DequantizeLinear Det"
              + " Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp Expand EyeLike Flatten"
              + " Floor GRU Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool"
              + " GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HammingWindow"
              + " HannWindow HardSigmoid HardSwish Hardmax Identity If ImageDecoder"
              + " InstanceNormalization IsInf IsNaN LRN LSTM LayerNormalization LeakyRelu Less"
              + " LessOrEqual Log LogSoftmax Loop LpNormalization LpPool MatMul MatMulInteger Max"
              + " MaxPool MaxRoiPool MaxUnpool Mean MeanVarianceNormalization MelWeightMatrix Min"
              + " Mish Mod Mul Multinomial Neg NegativeLogLikelihoodLoss NonMaxSuppression NonZero"
              + " Not OneHot Optional OptionalGetElement OptionalHasElement Or PRelu Pad Pow"
              + " QLinearConv QLinearMatMul QuantizeLinear RMSNormalization RNN RandomNormal"
              + " RandomNormalLike RandomUniform RandomUniformLike Range Reciprocal ReduceL1"
              + " ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd"
              + " ReduceSum ReduceSumSquare RegexFullMatch Relu Reshape Resize ReverseSequence"
              + " RoiAlign RotaryEmbedding Round STFT Scan ScatterElements ScatterND Selu SequenceAt"
              + " SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength"
              + " SequenceMap Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax"
              + " SoftmaxCrossEntropyLoss Softplus Softsign SpaceToDepth Split SplitToSequence Sqrt"
              + " Squeeze StringConcat StringNormalizer StringSplit Sub Sum Tan Tanh"
              + " TfIdfVectorizer ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze Where"
              + " Xor");

  private static final ImmutableMap<String, ImmutableSortedMap<Integer, VersionAdapter>> TABLE =
      new Table()
          .at(2, "Pad", rename("paddings", "pads"))
          .at(2, "LpPool GlobalLpPool", VersionAdapters::integralNorm)
          .at(2, "Split", VersionAdapters::splitWithoutOperand)
          .at(4, "Concat", (ops, node) -> withDefault(node, "axis", 1))
          .at(5, "Reshape", attributeToInput("shape", 1))
          .at(6, ELEMENTWISE, without("consumed_inputs"))
          .at(6, "Cast", VersionAdapters::castByNumber)
          .at(6, "Selu", VersionAdapters::seluDefaults)
          .at(6, "Tile", refuse("tiles and an axis are operands that only that version has"))
          .at(7, "Add Sub Mul Div Pow And Or Xor Equal Greater Less", VersionAdapters::broadcast)
          .at(7, "Gemm", without("broadcast"))
          .at(7, "PRelu", VersionAdapters::slopeOfChannels)
          .at(7, "BatchNormalization", VersionAdapters::tested)
          .at(7, "Dropout", VersionAdapters::tested)
          .at(7, "RNN GRU LSTM", VersionAdapters::optionalSequence)
          .at(7, "Upsample", VersionAdapters::scalesOfImage)
          .at(9, "BatchNormalization", VersionAdapters::spatial)
          .at(9, "Scan", VersionAdapters::scanWithoutBatch)
          .at(9, "Upsample", VersionAdapters::scalesAsInput)
          .at(10, "Upsample", VersionAdapters::resizeFromUpsample)
          .at(10, "Slice", VersionAdapters::sliceByInputs)
          .at(10, "TopK", VersionAdapters::countAsInput)
          .at(10, "Dropout", VersionAdapters::maskOfBooleans)
          .at(11, "Clip", VersionAdapters::clipByInputs)
          .at(11, "Pad", VersionAdapters::padByInputs)
          .at(11, "Resize", VersionAdapters::resizeWithRegion)
          .at(11, "Scatter", VersionAdapters::scatterElements)
          .at(12, "Dropout", VersionAdapters::ratioAsInput)
          .at(13, "Squeeze Unsqueeze ReduceSum", attributeToInput("axes", 1))
          .at(13, "Split", attributeToInput("split", 1))
          .at(13, "Softmax LogSoftmax Hardmax", VersionAdapters::alongOneAxis)
          .at(13, "Resize", VersionAdapters::resizeByOneOperand)
          .at(14, "BatchNormalization", VersionAdapters::trainingMode)
          .at(16, "RoiAlign", (ops, node) -> withDefault(node, COORDINATES, "output_half_pixel"))
          .at(18, REDUCTIONS, attributeToInput("axes", 1))
          .at(18, "Split", VersionAdapters::numberOfParts)
          .at(20, "DFT", VersionAdapters::transformAxisAsInput)
          .at(20, "GridSample", VersionAdapters::interpolationNames)
          .at(21, "GroupNormalization", VersionAdapters::scalePerChannel)
          .build();

  private VersionAdapters() {}

  /** The changes of an operator, by version. */
  static ImmutableSortedMap<Integer, VersionAdapter> of(OpId op) {
    return TABLE.getOrDefault(op.name(), ImmutableSortedMap.of());
  }

  static boolean isStandard(OpId op) {
    return STANDARD.contains(op.name());
  }

  private static ImmutableSet<String> names(String spaced) {
    return ImmutableSet.copyOf(Splitter.on(' ').split(spaced));
  }

  /** Collects the table; of several changes in one version all apply. */
  private static final class Table {
    private final Map<String, SortedMap<Integer, VersionAdapter>> entries = new LinkedHashMap<>();

    Table at(int version, String operators, VersionAdapter adapter) {
      for (String operator : names(operators)) {
        entries
            .computeIfAbsent(operator, name -> new TreeMap<>())
            .merge(
                version,
                adapter,
                (first, second) -> (ops, node) -> second.adapt(ops, first.adapt(ops, node)));
      }
      return this;
    }

    ImmutableMap<String, ImmutableSortedMap<Integer, VersionAdapter>> build() {
      ImmutableMap.Builder<String, ImmutableSortedMap<Integer, VersionAdapter>> table =
          ImmutableMap.builder();
      entries.forEach((name, changes) -> table.put(name, ImmutableSortedMap.copyOf(changes)));
      return table.buildOrThrow();
    }
  }

  // ---- forms that many operators share

  private static VersionAdapter refuse(String why) {
    return (ops, node) -> {
      throw new IrException(why);
    };
  }

  private static VersionAdapter without(String attribute) {
    return (ops, node) -> with(node, node.attributes().without(attribute));
  }

  private static VersionAdapter rename(String from, String to) {
    return (ops, node) -> {
      Attribute value = node.attributes().values().get(from);
      return value == null ? node : with(node, node.attributes().without(from).with(to, value));
    };
  }

  /** A list of integers becomes an operand; an empty one means the same as none. */
  private static VersionAdapter attributeToInput(String attribute, int index) {
    return (ops, node) -> {
      Attributes rest = node.attributes().without(attribute);
      long[] values = node.attributes().intValues(attribute);
      return values.length == 0
          ? with(node, rest)
          : with(withInput(node, index, ops.ints(values)), rest);
    };
  }

  private static Node withDefault(Node node, String attribute, long value) {
    return node.attributes().has(attribute)
        ? node
        : with(node, node.attributes().with(attribute, value));
  }

  private static Node withDefault(Node node, String attribute, String value) {
    return node.attributes().has(attribute)
        ? node
        : with(node, node.attributes().with(attribute, Attribute.of(value)));
  }

  private static Node with(Node node, Attributes attributes) {
    return attributes.equals(node.attributes())
        ? node
        : new Node(
            node.op(), node.name(), attributes, node.inputs(), node.outputs(), node.origin());
  }

  private static Node withInput(Node node, int index, Value value) {
    List<Optional<Value>> inputs = new ArrayList<>(node.inputs());
    while (inputs.size() <= index) {
      inputs.add(Optional.empty());
    }
    inputs.set(index, Optional.of(value));
    return withInputs(node, inputs);
  }

  /** Absent inputs at the end are left out. */
  private static Node withInputs(Node node, List<Optional<Value>> inputs) {
    int count = inputs.size();
    while (count > 0 && inputs.get(count - 1).isEmpty()) {
      count--;
    }
    return new Node(
        node.op(),
        node.name(),
        node.attributes(),
        ImmutableList.copyOf(inputs.subList(0, count)),
        node.outputs(),
        node.origin());
  }

  private static Node withOutputs(Node node, List<Optional<Value>> outputs) {
    return new Node(
        node.op(),
        node.name(),
        node.attributes(),
        node.inputs(),
        ImmutableList.copyOf(outputs),
        node.origin());
  }

  /** Another operator, of the version lifted to, that gives the node's outputs. */
  private static Node replace(
      Node node, String operator, Attributes attributes, List<Optional<Value>> inputs) {
    return withInputs(
        new Node(
            OpId.onnx(operator),
            node.name(),
            attributes,
            node.inputs(),
            node.outputs(),
            node.origin()),
        inputs);
  }

  // ---- up to version 7

  private static Node integralNorm(Ops ops, Node node) {
    return node.attributes().has("p")
        ? with(node, node.attributes().with("p", (long) node.attributes().floatValue("p", 2)))
        : node;
  }

  private static Node splitWithoutOperand(Ops ops, Node node) {
    if (node.hasInput(1)) {
      throw new IrException("the extents of its parts are an operand, which version 2 took away");
    }
    return node;
  }

  private static Node castByNumber(Ops ops, Node node) {
    String name = node.attributes().stringValue("to", "");
    ElementType type =
        switch (name) {
          case "FLOAT" -> ElementType.FLOAT32;
          case "DOUBLE" -> ElementType.FLOAT64;
          default ->
              Arrays.stream(ElementType.values())
                  .filter(candidate -> candidate.name().equals(name))
                  .findFirst()
                  .orElseThrow(() -> new IrException("'" + name + "' is no element type"));
        };
    return with(node, node.attributes().with("to", type.onnxNumber()));
  }

  /** Version 1 has these to four decimals only. */
  private static Node seluDefaults(Ops ops, Node node) {
    Attributes attributes = node.attributes();
    return with(
        node,
        attributes
            .with("alpha", Attribute.of(attributes.floatValue("alpha", 1.6732f)))
            .with("gamma", Attribute.of(attributes.floatValue("gamma", 1.0507f))));
  }

  /** The second operand was laid along an axis of the first; it is aligned with the last ones. */
  private static Node broadcast(Ops ops, Node node) {
    Attributes attributes = node.attributes();
    Node plain = with(node, attributes.without("broadcast").without("axis"));
    if (attributes.intValue("broadcast", 0) == 0 || !attributes.has("axis")) {
      return plain;
    }
    int rank = rank(node.input(0));
    long axis = attributes.intValue("axis", 0);
    int first = (int) (axis < 0 ? axis + rank : axis);
    return withInput(plain, 1, trailingOnes(ops, node.input(1), rank - first));
  }

  private static Node slopeOfChannels(Ops ops, Node node) {
    Value slope = node.input(1);
    boolean single = slope.shape().isStatic() && slope.shape().elementCount() == 1;
    return single ? node : withInput(node, 1, trailingOnes(ops, slope, rank(node.input(0)) - 1));
  }

  private static int rank(Value value) {
    if (!value.shape().isRanked()) {
      throw new IrException("the rank of " + value + " is not known");
    }
    return value.shape().rank();
  }

  private static Value trailingOnes(Ops ops, Value value, int wanted) {
    int rank = rank(value);
    if (wanted <= rank) {
      return value;
    }
    long[] axes = new long[wanted - rank];
    Arrays.setAll(axes, i -> rank + i);
    return ops.unsqueeze(value, axes);
  }

  /** Before, a node trained unless it said that it was to be tested. */
  private static Node tested(Ops ops, Node node) {
    if (node.attributes().intValue("is_test", 0) == 0) {
      throw new IrException("its attribute 'is_test' is 0, and so it is meant for training");
    }
    return with(node, node.attributes().without("is_test"));
  }

  private static Node optionalSequence(Ops ops, Node node) {
    if (node.hasOutput(0)
        && node.attributes().has("output_sequence")
        && node.attributes().intValue("output_sequence", 0) == 0) {
      throw new IrException("its first output is there, but 'output_sequence' is 0");
    }
    return with(node, node.attributes().without("output_sequence"));
  }

  private static Node scalesOfImage(Ops ops, Node node) {
    float height = node.attributes().floatValue("height_scale", 1);
    float width = node.attributes().floatValue("width_scale", 1);
    String mode = node.attributes().stringValue("mode", "nearest");
    return with(
        node,
        Attributes.of("scales", Attribute.ofFloats(1, 1, height, width))
            .with("mode", Attribute.of(mode.equals("bilinear") ? "linear" : mode)));
  }

  // ---- 8 to 12

  private static Node spatial(Ops ops, Node node) {
    if (node.attributes().intValue("spatial", 1) == 0) {
      throw new IrException("its attribute 'spatial' is 0, which no later version has");
    }
    return with(node, node.attributes().without("spatial"));
  }

  private static Node scalesAsInput(Ops ops, Node node) {
    Attribute scales = node.attributes().values().get("scales");
    if (!(scales instanceof Attribute.FloatsValue floats)) {
      throw new IrException("its attribute 'scales' should be a list of floats but is " + scales);
    }
    Tensor tensor = Tensor.ofFloats(Shape.of(floats.values().size()), floats.toArray());
    return with(
        withInput(node, 1, ops.editor().constant("scales", tensor)),
        node.attributes().without("scales"));
  }

  private static Node resizeFromUpsample(Ops ops, Node node) {
    return replace(
        node,
        "Resize",
        resizing(node.attributes(), "floor"),
        List.of(Optional.of(node.input(0)), Optional.empty(), Optional.of(node.input(1))));
  }

  private static Attributes resizing(Attributes attributes, String nearest) {
    return attributes
        .with(COORDINATES, Attribute.of("asymmetric"))
        .with("nearest_mode", Attribute.of(nearest));
  }

  private static Node resizeWithRegion(Ops ops, Node node) {
    Attributes attributes = node.attributes();
    if (attributes.stringValue("mode", "nearest").equals("nearest")) {
      // Such a node takes the element below where it enlarges and the one above where it shrinks.
      double[] scales =
          ops.editor()
              .constantOf(node.input(1))
              .map(Tensor::toDoubles)
              .orElseThrow(() -> new IrException("its scales are not constant"));
      boolean enlarges = Arrays.stream(scales).allMatch(scale -> scale >= 1);
      if (!enlarges && Arrays.stream(scales).anyMatch(scale -> scale > 1)) {
        throw new IrException("it enlarges some axes and shrinks others");
      }
      attributes = resizing(attributes, enlarges ? "floor" : "ceil");
    } else {
      attributes = attributes.with(COORDINATES, Attribute.of("asymmetric"));
    }
    return withInputs(
        with(node, attributes),
        List.of(Optional.of(node.input(0)), Optional.empty(), Optional.of(node.input(1))));
  }

  private static Node sliceByInputs(Ops ops, Node node) {
    Attributes attributes = node.attributes();
    Node sliced = withInput(node, 1, ops.ints(attributes.intValues("starts")));
    sliced = withInput(sliced, 2, ops.ints(attributes.intValues("ends")));
    if (attributes.has("axes")) {
      sliced = withInput(sliced, 3, ops.ints(attributes.intValues("axes")));
    }
    return with(sliced, attributes.without("starts").without("ends").without("axes"));
  }

  private static Node countAsInput(Ops ops, Node node) {
    return with(
        withInput(node, 1, ops.ints(node.attributes().intValue("k", 0))),
        node.attributes().without("k"));
  }

  /** The mask had the type of the data; nothing is dropped, and so it is all ones. */
  private static Node maskOfBooleans(Ops ops, Node node) {
    if (!node.hasOutput(1)) {
      return node;
    }
    Value numbers = node.output(1);
    GraphEditor editor = ops.editor();
    Value mask =
        new Value(
            editor.freshName(numbers.name()), numbers.type().withElementType(ElementType.BOOL));
    editor.addNode(
        Node.of(
            OpId.onnx("Cast"),
            numbers.name(),
            Attributes.of("to", numbers.elementType().onnxNumber()),
            List.of(mask),
            List.of(numbers)));
    return withOutputs(node, List.of(node.outputs().get(0), Optional.of(mask)));
  }

  /** The bounds have defaults, which cut off infinities. */
  private static Node clipByInputs(Ops ops, Node node) {
    Attributes attributes = node.attributes();
    ElementType type = node.input(0).elementType();
    Value least = ops.scalar(type, attributes.floatValue("min", -Float.MAX_VALUE));
    Value most = ops.scalar(type, attributes.floatValue("max", Float.MAX_VALUE));
    return with(
        withInput(withInput(node, 1, least), 2, most), attributes.without("min").without("max"));
  }

  private static Node padByInputs(Ops ops, Node node) {
    Attributes attributes = node.attributes();
    Node padded = withInput(node, 1, ops.ints(attributes.intValues("pads")));
    if (attributes.has("value")) {
      Value fill = ops.scalar(node.input(0).elementType(), attributes.floatValue("value", 0));
      padded = withInput(padded, 2, fill);
    }
    return with(padded, attributes.without("pads").without("value"));
  }

  private static Node scatterElements(Ops ops, Node node) {
    return replace(node, "ScatterElements", node.attributes(), node.inputs());
  }

  private static Node ratioAsInput(Ops ops, Node node) {
    return with(
        withInput(
            node, 1, ops.scalar(ElementType.FLOAT32, node.attributes().floatValue("ratio", 0.5f))),
        node.attributes().without("ratio"));
  }

  /**
   * Version 8 scans every element of a batch by itself, along axis 1: a scan over the batch whose
   * body is the scan over the sequence.
   */
  private static Node scanWithoutBatch(Ops ops, Node node) {
    if (node.hasInput(0)) {
      throw new IrException("its sequences have lengths of their own");
    }
    List<Optional<Value>> operands = node.inputs().subList(1, node.inputs().size());
    Graph body = node.attributes().graph("body");
    Attributes inner =
        Attributes.of("body", Attribute.of(body))
            .with("num_scan_inputs", node.attributes().intValue("num_scan_inputs", 0));
    Attribute directions = node.attributes().values().get("directions");
    if (directions != null) {
      inner = inner.with("scan_input_directions", directions);
    }
    GraphEditor editor = ops.editor().subgraph(body.name() + ".batch");
    List<Optional<Value>> elements = new ArrayList<>();
    for (Optional<Value> operand : operands) {
      TensorType type = operand.orElseThrow().type();
      Shape shape = type.shape();
      elements.add(
          Optional.of(
              editor.freshInput(
                  operand.get().name(),
                  type.withShape(
                      shape.isRanked() && shape.rank() > 0
                          ? Shape.of(shape.dims().subList(1, shape.rank()))
                          : Shape.unranked()))));
    }
    editor
        .add(OpId.onnx("Scan"), node.name(), inner, elements, body.outputs().size())
        .forEach(editor::output);
    return replace(
        node,
        "Scan",
        Attributes.of("body", Attribute.of(editor.freeze()))
            .with("num_scan_inputs", operands.size()),
        operands);
  }

  // ---- 13 and later

  /** Before, all axes from one on were taken as one. */
  private static Node alongOneAxis(Ops ops, Node node) {
    Value input = node.input(0);
    long axis = node.attributes().intValue("axis", 1);
    Shape shape = input.shape();
    if (axis == -1 || shape.isRanked() && axis == shape.rank() - 1) {
      return with(node, node.attributes().with("axis", -1));
    }
    Value rows = ops.onnx("Flatten", Attributes.of("axis", axis), input);
    Value result = ops.onnx(node.op().name(), Attributes.of("axis", -1), rows);
    return replace(
        node,
        "Reshape",
        Attributes.of("allowzero", 1),
        List.of(Optional.of(result), Optional.of(ops.shapeOf(input))));
  }

  /** Before, operands that did not matter were there but empty. */
  private static Node resizeByOneOperand(Ops ops, Node node) {
    String coordinates = node.attributes().stringValue(COORDINATES, "half_pixel");
    if (coordinates.equals("tf_half_pixel_for_nn")) {
      throw new IrException("its '" + COORDINATES + "' is one that no later version has");
    }
    List<Optional<Value>> inputs = new ArrayList<>(node.inputs());
    if (!coordinates.equals("tf_crop_and_resize")) {
      inputs.set(1, Optional.empty());
    }
    if (node.hasInput(3)) {
      inputs.set(2, Optional.empty());
    }
    return withInputs(node, inputs);
  }

  /** Before, a node with outputs besides the first one trained. */
  private static Node trainingMode(Ops ops, Node node) {
    if (node.hasOutput(3) || node.hasOutput(4)) {
      throw new IrException("it saves the mean or variance of its batch, which no later one gives");
    }
    List<Optional<Value>> outputs = node.outputs().subList(0, Math.min(3, node.outputs().size()));
    return node.hasOutput(1) || node.hasOutput(2)
        ? with(withOutputs(node, outputs), node.attributes().with("training_mode", 1))
        : withOutputs(node, outputs.subList(0, 1));
  }

  private static Node numberOfParts(Ops ops, Node node) {
    return node.hasInput(1)
        ? node
        : with(node, node.attributes().with("num_outputs", node.outputs().size()));
  }

  private static Node transformAxisAsInput(Ops ops, Node node) {
    Value axis = ops.scalar(ElementType.INT64, node.attributes().intValue("axis", 1));
    return with(withInput(node, 2, axis), node.attributes().without("axis"));
  }

  private static Node interpolationNames(Ops ops, Node node) {
    String mode =
        switch (node.attributes().stringValue("mode", "bilinear")) {
          case "bilinear" -> "linear";
          case "bicubic" -> "cubic";
          default -> node.attributes().stringValue("mode", "");
        };
    return with(node, node.attributes().with("mode", Attribute.of(mode)));
  }

  /** Before, a group's channels shared one scale and one bias. */
  private static Node scalePerChannel(Ops ops, Node node) {
    long groups = node.attributes().intValue("num_groups", 1);
    Value repeats =
        ops.concat(0, ops.ints(1), ops.div(ops.shapeOf(node.input(0), 1, 2), ops.ints(groups)));
    Node lifted = node;
    for (int index = 1; index <= 2; index++) {
      Value column = ops.unsqueeze(node.input(index), 1);
      lifted = withInput(lifted, index, ops.reshape(ops.onnx("Tile", column, repeats), -1));
    }
    return lifted;
  }
}
