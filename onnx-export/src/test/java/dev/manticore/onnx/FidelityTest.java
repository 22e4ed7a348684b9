package dev.manticore.onnx;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.text.HirParser;
import dev.manticore.ir.text.HirPrinter;
import dev.manticore.onnx.proto.AttributeProto;
import dev.manticore.onnx.proto.AttributeProto.AttributeType;
import dev.manticore.onnx.proto.FunctionProto;
import dev.manticore.onnx.proto.GraphProto;
import dev.manticore.onnx.proto.ModelProto;
import dev.manticore.onnx.proto.NodeProto;
import dev.manticore.onnx.proto.OperatorSetIdProto;
import dev.manticore.onnx.proto.SparseTensorProto;
import dev.manticore.onnx.proto.StringStringEntryProto;
import dev.manticore.onnx.proto.TensorAnnotation;
import dev.manticore.onnx.proto.TensorProto;
import dev.manticore.onnx.proto.TypeProto;
import dev.manticore.onnx.proto.ValueInfoProto;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What a model file says, message for message, after import and export, directly and by way of the
 * textual form.
 */
class FidelityTest {

  private static final String FOREIGN = "com.example";

  /** y = Strange(x), as the exporter orders and spells it. */
  private static ModelProto.Builder model() {
    ModelProto.Builder model =
        ModelProto.newBuilder()
            .setIrVersion(10)
            .setProducerName("manticore")
            .setProducerVersion("")
            .addOpsetImport(opset("", 23))
            .addOpsetImport(opset(FOREIGN, 2));
    model
        .getGraphBuilder()
        .setName("g")
        .addInput(info("x", tensorType(ElementType.FLOAT32, 2)))
        .addNode(node("Strange", "y", "x"))
        .addOutput(info("y", tensorType(ElementType.FLOAT32, 2)));
    return model;
  }

  private static OperatorSetIdProto opset(String domain, int version) {
    return OperatorSetIdProto.newBuilder().setDomain(domain).setVersion(version).build();
  }

  private static ValueInfoProto info(String name, TypeProto type) {
    return ValueInfoProto.newBuilder().setName(name).setType(type).build();
  }

  private static TypeProto tensorType(ElementType elementType, long... extents) {
    TypeProto.Builder type = TypeProto.newBuilder();
    type.getTensorTypeBuilder().setElemType(elementType.onnxNumber()).getShapeBuilder();
    for (long extent : extents) {
      type.getTensorTypeBuilder().getShapeBuilder().addDimBuilder().setDimValue(extent);
    }
    return type.build();
  }

  private static NodeProto node(String op, String output, String... inputs) {
    NodeProto.Builder node = NodeProto.newBuilder().setOpType(op).setName("n").addOutput(output);
    for (String input : inputs) {
      node.addInput(input);
    }
    return node.setDomain(FOREIGN).build();
  }

  private static TensorProto tensor(ElementType elementType, byte[] data, long... extents) {
    TensorProto.Builder tensor = TensorProto.newBuilder().setDataType(elementType.onnxNumber());
    for (long extent : extents) {
      tensor.addDims(extent);
    }
    return tensor.setRawData(ByteString.copyFrom(data)).build();
  }

  private static StringStringEntryProto entry(String key, String value) {
    return StringStringEntryProto.newBuilder().setKey(key).setValue(value).build();
  }

  private static AttributeProto.Builder attribute(AttributeType type) {
    return AttributeProto.newBuilder().setName("a").setType(type);
  }

  private static void kept(AttributeProto.Builder attribute) {
    ModelProto.Builder model = model();
    model.getGraphBuilder().getNodeBuilder(0).addAttribute(attribute);
    kept(model);
  }

  private static void kept(TypeProto type) {
    ModelProto.Builder model = model();
    model
        .getGraphBuilder()
        .setInput(0, info("x", type))
        .addValueInfo(info("m", type))
        .setOutput(0, info("y", type))
        .clearNode()
        .addNode(node("Strange", "m", "x"))
        .addNode(node("Strange", "y", "m"));
    kept(model);
  }

