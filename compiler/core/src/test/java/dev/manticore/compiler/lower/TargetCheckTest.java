package dev.manticore.compiler.lower;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.compiler.FixtureModels;
import dev.manticore.compiler.decode.DecoderBuilder;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.List;
import java.util.function.BiFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class TargetCheckTest {

  @ParameterizedTest
  @MethodSource("dev.manticore.compiler.FixtureModels#all")
  void modelsAndDecodersOfACapacityRunEverywhere(String name) {
    Graph model = FixtureModels.load(name);
    Graph whole = Lowering.portable(model);
    Graph decoder = Lowering.portable(DecoderBuilder.withCapacity(model, 32).graph());
    Graph growing = Lowering.portable(DecoderBuilder.build(model).graph());

    for (Target target : Target.values()) {
      assertThat(TargetCheck.check(whole, target)).as(target + ", whole").isEmpty();
      assertThat(TargetCheck.check(decoder, target)).as(target + ", decoder").isEmpty();
    }
    assertThat(TargetCheck.check(growing, Target.ONNXRUNTIME_CPU)).isEmpty();
  }

  @Test
  void positionsThatAreCountedInIntegersAreNothingForTensorRt() {
    Graph model = FixtureModels.load("huggingface/gpt-neo");
    Graph growing = Lowering.portable(DecoderBuilder.build(model).graph());

    List<Objection> objections = TargetCheck.check(growing, Target.TENSORRT_10);

    assertThat(objections).hasSize(1);
    assertThat(objections.get(0).rule()).isEqualTo("type");
    assertThat(objections.get(0).reason()).contains("CumSum").contains("INT64");
    assertThatThrownBy(() -> TargetCheck.require(growing, Target.TENSORRT_10))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("tensorrt-10 does not run")
        .hasMessageContaining("CumSum");
  }

  record Case(
      String rule, Target target, ElementType type, BiFunction<Ops, Value, Value> computation) {
    @Override
    public String toString() {
      return target + " " + rule + " " + type;
    }
  }

  static Stream<Case> refused() {
    Target trt = Target.TENSORRT_10;
    ElementType f32 = ElementType.FLOAT32;
    return Stream.of(
        new Case("operator", trt, f32, (ops, x) -> ops.onnx("Swish", x)),
        new Case("operator", trt, f32, (ops, x) -> ops.onnx("Det", x)),
        new Case("domain", trt, f32, (ops, x) -> microsoft(ops, x)),
        new Case("type", trt, ElementType.FLOAT64, (ops, x) -> ops.exp(x)),
        new Case("type", trt, ElementType.INT32, (ops, x) -> ops.matMul(x, x)),
        new Case("constant-input", trt, f32, (ops, x) -> ops.onnx("ReduceSum", x, axes(ops))),
        new Case("constant-input", trt, f32, (ops, x) -> ops.onnx("Unsqueeze", x, axes(ops))),
        new Case(
            "attribute",
            trt,
            f32,
            (ops, x) ->
                ops.onnx(
                    "ScatterND",
                    Attributes.of("reduction", Attribute.of("add")),
                    x,
                    ops.reshape(ops.ints(0), 1, 1),
                    ops.slice(x, 0, 0, 1))),
        new Case("type", Target.ONNXRUNTIME_CPU, ElementType.BFLOAT16, (ops, x) -> ops.exp(x)),
        new Case(
            "type", Target.ONNXRUNTIME_CUDA, ElementType.BFLOAT16, (ops, x) -> ops.onnx("Log", x)));
  }

  private static Value microsoft(Ops ops, Value x) {
    return ops.editor().add(OpId.microsoft("FusedMatMul"), x, x);
  }

  private static Value axes(Ops ops) {
    return ops.editor().input("axes", TensorType.of(ElementType.INT64, 1));
  }

  @ParameterizedTest
  @MethodSource("refused")
  void whatATargetRefusesIsNamed(Case refused) {
    Graph graph = graph(refused.type(), refused.computation());

    assertThat(TargetCheck.check(graph, refused.target()))
        .extracting(Objection::rule)
        .containsExactly(refused.rule());
  }

  static Stream<Case> taken() {
    return Stream.of(
        new Case("", Target.TENSORRT_11, ElementType.FLOAT16, (ops, x) -> ops.onnx("Sigmoid", x)),
        new Case("", Target.ONNXRUNTIME_CUDA, ElementType.BFLOAT16, (ops, x) -> ops.exp(x)),
        new Case("", Target.ONNXRUNTIME_CPU, ElementType.FLOAT16, (ops, x) -> ops.matMul(x, x)),
        new Case("", Target.ONNXRUNTIME_CPU, ElementType.FLOAT32, (ops, x) -> microsoft(ops, x)),
        new Case(
            "",
            Target.TENSORRT_10,
            ElementType.FLOAT32,
            // What follows from constants is constant.
            (ops, x) -> ops.onnx("ReduceSum", x, ops.mul(ops.ints(1), ops.ints(1)))));
  }

  @ParameterizedTest
  @MethodSource("taken")
  void whatATargetTakesIsLeftAlone(Case taken) {
    assertThat(TargetCheck.check(graph(taken.type(), taken.computation()), taken.target()))
        .isEmpty();
  }

  @Test
  void anUnknownTargetIsTold() {
    assertThat(Target.of("tensorrt-11")).isEqualTo(Target.TENSORRT_11);
    assertThatThrownBy(() -> Target.of("tensorrt"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("onnxruntime-cuda, tensorrt-10");
  }

  private static Graph graph(ElementType type, BiFunction<Ops, Value, Value> computation) {
    GraphEditor editor = new GraphEditor("graph");
    Ops ops = new Ops(editor);
    Value x = editor.input("x", new TensorType(type, Shape.of(Dim.of(4), Dim.of(4))));
    editor.output(computation.apply(ops, x));
    return editor.freeze();
  }
}
