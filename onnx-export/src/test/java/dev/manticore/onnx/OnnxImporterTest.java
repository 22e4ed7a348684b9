package dev.manticore.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.protobuf.ByteString;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.proto.AttributeProto;
import dev.manticore.onnx.proto.GraphProto;
import dev.manticore.onnx.proto.ModelProto;
import dev.manticore.onnx.proto.NodeProto;
import dev.manticore.onnx.proto.SparseTensorProto;
import dev.manticore.onnx.proto.TensorProto;
import dev.manticore.onnx.proto.TypeProto;
import dev.manticore.onnx.proto.ValueInfoProto;
import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.Optional;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OnnxImporterTest {

  @TempDir private Path directory;

  /** y = x + w. */
  private static ModelProto.Builder model() {
    ModelProto.Builder model = ModelProto.newBuilder().setIrVersion(10);
    model.addOpsetImportBuilder().setVersion(OpId.OPSET);
    model
        .getGraphBuilder()
        .setName("g")
        .addInput(info("x", 2))
        .addOutput(info("y", 2))
        .addInitializer(tensor("w"))
        .addNode(node("Add", "y", "x", "w"));
    return model;
  }

  private static ValueInfoProto info(String name, long extent) {
    TypeProto.Builder type = TypeProto.newBuilder();
    type.getTensorTypeBuilder()
        .setElemType(1)
        .getShapeBuilder()
        .addDimBuilder()
        .setDimValue(extent);
    return ValueInfoProto.newBuilder().setName(name).setType(type).build();
  }

  private static TensorProto tensor(String name) {
    return TensorProto.newBuilder()
        .setName(name)
        .setDataType(1)
        .addDims(2)
        .addFloatData(1)
        .addFloatData(2)
        .build();
  }

  private static NodeProto node(String op, String output, String... inputs) {
    NodeProto.Builder node = NodeProto.newBuilder().setOpType(op).setName("n").addOutput(output);
    for (String input : inputs) {
      node.addInput(input);
    }
    return node.build();
  }

  private static void refused(String code, String message, Consumer<ModelProto.Builder> change) {
    ModelProto.Builder model = model();
    change.accept(model);
    byte[] bytes = model.build().toByteArray();
    assertThatThrownBy(() -> OnnxImporter.read(bytes))
        .isInstanceOf(ManticoreException.class)
        .hasFieldOrPropertyWithValue("code", code)
        .hasMessageContaining(message);
  }

  private static void invalid(String message, Consumer<ModelProto.Builder> change) {
    refused("MNT-ONNX-INVALID", message, change);
  }

  private static void unsupported(String message, Consumer<ModelProto.Builder> change) {
    refused("MNT-ONNX-UNSUPPORTED", message, change);
  }

  @Test
  void anInitializerThatIsAnInputTooIsAParameter() {
    ModelProto.Builder model = model();
    model.getGraphBuilder().addInput(info("w", 2));

    Graph graph = OnnxImporter.read(model.build().toByteArray());

    assertThat(graph.inputs()).hasSize(1);
    assertThat(graph.parameters().values().iterator().next().toFloats()).containsExactly(1, 2);
  }

  @Test
  void unknownOperatorsPassWithTheTypesOfTheFile() {
    ModelProto.Builder model = model();
    model.addOpsetImportBuilder().setDomain("foreign").setVersion(3);
    model
        .getGraphBuilder()
        .setNode(0, node("Strange", "m", "x").toBuilder().setDomain("foreign"))
        .addNode(node("Add", "y", "m", "w"))
        .addValueInfo(info("m", 2));

    Graph graph = OnnxImporter.read(model.build().toByteArray());

    assertThat(graph.nodes().get(0).op()).isEqualTo(new OpId("foreign", "Strange", 3));
    assertThat(graph.nodes().get(0).output().shape().extents()).containsExactly(2);
    assertThat(GraphText.of(OnnxImporter.read(OnnxExporter.toBytes(graph))))
        .isEqualTo(GraphText.of(graph));
  }

  @Test
  void branchesMayUseTheSameNames() {
    ModelProto.Builder model = model();
    GraphProto branch =
        GraphProto.newBuilder()
            .setName("branch")
            .addNode(node("Relu", "same", "x"))
            .addOutput(info("same", 2))
            .build();
    TypeProto.Builder bool = TypeProto.newBuilder();
    bool.getTensorTypeBuilder().setElemType(9).getShapeBuilder();
    model
        .getGraphBuilder()
        .addInput(ValueInfoProto.newBuilder().setName("c").setType(bool))
        .setNode(
            0,
            node("If", "y", "c").toBuilder()
                .addAttribute(subgraph("then_branch", branch))
                .addAttribute(subgraph("else_branch", branch)));

    Graph graph = OnnxImporter.read(model.build().toByteArray());

    assertThat(graph.nodes().get(0).attributes().graphs())
        .allSatisfy(inner -> assertThat(inner.captures()).hasSize(1));
    assertThat(GraphText.of(OnnxImporter.read(OnnxExporter.toBytes(graph))))
        .isEqualTo(GraphText.of(graph));
  }

  private static AttributeProto subgraph(String name, GraphProto graph) {
    return AttributeProto.newBuilder()
        .setName(name)
        .setType(AttributeProto.AttributeType.GRAPH)
        .setG(graph)
        .build();
  }

  @Test
  void whatIsNotAModelIsRefused() throws IOException {
    byte[] good = model().build().toByteArray();
    Path file = directory.resolve("m.onnx");
    for (int length = 1; length < good.length; length++) {
      byte[] cut = Arrays.copyOf(good, length);
      Files.write(file, cut);
      assertThatThrownBy(() -> OnnxImporter.read(cut)).isInstanceOf(ManticoreException.class);
      assertThatThrownBy(() -> OnnxImporter.read(file)).isInstanceOf(ManticoreException.class);
    }
  }

  @Test
  void filesThatCannotBeReadAreRefused() {
    assertThatThrownBy(() -> OnnxImporter.read(directory.resolve("absent.onnx")))
        .hasFieldOrPropertyWithValue("code", "MNT-ONNX-READ")
        .hasMessageContaining("no such file");
    assertThatThrownBy(() -> OnnxImporter.read(directory))
        .hasFieldOrPropertyWithValue("code", "MNT-ONNX-READ");
  }

  @Test
  void deepNestingIsRefused() {
    GraphProto graph = GraphProto.getDefaultInstance();
    for (int depth = 0; depth < 60; depth++) {
      NodeProto node =
          node("If", "y", "c").toBuilder().addAttribute(subgraph("then_branch", graph)).build();
      graph = GraphProto.newBuilder().addNode(node).build();
    }
    GraphProto deep = graph;

    refused("MNT-ONNX-PARSE", "protobuf", model -> model.setGraph(deep));
  }

  @Test
  void graphsThatAreNotWellFormedAreRefused() {
    invalid("no graph", ModelProto.Builder::clearGraph);
    invalid("'z'", model -> model.getGraphBuilder().setNode(0, node("Add", "y", "x", "z")));
    invalid("'y' twice", model -> model.getGraphBuilder().addNode(node("Relu", "y", "x")));
    invalid("'x' twice", model -> model.getGraphBuilder().addNode(node("Relu", "x", "x")));
    invalid("'w' twice", model -> model.getGraphBuilder().addInitializer(tensor("w")));
    invalid("'q'", model -> model.getGraphBuilder().addOutput(info("q", 2)));
    invalid("no output", model -> model.getGraphBuilder().getNodeBuilder(0).clearOutput());
    invalid("has no type", model -> model.getGraphBuilder().getInputBuilder(0).clearType());
    invalid("does not import", ModelProto.Builder::clearOpsetImport);
    invalid("n' (Add)", model -> model.getGraphBuilder().setInput(0, info("x", 3)));
    invalid(
        "the file says",
        model ->
            model
                .getGraphBuilder()
                .getOutputBuilder(0)
                .getTypeBuilder()
                .getTensorTypeBuilder()
                .setElemType(7));
    invalid(
        "twice",
        model ->
            model
                .getGraphBuilder()
                .getNodeBuilder(0)
                .addAttribute(AttributeProto.newBuilder().setName("a").setI(1))
                .addAttribute(AttributeProto.newBuilder().setName("a").setI(1)));
    invalid("dimension -2", model -> model.getGraphBuilder().setInput(0, info("x", -2)));
  }

  @Test
  void tensorsWhoseDataDoesNotFitAreRefused() {
    Consumer<Consumer<TensorProto.Builder>> bad =
        change ->
            invalid(
                "'w'", model -> change.accept(model.getGraphBuilder().getInitializerBuilder(0)));
    bad.accept(tensor -> tensor.setDims(0, 3));
    bad.accept(tensor -> tensor.setDims(0, -2));
    bad.accept(tensor -> tensor.setDims(0, Long.MAX_VALUE).addDims(Long.MAX_VALUE));
    bad.accept(tensor -> tensor.clearFloatData().setRawData(ByteString.copyFrom(new byte[7])));
    bad.accept(tensor -> tensor.setDataType(7));
  }

  @Test
  void whatGraphsDoNotHoldIsRefused() {
    unsupported("999", model -> model.setIrVersion(999));
    unsupported("'w'", model -> model.getGraphBuilder().getInitializerBuilder(0).setDataType(99));
    unsupported(
        "segment",
        model -> model.getGraphBuilder().getInitializerBuilder(0).getSegmentBuilder().setBegin(1));
    unsupported("training_info", ModelProto.Builder::addTrainingInfoBuilder);
    unsupported(
        "65 dimensions",
        model ->
            model
                .getGraphBuilder()
                .getInitializerBuilder(0)
                .addAllDims(Collections.nCopies(64, 1L)));
    invalid("does not define", model -> model.getGraphBuilder().getNodeBuilder(0).setOverload("o"));
    invalid(
        "not a sparse tensor", model -> model.getGraphBuilder().addSparseInitializer(sparse(0, 0)));
    invalid(
        "not a sparse tensor", model -> model.getGraphBuilder().addSparseInitializer(sparse(0, 9)));
    invalid(
        "does not say what it holds",
        model ->
            model
                .getGraphBuilder()
                .getInputBuilder(0)
                .getTypeBuilder()
                .getSequenceTypeBuilder()
                .getElemTypeBuilder());
    invalid(
        "3 strings",
        model ->
            model
                .getGraphBuilder()
                .getInitializerBuilder(0)
                .clearFloatData()
                .setDataType(8)
                .addStringData(ByteString.EMPTY)
                .addStringData(ByteString.EMPTY)
                .addStringData(ByteString.EMPTY));
  }

  private static SparseTensorProto sparse(long first, long second) {
    return SparseTensorProto.newBuilder()
        .setValues(tensor("s"))
        .setIndices(
            TensorProto.newBuilder()
                .setDataType(7)
                .addDims(2)
                .addInt64Data(first)
                .addInt64Data(second))
        .addDims(3)
        .build();
  }

  @Test
  void allTypedFieldsAreRead() throws IOException {
    Path file = directory.resolve("t.pb");
    TensorProto.Builder half =
        TensorProto.newBuilder().setDataType(ElementType.FLOAT16.onnxNumber()).addDims(2);
    Files.write(file, half.addInt32Data(0x3C00).addInt32Data(0xC000).build().toByteArray());
    assertThat(OnnxTensors.read(file).toFloats()).containsExactly(1, -2);

    TensorProto.Builder unsigned =
        TensorProto.newBuilder().setDataType(ElementType.UINT32.onnxNumber()).addDims(1);
    Files.write(file, unsigned.addUint64Data(0xFFFFFFFFL).build().toByteArray());
    assertThat(OnnxTensors.read(file).toLongs()).containsExactly(0xFFFFFFFFL);

    TensorProto.Builder bool =
        TensorProto.newBuilder().setDataType(ElementType.BOOL.onnxNumber()).addDims(2);
    Files.write(file, bool.addInt32Data(1).addInt32Data(0).build().toByteArray());
    assertThat(OnnxTensors.read(file).toLongs()).containsExactly(1, 0);
  }

  @Test
  void theTensorsOfTheNodeTestsAreRead() {
    Optional<Path> file =
        Fixtures.shared("fixtures/onnx-node-tests/test_acos/test_data_set_0/input_0.pb");
    assumeTrue(file.isPresent(), "no node tests");

    Tensor tensor = OnnxTensors.read(file.orElseThrow());

    assertThat(tensor.elementType()).isEqualTo(ElementType.FLOAT32);
    assertThat(tensor.shape().extents()).containsExactly(3, 4, 5);
  }

  @Test
  void nodesOfMixedVersionsAreNotExported() {
    ModelProto.Builder model = model();
    model.setOpsetImport(0, model.getOpsetImport(0).toBuilder().setVersion(17));
    Graph old = OnnxImporter.read(model.build().toByteArray());
    GraphEditor editor = old.edit();
    editor.output(editor.add(OpId.onnx("Neg"), editor.outputs().get(0)));
    Graph mixed = editor.freeze();

    assertThatThrownBy(() -> OnnxExporter.toBytes(mixed))
        .hasFieldOrPropertyWithValue("code", "MNT-ONNX-OPSET");
  }

  /** An operator that nobody knows may make anything: what follows from a guess is no reason. */
  @Test
  void whatFollowsFromAGuessIsNotHeldAgainstTheFile() {
    ModelProto.Builder model = model();
    model.addOpsetImportBuilder().setDomain("foreign").setVersion(1);
    model
        .getGraphBuilder()
        .setNode(0, node("Strange", "m", "x").toBuilder().setDomain("foreign"))
        .addNode(node("Reshape", "k", "m", "s"))
        .addNode(node("Relu", "y", "k"))
        .addInitializer(
            TensorProto.newBuilder().setName("s").setDataType(7).addDims(1).addInt64Data(2));
    model
        .getGraphBuilder()
        .getOutputBuilder(0)
        .getTypeBuilder()
        .getTensorTypeBuilder()
        .setElemType(11);

    Graph graph = OnnxImporter.read(model.build().toByteArray());

    assertThat(graph.outputs().get(0).elementType()).isEqualTo(ElementType.FLOAT64);
    assertThat(graph.nodes().get(1).output().isGuessed()).isTrue();
  }
}