  private static void kept(ModelProto.Builder builder) {
    ModelProto model = builder.build();
    Graph graph =
        OnnxImporter.read(model.toByteArray(), Optional.empty(), OnnxImporter.Functions.KEEP);

    byte[] bytes = OnnxExporter.toBytes(graph);
    assertThat(parsed(bytes)).isEqualTo(model);
    assertThat(OnnxExporter.toBytes(graph)).isEqualTo(bytes);
    String text = HirPrinter.print(graph, HirPrinter.Tensors.ALL);
    assertThat(OnnxExporter.toBytes(HirParser.parse(text))).as(text).isEqualTo(bytes);
    Graph again = OnnxImporter.read(bytes, Optional.empty(), OnnxImporter.Functions.KEEP);
    assertThat(HirPrinter.print(again, HirPrinter.Tensors.ALL)).isEqualTo(text);
  }

  private static ModelProto parsed(byte[] bytes) {
    try {
      return ModelProto.parseFrom(bytes);
    } catch (InvalidProtocolBufferException e) {
      throw new AssertionError(e);
    }
  }

  // ---- types and tensors

  @ParameterizedTest
  @EnumSource
  void everyElementType(ElementType elementType) {
    TensorProto tensor;
    if (elementType == ElementType.STRING) {
      tensor =
          TensorProto.newBuilder()
              .setDataType(elementType.onnxNumber())
              .addDims(3)
              .addStringData(ByteString.copyFromUtf8("é漢"))
              .addStringData(ByteString.EMPTY)
              .addStringData(ByteString.copyFrom(new byte[] {0, (byte) 0xff, 'a', (byte) 0xc3}))
              .build();
    } else {
      // Five elements, which do not fill the last byte of types of less than 8 bits.
      byte[] data = new byte[(5 * elementType.bitSize() + 7) / 8];
      new Random(1).nextBytes(data);
      if (elementType.bitSize() < 8) {
        data[data.length - 1] &= (byte) ((1 << 5 * elementType.bitSize() % 8) - 1);
      }
      if (elementType == ElementType.BOOL) {
        data = new byte[] {0, 1, 1, 0, 1};
      }
      tensor = tensor(elementType, data, 5);
    }
    ModelProto.Builder model = model().setIrVersion(OnnxTypes.irVersion(elementType));
    TypeProto type = tensorType(elementType, tensor.getDims(0));
    model
        .getGraphBuilder()
        .setInput(0, info("x", type))
        .addInitializer(tensor.toBuilder().setName("w"))
        .setNode(
            0,
            node("Strange", "y", "x", "w").toBuilder()
                .addAttribute(attribute(AttributeType.TENSOR).setT(tensor)))
        .setOutput(0, info("y", type));
    kept(model);
  }

  @Test
  void shapesOfKnownNamedUnknownAndNoDimensions() {
    TypeProto.Builder type = tensorType(ElementType.INT64, 2).toBuilder();
    type.getTensorTypeBuilder().getShapeBuilder().addDimBuilder().setDimParam("batch");
    type.getTensorTypeBuilder().getShapeBuilder().addDimBuilder();
    kept(type.build());
    kept(tensorType(ElementType.INT64));
    type.getTensorTypeBuilder().clearShape();
    kept(type.build());
  }

  @Test
  void sequencesOptionalsMapsSparseTensorsAndOpaqueValues() {
    TypeProto element = tensorType(ElementType.FLOAT16, 2, 3);
    TypeProto.Builder sequence = TypeProto.newBuilder();
    sequence.getSequenceTypeBuilder().setElemType(element);
    kept(sequence.build());
    TypeProto.Builder optional = TypeProto.newBuilder();
    optional.getOptionalTypeBuilder().setElemType(sequence);
    kept(optional.build());
    TypeProto.Builder map = TypeProto.newBuilder();
    map.getMapTypeBuilder().setKeyType(ElementType.STRING.onnxNumber()).setValueType(optional);
    kept(map.build());
    TypeProto.Builder sparse = TypeProto.newBuilder();
    sparse
        .getSparseTensorTypeBuilder()
        .setElemType(ElementType.FLOAT32.onnxNumber())
        .setShape(element.getTensorType().getShape());
    kept(sparse.build());
    TypeProto.Builder opaque = TypeProto.newBuilder();
    opaque.getOpaqueTypeBuilder().setDomain(FOREIGN).setName("Tree");
    kept(opaque.build());
  }

  @Test
  void sparseInitializers() {
    ModelProto.Builder model = model();
    model
        .getGraphBuilder()
        .addSparseInitializer(sparse("w"))
        .setNode(0, node("Strange", "y", "x", "w"));
    kept(model);
    assertThat(
            OnnxImporter.read(model.build().toByteArray())
                .parameters()
                .values()
                .iterator()
                .next()
                .toDoubles())
        .containsExactly(0, 258, 0, 0, 0, 772);
  }

