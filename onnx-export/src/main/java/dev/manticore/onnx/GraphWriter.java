package dev.manticore.onnx;

import com.google.common.collect.ImmutableList;
import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.SparseTensor;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Utf8;
import dev.manticore.ir.Value;
import dev.manticore.ir.ValueType;
import dev.manticore.ir.op.Catalogue;
import dev.manticore.onnx.proto.AttributeProto;
import dev.manticore.onnx.proto.FunctionProto;
import dev.manticore.onnx.proto.GraphProto;
import dev.manticore.onnx.proto.ModelProto;
import dev.manticore.onnx.proto.NodeProto;
import dev.manticore.onnx.proto.SparseTensorProto;
import dev.manticore.onnx.proto.StringStringEntryProto;
import dev.manticore.onnx.proto.TensorAnnotation;
import dev.manticore.onnx.proto.TensorProto;
import dev.manticore.onnx.proto.ValueInfoProto;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.BiFunction;
import java.util.stream.Stream;

/** Makes the messages of one model of a graph. */
final class GraphWriter {

  /** How much is said of the values of a graph. */
  private enum Typing {
    /** No type. */
    NONE,
    /** Types of inputs and outputs, and of what lies between as far as it is known. */
    FULL,
    /**
     * Element types of a subgraph's inputs and outputs, no more: a function's body is meant for
     * operands of any shape.
     */
    ELEMENTS
  }

  private static final TensorProto NAMELESS = TensorProto.getDefaultInstance();

  private final Graph graph;
  private final BiFunction<Value, Tensor, Optional<TensorProto>> external;

  /**
   * @param external a tensor of the main graph written elsewhere; empty for one to be written into
   *     the model
   */
  GraphWriter(Graph graph, BiFunction<Value, Tensor, Optional<TensorProto>> external) {
    this.graph = graph;
    this.external = external;
  }

  ModelProto write(OnnxExporter.Options options) {
    checkVersions(graph, graph.opsets(), graph);
    ModelProto.Builder model =
        ModelProto.newBuilder()
            .setIrVersion(Math.max(options.irVersion(), irVersion(graph)))
            .setProducerName("manticore")
            .setProducerVersion(options.producerVersion())
            .setGraph(graph(graph, Typing.FULL, external));
    Map<String, Integer> opsets = new TreeMap<>(graph.opsets());
    graph.functions().forEach(function -> opsets.putIfAbsent(function.op().domain(), 1));
    opsets.forEach(
        (domain, version) -> model.addOpsetImportBuilder().setDomain(domain).setVersion(version));
    if (!graph.model().domain().isEmpty()) {
      model.setDomain(graph.model().domain());
    }
    if (graph.model().version() != 0) {
      model.setModelVersion(graph.model().version());
    }
    if (!graph.model().doc().isEmpty()) {
      model.setDocString(graph.model().doc());
    }
    model.addAllMetadataProps(entries(graph.metadata()));
    graph.functions().forEach(function -> model.addFunctions(function(function)));
    return model.build();
  }

  /** The nodes of a domain must all mean the one version that the file states. */
  private static void checkVersions(Graph part, Map<String, Integer> opsets, Graph whole) {
    for (Node node : part.nodes()) {
      OpId op = node.op();
      if (opsets.get(op.domain()) == null || opsets.get(op.domain()) != op.version()) {
        throw new ManticoreException(
            "MNT-ONNX-OPSET",
            whole
                + " cannot be exported: "
                + node
                + " is of version "
                + op.version()
                + " of its domain but others are of version "
                + opsets.get(op.domain())
                + "; lift the graph to one version first");
      }
      node.attributes().graphs().forEach(inner -> checkVersions(inner, opsets, whole));
    }
  }

  /** The lowest version of the format, from 10 on, that has all element types of a graph. */
  private static int irVersion(Graph graph) {
    int version = Math.max(irVersion(graph.inputs()), irVersion(graph.parameters().keySet()));
    for (Node node : graph.nodes()) {
      version = Math.max(version, irVersion(node.presentOutputs()));
      for (Attribute attribute : node.attributes().values().values()) {
        version = Math.max(version, irVersion(attribute));
      }
      for (Graph subgraph : node.attributes().graphs()) {
        version = Math.max(version, irVersion(subgraph));
      }
    }
    for (Graph.Function function : graph.functions()) {
      version = Math.max(version, irVersion(function.body()));
    }
    return version;
  }

  private static int irVersion(Collection<Value> values) {
    int version = 10;
    for (Value value : values) {
      version = Math.max(version, irVersion(value.valueType()));
    }
    return version;
  }

