package dev.manticore.onnx;

import com.google.common.collect.ImmutableList;
import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.op.Catalogue;
import dev.manticore.onnx.proto.AttributeProto;
import dev.manticore.onnx.proto.FunctionProto;
import dev.manticore.onnx.proto.GraphProto;
import dev.manticore.onnx.proto.ModelProto;
import dev.manticore.onnx.proto.NodeProto;
import dev.manticore.onnx.proto.TensorProto;
import dev.manticore.onnx.proto.ValueInfoProto;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.BiFunction;

/** Makes the messages of one model of a graph. */
final class GraphWriter {

  /** How much is said of the values of a graph. */
  private enum Typing {
    /** Types of inputs and outputs, and of what lies between as far as it is known. */
    FULL,
    /**
     * Element types of a subgraph's inputs and outputs, no more: a function's body is meant for
     * operands of any shape.
     */
    ELEMENTS
  }

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
            .setIrVersion(options.irVersion())
            .setProducerName("manticore")
            .setProducerVersion(options.producerVersion())
            .setGraph(graph(graph, Typing.FULL, external, Set.of()));
    Map<String, Integer> opsets = new TreeMap<>(graph.opsets());
    graph.functions().forEach(function -> opsets.putIfAbsent(function.op().domain(), 1));
    opsets.forEach(
        (domain, version) -> model.addOpsetImportBuilder().setDomain(domain).setVersion(version));
    graph
        .metadata()
        .forEach((key, value) -> model.addMetadataPropsBuilder().setKey(key).setValue(value));
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
    body.inputs().forEach(input -> proto.addInput(input.name()));
    body.outputs().forEach(output -> proto.addOutput(output.name()));
    body.nodes().forEach(node -> proto.addNode(node(node, Typing.ELEMENTS, Set.of())));
    body.opsets()
        .forEach(
            (domain, version) ->
                proto.addOpsetImportBuilder().setDomain(domain).setVersion(version));
    return proto.build();
  }

  /**
   * @param outerGuesses values around a subgraph whose element type is not certain
   */
  private static GraphProto graph(
      Graph graph,
      Typing typing,
      BiFunction<Value, Tensor, Optional<TensorProto>> external,
      Set<Value> outerGuesses) {
    GraphProto.Builder proto =
        GraphProto.newBuilder().setName(graph.name().isEmpty() ? "graph" : graph.name());
    graph.inputs().forEach(input -> proto.addInput(info(input, typing)));
    graph
        .parameters()
        .forEach(
            (value, tensor) ->
                proto.addInitializer(
                    external.apply(value, tensor).orElseGet(() -> tensor(value.name(), tensor))));
    Set<Value> guesses = new HashSet<>(outerGuesses);
    Set<Value> outputs = new HashSet<>(graph.outputs());
    for (Node node : graph.nodes()) {
      proto.addNode(node(node, typing, guesses));
      boolean guessed =
          node.reads().stream().anyMatch(guesses::contains)
              || Catalogue.standard().find(node.op()).isEmpty();
      for (Value output : node.presentOutputs()) {
        if (guessed && !output.shape().isRanked()) {
          guesses.add(output);
        } else if (typing == Typing.FULL
            && output.shape().isRanked()
            && !outputs.contains(output)) {
          proto.addValueInfo(info(output, typing));
        }
      }
    }
    graph.outputs().forEach(output -> proto.addOutput(info(output, typing)));
    return proto.build();
  }

  private static ValueInfoProto info(Value value, Typing typing) {
    TensorType type =
        typing == Typing.FULL ? value.type() : value.type().withShape(Shape.unranked());
    return ValueInfoProto.newBuilder().setName(value.name()).setType(OnnxTypes.write(type)).build();
  }

  private static NodeProto node(Node node, Typing typing, Set<Value> guesses) {
    NodeProto.Builder proto =
        NodeProto.newBuilder().setOpType(node.op().name()).setName(node.name());
    if (!node.op().domain().isEmpty()) {
      proto.setDomain(node.op().domain());
    }
    node.inputs().forEach(input -> proto.addInput(input.map(Value::name).orElse("")));
    node.outputs().forEach(output -> proto.addOutput(output.map(Value::name).orElse("")));
    node.attributes()
        .values()
        .forEach((name, value) -> proto.addAttribute(attribute(name, value, typing, guesses)));
    return proto.build();
  }

  private static AttributeProto attribute(
      String name, Attribute attribute, Typing typing, Set<Value> guesses) {
    AttributeProto.Builder proto = AttributeProto.newBuilder().setName(name);
    if (attribute instanceof Attribute.IntValue value) {
      return proto.setType(AttributeProto.AttributeType.INT).setI(value.value()).build();
    }
    if (attribute instanceof Attribute.FloatValue value) {
      return proto.setType(AttributeProto.AttributeType.FLOAT).setF(value.value()).build();
    }
    if (attribute instanceof Attribute.StringValue value) {
      return proto
          .setType(AttributeProto.AttributeType.STRING)
          .setS(ByteString.copyFromUtf8(value.value()))
          .build();
    }
    if (attribute instanceof Attribute.TensorValue value) {
      return proto
          .setType(AttributeProto.AttributeType.TENSOR)
          .setT(tensor("", value.value()))
          .build();
    }
    if (attribute instanceof Attribute.GraphValue value) {
      return proto
          .setType(AttributeProto.AttributeType.GRAPH)
          .setG(graph(value.value(), typing, (of, data) -> Optional.empty(), guesses))
          .build();
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
                  .map(ByteString::copyFromUtf8)
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

  private static TensorProto tensor(String name, Tensor tensor) {
    if (tensor.data().byteSize() > Integer.MAX_VALUE - 64) {
      throw new ManticoreException(
          "MNT-ONNX-SIZE",
          "tensor '"
              + name
              + "' does not fit a model file, which ends at 2 GiB; export with"
              + " external data");
    }
    // The array is nobody else's.
    return header(name, tensor)
        .setRawData(UnsafeByteOperations.unsafeWrap(tensor.data().toByteArray()))
        .build();
  }

  /** A tensor's name, type and dimensions. */
  static TensorProto.Builder header(String name, Tensor tensor) {
    TensorProto.Builder proto =
        TensorProto.newBuilder().setDataType(tensor.elementType().onnxNumber());
    if (!name.isEmpty()) {
      proto.setName(name);
    }
    for (long extent : tensor.shape().extents()) {
      proto.addDims(extent);
    }
    return proto;
  }
}