  private static SparseTensorProto sparse(String name) {
    TensorProto.Builder values = tensor(ElementType.INT16, new byte[] {2, 1, 4, 3}, 2).toBuilder();
    if (!name.isEmpty()) {
      values.setName(name);
    }
    byte[] indices = new byte[16];
    indices[0] = 1;
    indices[8] = 5;
    return SparseTensorProto.newBuilder()
        .setValues(values)
        .setIndices(tensor(ElementType.INT64, indices, 2))
        .addDims(2)
        .addDims(3)
        .build();
  }

  // ---- attributes

  @Test
  void attributesOfNumbersAndStrings() {
    kept(attribute(AttributeType.INT).setI(Long.MIN_VALUE));
    kept(attribute(AttributeType.FLOAT).setF(Float.intBitsToFloat(0x7fc00123)));
    kept(attribute(AttributeType.STRING).setS(ByteString.copyFromUtf8("é\n漢")));
    kept(attribute(AttributeType.STRING).setS(ByteString.copyFrom(new byte[] {-1, 0, 'x', -2})));
    kept(attribute(AttributeType.INTS).addInts(1).addInts(-1));
    kept(attribute(AttributeType.INTS));
    kept(attribute(AttributeType.FLOATS).addFloats(1).addFloats(-0f));
    kept(attribute(AttributeType.FLOATS));
    kept(attribute(AttributeType.STRINGS).addStrings(ByteString.copyFrom(new byte[] {-61})));
    kept(attribute(AttributeType.STRINGS));
  }

  @Test
  void attributesOfTensors() {
    TensorProto tensor = tensor(ElementType.UINT8, new byte[] {1, 2}, 2);
    kept(attribute(AttributeType.TENSOR).setT(tensor));
    kept(attribute(AttributeType.TENSORS).addTensors(tensor).addTensors(tensor));
    kept(attribute(AttributeType.TENSORS));
    kept(attribute(AttributeType.SPARSE_TENSOR).setSparseTensor(sparse("")));
    kept(attribute(AttributeType.SPARSE_TENSORS).addSparseTensors(sparse("")));
  }

  @Test
  void attributesOfTypes() {
    TypeProto.Builder sequence = TypeProto.newBuilder();
    sequence.getSequenceTypeBuilder().setElemType(tensorType(ElementType.FLOAT32, 2));
    kept(attribute(AttributeType.TYPE_PROTO).setTp(sequence));
    kept(attribute(AttributeType.TYPE_PROTOS).addTypeProtos(sequence).addTypeProtos(sequence));
  }

  @Test
  void attributesOfGraphsWithTheirOwnInitializersAndCaptures() {
    kept(attribute(AttributeType.GRAPH).setG(subgraph("s0")));
    kept(attribute(AttributeType.GRAPHS).addGraphs(subgraph("s1")).addGraphs(subgraph("s2")));
  }

  private static GraphProto subgraph(String result) {
    return GraphProto.newBuilder()
        .setName("inner")
        .addInput(info(result + "i", tensorType(ElementType.FLOAT32, 2)))
        .addInitializer(
            tensor(ElementType.FLOAT32, new byte[8], 2).toBuilder().setName(result + "w"))
        .addNode(node("Strange", result, "x", result + "w", result + "i"))
        .addOutput(info(result, tensorType(ElementType.FLOAT32, 2)))
        .setDocString("doc of " + result)
        .addMetadataProps(entry("k", result))
        .build();
  }

  // ---- what is said besides

  @Test
  void documentationAndMetadataOfEverything() {
    ModelProto.Builder model =
        model()
            .setDomain("org.example")
            .setModelVersion(-3)
            .setDocString("of the model\n")
            .addMetadataProps(entry("model", "é"));
    GraphProto.Builder graph =
        model
            .getGraphBuilder()
            .setDocString("of the graph")
            .addMetadataProps(entry("graph", ""))
            .addInitializer(
                tensor(ElementType.FLOAT32, new byte[8], 2).toBuilder()
                    .setName("w")
                    .setDocString("of the tensor")
                    .addMetadataProps(entry("tensor", "t")))
            .clearNode()
            .addNode(
                node("Strange", "m", "x", "w").toBuilder()
                    .setDocString("of the node")
                    .addMetadataProps(entry("a", "1"))
                    .addMetadataProps(entry("b", "2")))
            .addNode(node("Strange", "y", "m"))
            .addValueInfo(
                ValueInfoProto.newBuilder()
                    .setName("m")
                    .setDocString("of a value without a type")
                    .addMetadataProps(entry("value", "v")));
    graph.getInputBuilder(0).setDocString("of the input").addMetadataProps(entry("i", "x"));
    graph.getOutputBuilder(0).setDocString("of the output").addMetadataProps(entry("o", "y"));
    kept(model);
  }