  private static int irVersion(Attribute attribute) {
    if (attribute instanceof Attribute.TensorValue tensor) {
      return OnnxTypes.irVersion(tensor.value().elementType());
    }
    if (attribute instanceof Attribute.TensorsValue tensors) {
      return tensors.values().stream()
          .map(tensor -> OnnxTypes.irVersion(tensor.elementType()))
          .reduce(10, Math::max);
    }
    return 10;
  }

  private static int irVersion(ValueType type) {
    if (type instanceof ValueType.SequenceType sequence) {
      return irVersion(sequence.element());
    }
    if (type instanceof ValueType.OptionalType optional) {
      return irVersion(optional.element());
    }
    return type instanceof TensorType tensor ? OnnxTypes.irVersion(tensor.elementType()) : 10;
  }

  private static ImmutableList<StringStringEntryProto> entries(Map<String, String> entries) {
    ImmutableList.Builder<StringStringEntryProto> protos = ImmutableList.builder();
    for (Map.Entry<String, String> entry : entries.entrySet()) {
      protos.add(
          StringStringEntryProto.newBuilder()
              .setKey(entry.getKey())
              .setValue(entry.getValue())
              .build());
    }
    return protos.build();
  }

  static FunctionProto function(Graph.Function function) {
    Graph body = function.body();
    if (!body.parameters().isEmpty()) {
      throw new ManticoreException(
          "MNT-ONNX-FUNCTION",
          "function "
              + function.op()
              + " cannot be exported: its body has parameters; make them inputs or constants");
    }
    checkVersions(body, body.opsets(), body);
    FunctionProto.Builder proto =
        FunctionProto.newBuilder()
            .setName(function.op().name())
            .setDomain(function.op().domain())
            .addAllAttribute(function.attributes());
    if (!function.op().overload().isEmpty()) {
      proto.setOverload(function.op().overload());
    }
    if (!body.annotations().doc().isEmpty()) {
      proto.setDocString(body.annotations().doc());
    }
    proto.addAllMetadataProps(entries(body.annotations().metadata()));
    function
        .defaults()
        .values()
        .forEach((name, value) -> proto.addAttributeProto(attribute(name, value, Typing.ELEMENTS)));
    body.inputs().forEach(input -> proto.addInput(input.name()));
    body.outputs().forEach(output -> proto.addOutput(output.name()));
    body.nodes().forEach(node -> proto.addNode(node(node, Typing.ELEMENTS)));
    body.opsets()
        .forEach(
            (domain, version) ->
                proto.addOpsetImportBuilder().setDomain(domain).setVersion(version));
    if (!function.op().domain().equals(OpId.MANTICORE)) {
      // Bodies of our own are for operands of any type, whatever use they were made for.
      infos(body).forEach(proto::addValueInfo);
    }
    return proto.build();
  }

  /** What is known of the values of a function, which is never all. */
  private static ImmutableList<ValueInfoProto> infos(Graph body) {
    return Stream.concat(
            body.inputs().stream(),
            body.nodes().stream().flatMap(node -> node.presentOutputs().stream()))
        .filter(value -> !value.isGuessed() || isDescribed(value))
        .map(value -> info(value, Typing.FULL))
        .collect(ImmutableList.toImmutableList());
  }

  private static GraphProto graph(
      Graph graph, Typing typing, BiFunction<Value, Tensor, Optional<TensorProto>> external) {
    GraphProto.Builder proto =
        GraphProto.newBuilder().setName(graph.name().isEmpty() ? "graph" : graph.name());
    if (!graph.annotations().doc().isEmpty()) {
      proto.setDocString(graph.annotations().doc());
    }
    proto.addAllMetadataProps(entries(graph.annotations().metadata()));
    graph.inputs().forEach(input -> proto.addInput(info(input, typing)));
    for (Map.Entry<Value, Tensor> parameter : graph.parameters().entrySet()) {
      Value value = parameter.getKey();
      if (parameter.getValue().data() instanceof SparseTensor.Dense dense) {
        proto.addSparseInitializer(sparse(value.name(), dense.sparse()));
      } else {
        proto.addInitializer(
            external
                .apply(value, parameter.getValue())
                .orElseGet(() -> tensor(value, parameter.getValue())));
      }
      if (!value.annotations().denotations().isEmpty()) {
        proto.addValueInfo(info(value, typing));
      }
    }
    Set<Value> outputs = new HashSet<>(graph.outputs());
    for (Node node : graph.nodes()) {
      proto.addNode(node(node, typing));
      for (Value output : node.presentOutputs()) {
        // A reader that finds no shape finds out the element type itself, where it can.
        boolean told =
            typing == Typing.FULL
                && !output.isGuessed()
                && (isRanked(output)
                    || !output.annotations().denotations().isEmpty()
                    || Catalogue.standard().find(node.op()).isEmpty());
        if (!outputs.contains(output) && (told || isDescribed(output))) {
          proto.addValueInfo(info(output, told ? typing : Typing.NONE));
        }
      }
    }
    graph.outputs().forEach(output -> proto.addOutput(info(output, typing)));
    quantization(graph).forEach(proto::addQuantizationAnnotation);
    return proto.build();
  }

