package dev.manticore.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Origin;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.onnx.proto.AttributeProto;
import dev.manticore.onnx.proto.FunctionProto;
import dev.manticore.onnx.proto.ModelProto;
import dev.manticore.onnx.proto.NodeProto;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

class FunctionsTest {

  private static final TensorType BATCHED =
      new TensorType(ElementType.FLOAT32, Shape.of(Dim.of("batch"), Dim.of("length"), Dim.of(4)));

  /** Two projectors into a mixture, twice, the second of three values; scan and convolution. */
  static Graph ours() {
    GraphEditor editor = new GraphEditor("hybrid");
    Value x = editor.input("x", BATCHED);
    Value weight = editor.parameter("weight", random(6, 4));
    Value bias = editor.parameter("bias", random(6));
    Value gate = editor.parameter("gate", random(1));
    Value alpha = editor.parameter("alpha", random(2));
    Value alpha3 = editor.parameter("alpha3", random(3));
    Value kernel = editor.parameter("kernel", random(4, 1, 3));
    Value wide = editor.parameter("wide", random(4, 1, 5));
    Value a = editor.parameter("A", random(4, 2));
    Value b = editor.input("b", batched(2));
    Value projected = editor.add(OpId.manticore("Projector"), x, weight, bias, gate);
    Value again = editor.add(OpId.manticore("Projector"), x, weight, bias, gate);
    Value two = editor.add(OpId.manticore("Mixture"), alpha, projected, x);
    Value three = editor.add(OpId.manticore("Mixture"), alpha3, again, x, two);
    Value convolved = editor.add(OpId.manticore("CausalConv"), x, kernel);
    Value wider = editor.add(OpId.manticore("CausalConv"), convolved, wide);
    Value scanned = editor.add(OpId.manticore("SelectiveScan"), wider, x, a, b, b);
    Value steps = editor.input("steps", batched(2));
    Value decays = editor.parameter("decays", random(2));
    Attributes dual = Attributes.of("heads", 2).with("groups", 2).with("chunk_size", 3);
    Value first = editor.add(OpId.manticore("StateSpaceDual"), dual, x, steps, decays, b, b);
    Value second =
        editor.add(
            OpId.manticore("StateSpaceDual"),
            dual.with("chunk_size", 4),
            first,
            steps,
            decays,
            b,
            b);
    editor.output(three);
    editor.output(scanned);
    editor.output(second);
    Value labels =
        editor.input(
            "labels",
            new TensorType(ElementType.INT64, Shape.of(Dim.of("batch"), Dim.of("length"))));
    editor.output(
        editor
            .add(
                OpId.manticore("CrossEntropy"),
                "loss",
                Attributes.NONE,
                List.of(Optional.of(scanned), Optional.of(labels)),
                2)
            .get(0));
    return editor.freeze();
  }

  private static TensorType batched(long width) {
    return BATCHED.withShape(Shape.of(Dim.of("batch"), Dim.of("length"), Dim.of(width)));
  }