  @Test
  void denotationsOfTypesAndDimensions() {
    TypeProto.Builder type = tensorType(ElementType.FLOAT32, 2, 3).toBuilder();
    type.setDenotation("IMAGE");
    type.getTensorTypeBuilder().getShapeBuilder().getDimBuilder(1).setDenotation("DATA_CHANNEL");
    kept(type.build());
  }

  @Test
  void quantizationAnnotations() {
    ModelProto.Builder model = model();
    model
        .getGraphBuilder()
        .addInitializer(tensor(ElementType.FLOAT32, new byte[4]).toBuilder().setName("scale"))
        .addInitializer(tensor(ElementType.INT8, new byte[1]).toBuilder().setName("zero"))
        .addQuantizationAnnotation(
            TensorAnnotation.newBuilder()
                .setTensorName("x")
                .addQuantParameterTensorNames(entry("SCALE_TENSOR", "scale"))
                .addQuantParameterTensorNames(entry("ZERO_POINT_TENSOR", "zero")));
    kept(model);
  }

  @Test
  void typesOfValuesInBetweenAndNoneWhereNoneIsKnown() {
    ModelProto.Builder model = model();
    TypeProto.Builder unranked = tensorType(ElementType.INT64).toBuilder();
    unranked.getTensorTypeBuilder().clearShape();
    model
        .getGraphBuilder()
        .clearNode()
        .addNode(node("Strange", "a", "x"))
        .addNode(node("Strange", "b", "a"))
        .addNode(node("Relu", "c", "b").toBuilder().clearDomain())
        .addNode(node("Strange", "y", "c"))
        .addValueInfo(info("b", unranked.build()));
    kept(model);
  }

  // ---- functions

  @Test
  void functionsWithDefaultsTypesDocumentationAndOverloads() {
    ModelProto.Builder model = model().addOpsetImport(0, opset("", 23)).removeOpsetImport(0);
    NodeProto.Builder inner =
        node("Strange", "r", "p").toBuilder()
            .addAttribute(
                AttributeProto.newBuilder()
                    .setName("beta")
                    .setType(AttributeType.FLOAT)
                    .setRefAttrName("alpha"));
    FunctionProto.Builder function =
        FunctionProto.newBuilder()
            .setName("F")
            .setDomain(FOREIGN)
            .addAttribute("gamma")
            .setDocString("of the function")
            .addMetadataProps(entry("f", "1"))
            .addAttributeProto(
                AttributeProto.newBuilder().setName("alpha").setType(AttributeType.FLOAT).setF(2))
            .addInput("p")
            .addOutput("r")
            .addNode(inner)
            .addOpsetImport(opset(FOREIGN, 2))
            .addValueInfo(info("r", tensorType(ElementType.FLOAT32, 2)));
    model
        .addFunctions(function)
        .addFunctions(function.clone().setOverload("second").setDocString("the other one"));
    model
        .getGraphBuilder()
        .clearNode()
        .addNode(node("F", "m", "x"))
        .addNode(node("F", "y", "m").toBuilder().setOverload("second"));
    kept(model);

    Graph resolved = OnnxImporter.read(model.build().toByteArray());
    assertThat(resolved.functions()).isEmpty();
    assertThat(resolved.nodes())
        .allSatisfy(node -> assertThat(node.attributes().floatValue("beta", 0)).isEqualTo(2f));
  }

  // ---- operator sets

  @ParameterizedTest
  @ValueSource(
      ints = {1, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 30})
  void operatorSetsOfAnyVersion(int version) {
    ModelProto.Builder model = model().setOpsetImport(0, opset("", version));
    model
        .getGraphBuilder()
        .clearNode()
        .addNode(node("Relu", "m", "x").toBuilder().clearDomain())
        .addNode(node("OfTheFuture", "k", "m").toBuilder().clearDomain())
        .addNode(node("Strange", "y", "k"))
        .addValueInfo(info("m", tensorType(ElementType.FLOAT32, 2)));
    kept(model);
  }
}