  private static boolean isRanked(Value value) {
    return !value.isTensor() || value.shape().isRanked();
  }

  /** Whether something is said of a value that needs no type; denotations are part of one. */
  private static boolean isDescribed(Value value) {
    return !value.annotations().doc().isEmpty() || !value.annotations().metadata().isEmpty();
  }

  /** For the values that are quantised, by values that the graph has. */
  private static ImmutableList<TensorAnnotation> quantization(Graph graph) {
    List<Value> values = new ArrayList<>(graph.inputs());
    values.addAll(graph.parameters().keySet());
    for (Node node : graph.nodes()) {
      values.addAll(node.presentOutputs());
    }
    Set<String> names = new HashSet<>();
    List<Value> quantized = new ArrayList<>();
    for (Value value : values) {
      names.add(value.name());
      if (!value.annotations().quantization().isEmpty()) {
        quantized.add(value);
      }
    }
    return quantized.stream()
        .filter(value -> names.containsAll(value.annotations().quantization().values()))
        .map(
            value ->
                TensorAnnotation.newBuilder()
                    .setTensorName(value.name())
                    .addAllQuantParameterTensorNames(entries(value.annotations().quantization()))
                    .build())
        .collect(ImmutableList.toImmutableList());
  }

  private static ValueInfoProto info(Value value, Typing typing) {
    ValueInfoProto.Builder proto = ValueInfoProto.newBuilder().setName(value.name());
    if (value.isGuessed()) {
      typing = Typing.NONE;
    }
    if (typing == Typing.ELEMENTS && value.isTensor()) {
      proto.setType(OnnxTypes.write(value.type().withShape(Shape.unranked())));
    } else if (typing != Typing.NONE) {
      proto.setType(OnnxTypes.write(value.valueType(), value.annotations().denotations()));
    }
    if (!value.annotations().doc().isEmpty()) {
      proto.setDocString(value.annotations().doc());
    }
    return proto.addAllMetadataProps(entries(value.annotations().metadata())).build();
  }

  private static NodeProto node(Node node, Typing typing) {
    NodeProto.Builder proto =
        NodeProto.newBuilder().setOpType(node.op().name()).setName(node.name());
    if (!node.op().domain().isEmpty()) {
      proto.setDomain(node.op().domain());
    }
    if (!node.op().overload().isEmpty()) {
      proto.setOverload(node.op().overload());
    }
    if (!node.annotations().doc().isEmpty()) {
      proto.setDocString(node.annotations().doc());
    }
    proto.addAllMetadataProps(entries(node.annotations().metadata()));
    node.inputs().forEach(input -> proto.addInput(input.map(Value::name).orElse("")));
    node.outputs().forEach(output -> proto.addOutput(output.map(Value::name).orElse("")));
    node.attributes()
        .values()
        .forEach((name, value) -> proto.addAttribute(attribute(name, value, typing)));
    return proto.build();
  }