  private static Tensor random(long... extents) {
    Shape shape = Shape.of(extents);
    float[] values = new float[(int) shape.elementCount()];
    Random random = new Random(values.length);
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextFloat() - 0.5f;
    }
    return Tensor.ofFloats(shape, values);
  }

  @Test
  void ourOperatorsBecomeFunctionsThatShareBodies() {
    Graph exported = OnnxFunctions.define(ours());

    assertThat(exported.functions().stream().map(function -> function.op().name()))
        .containsExactly(
            "Projector",
            "Mixture2",
            "Mixture3",
            "CausalConv",
            "CausalConv_2",
            "SelectiveScan",
            "StateSpaceDual",
            "StateSpaceDual_2",
            "CrossEntropy");
    assertThat(exported.nodes().stream().map(node -> node.op().name()))
        .containsExactly(
            "Projector",
            "Projector",
            "Mixture2",
            "Mixture3",
            "CausalConv",
            "CausalConv_2",
            "SelectiveScan",
            "StateSpaceDual",
            "StateSpaceDual_2",
            "CrossEntropy");
  }

  @Test
  void ourOperatorsAreRecognisedByTheirBodies() {
    Graph graph = ours();

    Graph read = OnnxImporter.read(OnnxExporter.toBytes(OnnxFunctions.define(graph)));

    assertThat(read.functions()).isEmpty();
    assertThat(GraphText.of(read)).isEqualTo(GraphText.of(graph));
  }

  @Test
  void aFunctionOfOurNameWithAnotherBodyIsInlined() throws Exception {
    ModelProto model = ModelProto.parseFrom(OnnxExporter.toBytes(OnnxFunctions.define(ours())));
    ModelProto.Builder changed = model.toBuilder();
    for (FunctionProto.Builder function : changed.getFunctionsBuilderList()) {
      if (function.getName().equals("Projector")) {
        function.clearNode();
        function.addNode(
            NodeProto.newBuilder()
                .setOpType("Identity")
                .addInput(function.getInput(0))
                .addOutput(function.getOutput(0)));
      }
    }

    Graph read = OnnxImporter.read(changed.build().toByteArray());

    assertThat(read.nodes().stream().map(node -> node.op().name()))
        .contains("Identity", "Mixture")
        .doesNotContain("Projector");
    assertThat(read.functions()).isEmpty();
  }

  /** y = LeakyRelu(LeakyRelu(x, slope), 0.5), through two levels of functions. */
  private static ModelProto.Builder nested() throws Exception {
    GraphEditor editor = new GraphEditor("nested");
    Value x = editor.input("x", TensorType.of(ElementType.FLOAT32, 3));
    Value y = new Value("y", x.type());
    editor.addNode(
        new Node(
            new OpId("local", "Outer", 1),
            "call",
            Attributes.of("slope", Attribute.of(0.25f)),
            ImmutableList.of(Optional.of(x)),
            ImmutableList.of(Optional.of(y)),
            Origin.NONE));
    editor.output(y);
    editor.opset("", OpId.OPSET);
    ModelProto.Builder model =
        ModelProto.parseFrom(OnnxExporter.toBytes(editor.freeze())).toBuilder();
    FunctionProto.Builder outer =
        FunctionProto.newBuilder()
            .setName("Outer")
            .setDomain("local")
            .addInput("in")
            .addOutput("out")
            .addAttribute("slope");
    outer.addOpsetImportBuilder().setDomain("local").setVersion(1);
    outer.addNode(call("in", "middle", reference("slope")));
    outer.addNode(call("middle", "out", null));
    FunctionProto.Builder inner =
        FunctionProto.newBuilder()
            .setName("Inner")
            .setDomain("local")
            .addInput("in")
            .addOutput("out")
            .addAttributeProto(
                AttributeProto.newBuilder()
                    .setName("alpha")
                    .setType(AttributeProto.AttributeType.FLOAT)
                    .setF(0.5f));
    inner.addOpsetImportBuilder().setDomain("").setVersion(OpId.OPSET);
    inner.addNode(
        NodeProto.newBuilder()
            .setOpType("LeakyRelu")
            .addInput("in")
            .addOutput("out")
            .addAttribute(reference("alpha")));
    return model.addFunctions(outer).addFunctions(inner);
  }

  private static NodeProto call(String in, String out, AttributeProto attribute) {
    NodeProto.Builder node =
        NodeProto.newBuilder().setOpType("Inner").setDomain("local").addInput(in).addOutput(out);
    if (attribute != null) {
      node.addAttribute(attribute);
    }
    return node.build();
  }

  private static AttributeProto reference(String name) {
    return AttributeProto.newBuilder()
        .setName("alpha")
        .setRefAttrName(name)
        .setType(AttributeProto.AttributeType.FLOAT)
        .build();
  }

  @Test
  void foreignFunctionsAreInlinedWithTheirAttributes() throws Exception {
    Graph graph = OnnxImporter.read(nested().build().toByteArray());

    List<Node> nodes = graph.nodes();
    assertThat(nodes).hasSize(2).allMatch(node -> node.op().isOnnx("LeakyRelu"));
    assertThat(nodes.get(0).attributes().floatValue("alpha", 0)).isEqualTo(0.25f);
    assertThat(nodes.get(1).attributes().floatValue("alpha", 0)).isEqualTo(0.5f);
    assertThat(nodes.get(0).output().name()).isEqualTo("y/middle");
    assertThat(graph.outputs().get(0).name()).isEqualTo("y");
  }

  @Test
  void keptFunctionsComeBack() throws Exception {
    byte[] bytes = nested().build().toByteArray();

    Graph graph = OnnxImporter.read(bytes, Optional.empty(), OnnxImporter.Functions.KEEP);
    byte[] exported = OnnxExporter.toBytes(graph);
    Graph again = OnnxImporter.read(exported, Optional.empty(), OnnxImporter.Functions.KEEP);

    assertThat(graph.functions()).hasSize(2);
    assertThat(GraphText.of(again)).isEqualTo(GraphText.of(graph));
    assertThat(GraphText.of(OnnxImporter.read(exported)))
        .isEqualTo(GraphText.of(OnnxImporter.read(bytes)));
  }

  @Test
  void functionsThatCallEachOtherInACircleAreRefused() throws Exception {
    ModelProto.Builder model = nested();
    model.getFunctionsBuilder(1).clearNode().addNode(call("in", "out", null));
    model.getFunctionsBuilder(1).addOpsetImportBuilder().setDomain("local").setVersion(1);

    assertThatThrownBy(() -> OnnxImporter.read(model.build().toByteArray()))
        .hasFieldOrPropertyWithValue("code", "MNT-ONNX-INVALID")
        .hasMessageContaining("call each other");
  }
}
