package dev.manticore.onnx;

import com.google.protobuf.ByteString;
import dev.manticore.onnx.proto.AttributeProto;
import dev.manticore.onnx.proto.FunctionProto;
import dev.manticore.onnx.proto.GraphProto;
import dev.manticore.onnx.proto.NodeProto;
import dev.manticore.onnx.proto.OperatorSetIdProto;
import dev.manticore.onnx.proto.TensorProto;
import dev.manticore.onnx.proto.TypeProto;
import dev.manticore.onnx.proto.ValueInfoProto;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What a function computes, without its name and the names within: two functions whose nodes are
 * the same, in the same order, have equal canonical forms.
 */
final class CanonicalFunction {

  private int count;

  private CanonicalFunction() {}

  static ByteString of(FunctionProto function) {
    return new CanonicalFunction().rewrite(function).toByteString();
  }

  private FunctionProto rewrite(FunctionProto function) {
    FunctionProto.Builder canonical = FunctionProto.newBuilder();
    Map<String, String> names = new HashMap<>();
    function.getInputList().forEach(input -> canonical.addInput(define(input, names)));
    function.getNodeList().forEach(node -> canonical.addNode(rewrite(node, names)));
    function.getOutputList().forEach(output -> canonical.addOutput(read(output, names)));
    function.getOpsetImportList().stream()
        .sorted(Comparator.comparing(OperatorSetIdProto::getDomain))
        .forEach(canonical::addOpsetImport);
    return canonical.build();
  }

  private String define(String name, Map<String, String> names) {
    if (name.isEmpty()) {
      return name;
    }
    String canonical = Integer.toString(count++);
    names.put(name, canonical);
    return canonical;
  }

  private static String read(String name, Map<String, String> names) {
    return names.getOrDefault(name, name);
  }

  private NodeProto rewrite(NodeProto node, Map<String, String> names) {
    NodeProto.Builder canonical =
        NodeProto.newBuilder()
            .setOpType(node.getOpType())
            .setDomain(node.getDomain())
            .setOverload(node.getOverload());
    node.getInputList().forEach(input -> canonical.addInput(read(input, names)));
    node.getAttributeList().stream()
        .sorted(Comparator.comparing(AttributeProto::getName))
        .forEach(attribute -> canonical.addAttribute(rewrite(attribute, names)));
    node.getOutputList().forEach(output -> canonical.addOutput(define(output, names)));
    return canonical.build();
  }

  private AttributeProto rewrite(AttributeProto attribute, Map<String, String> names) {
    AttributeProto.Builder canonical = attribute.toBuilder().clearDocString();
    if (attribute.hasG()) {
      canonical.setG(rewrite(attribute.getG(), names));
    }
    if (attribute.hasT()) {
      canonical.setT(attribute.getT().toBuilder().clearName().clearDocString());
    }
    return canonical.build();
  }

  private GraphProto rewrite(GraphProto graph, Map<String, String> outer) {
    Map<String, String> names = new HashMap<>(outer);
    GraphProto.Builder canonical = GraphProto.newBuilder();
    graph
        .getInputList()
        .forEach(input -> canonical.addInput(info(input, define(input.getName(), names))));
    for (TensorProto tensor : graph.getInitializerList()) {
      canonical.addInitializer(
          tensor.toBuilder().clearDocString().setName(define(tensor.getName(), names)));
    }
    graph.getNodeList().forEach(node -> canonical.addNode(rewrite(node, names)));
    List<ValueInfoProto> outputs = graph.getOutputList();
    outputs.forEach(output -> canonical.addOutput(info(output, read(output.getName(), names))));
    return canonical.build();
  }

  /** Of types, only those of elements count. */
  private static ValueInfoProto info(ValueInfoProto info, String name) {
    ValueInfoProto.Builder canonical = ValueInfoProto.newBuilder().setName(name);
    if (info.getType().hasTensorType()) {
      canonical.setType(
          TypeProto.newBuilder()
              .setTensorType(
                  TypeProto.Tensor.newBuilder()
                      .setElemType(info.getType().getTensorType().getElemType())));
    }
    return canonical.build();
  }
}