  private static AttributeProto attribute(String name, Attribute attribute, Typing typing) {
    AttributeProto.Builder proto = AttributeProto.newBuilder().setName(name);
    if (attribute instanceof Attribute.IntValue value) {
      return proto.setType(AttributeProto.AttributeType.INT).setI(value.value()).build();
    }
    if (attribute instanceof Attribute.FloatValue value) {
      return proto.setType(AttributeProto.AttributeType.FLOAT).setF(value.value()).build();
    }
    if (attribute instanceof Attribute.StringValue value) {
      return proto.setType(AttributeProto.AttributeType.STRING).setS(bytes(value.value())).build();
    }
    if (attribute instanceof Attribute.TensorValue value) {
      return proto
          .setType(AttributeProto.AttributeType.TENSOR)
          .setT(tensor(value.value(), NAMELESS))
          .build();
    }
    if (attribute instanceof Attribute.GraphValue value) {
      return proto
          .setType(AttributeProto.AttributeType.GRAPH)
          .setG(subgraph(value.value(), typing))
          .build();
    }
    if (attribute instanceof Attribute.SparseTensorValue value) {
      return proto
          .setType(AttributeProto.AttributeType.SPARSE_TENSOR)
          .setSparseTensor(sparse("", value.value()))
          .build();
    }
    if (attribute instanceof Attribute.TypeValue value) {
      return proto
          .setType(AttributeProto.AttributeType.TYPE_PROTO)
          .setTp(OnnxTypes.write(value.value()))
          .build();
    }
    if (attribute instanceof Attribute.TensorsValue value) {
      proto.setType(AttributeProto.AttributeType.TENSORS);
      value.values().forEach(tensor -> proto.addTensors(tensor(tensor, NAMELESS)));
      return proto.build();
    }
    if (attribute instanceof Attribute.GraphsValue value) {
      proto.setType(AttributeProto.AttributeType.GRAPHS);
      value.values().forEach(graph -> proto.addGraphs(subgraph(graph, typing)));
      return proto.build();
    }
    if (attribute instanceof Attribute.SparseTensorsValue value) {
      proto.setType(AttributeProto.AttributeType.SPARSE_TENSORS);
      value.values().forEach(tensor -> proto.addSparseTensors(sparse("", tensor)));
      return proto.build();
    }
    if (attribute instanceof Attribute.TypesValue value) {
      proto.setType(AttributeProto.AttributeType.TYPE_PROTOS);
      value.values().forEach(type -> proto.addTypeProtos(OnnxTypes.write(type)));
      return proto.build();
    }
    if (attribute instanceof Attribute.IntsValue value) {
      return proto.setType(AttributeProto.AttributeType.INTS).addAllInts(value.values()).build();
    }
    if (attribute instanceof Attribute.FloatsValue value) {
      return proto
          .setType(AttributeProto.AttributeType.FLOATS)
          .addAllFloats(value.values())
          .build();
    }
    if (attribute instanceof Attribute.StringsValue value) {
      return proto
          .setType(AttributeProto.AttributeType.STRINGS)
          .addAllStrings(
              value.values().stream()
                  .map(GraphWriter::bytes)
                  .collect(ImmutableList.toImmutableList()))
          .build();
    }
    if (attribute instanceof Attribute.Reference reference) {
      return proto
          .setRefAttrName(reference.name())
          .setType(AttributeProto.AttributeType.forNumber(reference.onnxType()))
          .build();
    }
    throw new AssertionError("a kind of attribute that is not written: " + attribute);
  }

  private static GraphProto subgraph(Graph graph, Typing typing) {
    return graph(graph, typing, (value, tensor) -> Optional.empty());
  }

  private static ByteString bytes(String text) {
    // The array is nobody else's.
    return UnsafeByteOperations.unsafeWrap(Utf8.encode(text));
  }

  private static SparseTensorProto sparse(String name, SparseTensor tensor) {
    TensorProto header = name.isEmpty() ? NAMELESS : TensorProto.newBuilder().setName(name).build();
    SparseTensorProto.Builder proto =
        SparseTensorProto.newBuilder()
            .setValues(tensor(tensor.values(), header))
            .setIndices(tensor(tensor.indices(), NAMELESS));
    for (long extent : tensor.shape().extents()) {
      proto.addDims(extent);
    }
    return proto.build();
  }

  private static TensorProto tensor(Value value, Tensor tensor) {
    return tensor(tensor, header(value).buildPartial());
  }

  /**
   * @param header what is said of the tensor besides its type and its data
   */
  private static TensorProto tensor(Tensor tensor, TensorProto header) {
    if (tensor.data().byteSize() > Integer.MAX_VALUE - 64) {
      throw new ManticoreException(
          "MNT-ONNX-SIZE",
          "tensor '"
              + header.getName()
              + "' does not fit a model file, which ends at 2 GiB; export with"
              + " external data");
    }
    TensorProto.Builder proto = typed(header.toBuilder(), tensor);
    if (tensor.elementType() == ElementType.STRING) {
      tensor.toStrings().forEach(string -> proto.addStringData(bytes(string)));
      return proto.build();
    }
    // The array is nobody else's.
    return proto.setRawData(UnsafeByteOperations.unsafeWrap(tensor.data().toByteArray())).build();
  }

  /** A tensor's type and dimensions. */
  static TensorProto.Builder typed(TensorProto.Builder proto, Tensor tensor) {
    proto.setDataType(tensor.elementType().onnxNumber());
    for (long extent : tensor.shape().extents()) {
      proto.addDims(extent);
    }
    return proto;
  }

  /** A parameter's name and what is said of it. */
  static TensorProto.Builder header(Value value) {
    TensorProto.Builder proto = TensorProto.newBuilder().setName(value.name());
    if (!value.annotations().doc().isEmpty()) {
      proto.setDocString(value.annotations().doc());
    }
    return proto.addAllMetadataProps(entries(value.annotations().metadata()));
  }
}
