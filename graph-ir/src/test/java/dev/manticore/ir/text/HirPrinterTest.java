package dev.manticore.ir.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Origin;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class HirPrinterTest {

  private static final String TEXT =
      """
      hir 1
      graph "example" {
        opset "" 23
        opset "any domain" 1
        opset "test" 1
        metadata "author" = "nobody"
        function test.Twice("scale") graph "twice" {
          opset "" 23
          input %v: f32*
          %w: f32* = Mul(%v, %v) {alpha = ref("scale", 1)}
          output %w
        }
        input %x: f32[batch,2]
        parameter %w: f32[2] = {0.5, -1.0}
        parameter %"big table": f32[100] = <sha256:7a12e561363385e9dfeeab326368731c030ed4b374e7f5897ac819159d2884c5>
        %h: f32[batch,2] = Mul@14(%x, %w)
        %s: f32[2], _ = test.Scan(%h, _, %w) {axes = [0, 1], body = graph "step" {
          opset "" 23
          input %state: f32[?]
          %next: f32[2] = Add(%state, %w)
          output %next
        }, empty = ints[], epsilon = 0.00001, mode = "linear"} "scan" from "tiny" ["a", "b"] by "fuse"
        () = "any domain"."aten::print"(%s)
        output %s
        output %h
      }
      """;

  @Test
  void printsEveryPartOfAGraph() {
    assertThat(HirPrinter.print(example())).isEqualTo(TEXT);
  }

  @Test
  void elidedValuesCannotBeRead() {
    Graph parsed = HirParser.parse(TEXT);
    Tensor table = parsed.parameters().get(parsed.parameter("big table").orElseThrow());

    assertThat(HirPrinter.print(parsed)).isEqualTo(TEXT);
    assertThatThrownBy(table::toFloats)
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("'big table' (f32[100]) were left out");
  }

  @Test
  void elidedValuesComeFromTheResolver() {
    Tensor table = Tensor.ofFloats(Shape.of(100), new float[100]);

    Graph parsed =
        HirParser.parse(
            TEXT,
            elided -> {
              assertThat(elided.name()).isEqualTo("big table");
              return table;
            });

    assertThat(parsed.parameters().get(parsed.parameter("big table").orElseThrow()))
        .isSameAs(table);
  }

  @Test
  void theSizesOfTensorsThatAreElidedCanBeChosen() {
    assertThat(HirPrinter.print(example(), HirPrinter.Tensors.ALL)).doesNotContain("sha256");
    assertThat(HirPrinter.print(example(), HirPrinter.Tensors.NONE))
        .contains("parameter %w: f32[2] = <elided>", "= <elided>")
        .doesNotContain("sha256");
  }

  private static Graph example() {
    GraphEditor editor = new GraphEditor("example");
    editor.opset("", 23);
    editor.metadata("author", "nobody");
    editor.function(
        new Graph.Function(new OpId("test", "Twice", 1), ImmutableList.of("scale"), twice()));
    TensorType rows = new TensorType(ElementType.FLOAT32, Shape.of(Dim.of("batch"), Dim.of(2)));
    Value x = editor.input("x", rows);
    Value w = editor.parameter("w", Tensor.ofFloats(Shape.of(2), 0.5f, -1));
    editor.parameter("big table", Tensor.ofFloats(Shape.of(100), new float[100]));
    Value h = new Value("h", rows);
    editor.addNode(
        Node.of(
            new OpId("", "Mul", 14),
            "h",
            Attributes.NONE,
            ImmutableList.of(x, w),
            ImmutableList.of(h)));
    GraphEditor step = editor.subgraph("step");
    Value state = step.input("state", new TensorType(ElementType.FLOAT32, Shape.of(Dim.UNKNOWN)));
    Value next = new Value(step.freshName("next"), TensorType.of(ElementType.FLOAT32, 2));
    step.addNode(
        Node.of(
            OpId.onnx("Add"),
            "next",
            Attributes.NONE,
            ImmutableList.of(state, w),
            ImmutableList.of(next)));
    step.output(next);
    Value s = new Value("s", TensorType.of(ElementType.FLOAT32, 2));
    editor.addNode(
        new Node(
            new OpId("test", "Scan", 1),
            "scan",
            Attributes.of("axes", Attribute.ofInts(0, 1))
                .with("body", Attribute.of(step.freeze()))
                .with("empty", Attribute.ofInts())
                .with("epsilon", Attribute.of(1e-5f))
                .with("mode", Attribute.of("linear")),
            ImmutableList.of(Optional.of(h), Optional.empty(), Optional.of(w)),
            ImmutableList.of(Optional.of(s), Optional.empty()),
            new Origin("tiny", ImmutableList.of("a", "b"), "fuse")));
    editor.addNode(
        Node.of(
            new OpId("any domain", "aten::print", 1),
            "",
            Attributes.NONE,
            ImmutableList.of(s),
            ImmutableList.of()));
    editor.output(s);
    editor.output(h);
    return editor.freeze();
  }

  private static Graph twice() {
    GraphEditor editor = new GraphEditor("twice");
    TensorType type = new TensorType(ElementType.FLOAT32, Shape.unranked());
    Value v = editor.input("v", type);
    Value w = new Value("w", type);
    editor.addNode(
        Node.of(
            OpId.onnx("Mul"),
            "w",
            Attributes.of("alpha", new Attribute.Reference("scale", 1)),
            ImmutableList.of(v, v),
            ImmutableList.of(w)));
    editor.output(w);
    return editor.freeze();
  }
}
