package dev.manticore.ir.rewrite;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every rule of the normal form, alone: what it matches and what it leaves, and that the results of
 * the reference interpreter stay the same.
 */
class RulesTest {

  private enum Expectation {
    FIRES,
    LEAVES
  }

  /** A graph, and whether one rule changes it. */
  private record Case(
      String rule,
      Expectation expectation,
      Function<Sketch, Graph> graph,
      Function<Sketch, Graph> reference) {

    Case(String rule, Expectation expectation, Function<Sketch, Graph> graph) {
      this(rule, expectation, graph, graph);
    }

    @Override
    public String toString() {
      return rule + " " + expectation;
    }
  }

  private static Case fires(String rule, Function<Sketch, Value> value) {
    return new Case(rule, Expectation.FIRES, sketch -> sketch.finish(value.apply(sketch)));
  }

  private static Case leaves(String rule, Function<Sketch, Value> value) {
    return new Case(rule, Expectation.LEAVES, sketch -> sketch.finish(value.apply(sketch)));
  }

  /** Of an operator that the interpreter does not know: what it stands for is said beside it. */
  private static Case firesLike(
      String rule, Function<Sketch, Value> value, Function<Sketch, Value> reference) {
    return new Case(
        rule,
        Expectation.FIRES,
        sketch -> sketch.finish(value.apply(sketch)),
        sketch -> sketch.finish(reference.apply(sketch)));
  }

  @ParameterizedTest
  @MethodSource("cases")
  void changesWhatItShouldAndNothingElse(Case given) {
    Graph before = given.graph().apply(new Sketch());
    Rule rule =
        Canonicalise.rules().stream()
            .filter(candidate -> candidate.name().equals(given.rule()))
            .findFirst()
            .orElseThrow();
    Explanation explanation = Explanation.counting();

    Graph after =
        new Rewrite("test", ImmutableSet.of(), ImmutableList.of(rule)).run(before, explanation);

    assertThat(explanation.fired().containsKey(given.rule()))
        .as(given.toString())
        .isEqualTo(given.expectation() == Expectation.FIRES);
    Graph reference = given.reference().apply(new Sketch());
    Results.assertSame(reference, after);
    Results.assertSame(reference, new Canonicalise().run(before));
  }

  @Test
  void everyRuleHasCasesThatItMatchesAndCasesThatItLeaves() {
    for (Expectation expectation : Expectation.values()) {
      assertThat(
              cases()
                  .filter(given -> given.expectation() == expectation)
                  .map(Case::rule)
                  .collect(Collectors.toSet()))
          .as(expectation.name())
          .isEqualTo(Canonicalise.rules().stream().map(Rule::name).collect(Collectors.toSet()));
    }
  }

  @Test
  void namesOfRulesAreUnique() {
    assertThat(Canonicalise.rules().stream().map(Rule::name)).doesNotHaveDuplicates();
  }

  static Stream<Case> cases() {
    List<Case> all = new ArrayList<>();
    cleanUp(all);
    norms(all);
    activations(all);
    linear(all);
    ofMicrosoft(all);
    attention(all);
    shapes(all);
    transpositions(all);
    return all.stream();
  }

  private static void cleanUp(List<Case> all) {
    all.add(fires("identity", g -> g.op("Identity", g.x)));
    all.add(leaves("identity", g -> g.op("Abs", g.x)));
    all.add(fires("dropout", g -> g.op("Dropout", g.x)));
    all.add(fires("dropout", g -> g.op("Dropout", g.x, g.c(0.5), bool(g, false))));
    all.add(
        new Case(
            "dropout",
            Expectation.LEAVES,
            g -> g.finish(g.all("Dropout", 2, g.x).toArray(Value[]::new))));
    all.add(fires("cast-to-same", g -> g.op("Cast", Attributes.of("to", 1), g.x)));
    all.add(leaves("cast-to-same", g -> g.op("Cast", Attributes.of("to", 11), g.x)));
    all.add(
        fires(
            "cast-by-a-wider-type",
            g -> g.ops.cast(g.ops.cast(g.x, ElementType.FLOAT64), ElementType.FLOAT32)));
    all.add(
        leaves(
            "cast-by-a-wider-type",
            g -> g.ops.cast(g.ops.cast(g.x, ElementType.INT64), ElementType.FLOAT32)));
    all.add(fires("expand-to-same", g -> g.op("Expand", g.x, g.ints(1, 1, 8))));
    all.add(leaves("expand-to-same", g -> g.op("Expand", g.vector, g.ints(4, 8))));
    all.add(fires("negated-twice", g -> g.ops.neg(g.ops.neg(g.x))));
    all.add(leaves("negated-twice", g -> g.ops.neg(g.op("Abs", g.x))));
    all.add(fires("add-nothing", g -> g.ops.add(g.x, g.op("ConstantOfShape", g.op("Shape", g.x)))));
    all.add(leaves("add-nothing", g -> g.ops.add(g.x, 1)));
    all.add(leaves("add-nothing", g -> g.ops.add(g.vector, g.op("ConstantOfShape", g.ints(3, 8)))));
    all.add(fires("subtract-nothing", g -> g.ops.sub(g.x, g.c(0))));
    all.add(leaves("subtract-nothing", g -> g.ops.sub(g.x, g.c(1))));
    all.add(fires("times-one", g -> g.ops.mul(g.x, 1)));
    all.add(leaves("times-one", g -> g.ops.mul(g.x, 2)));
    all.add(fires("divided-by-one", g -> g.ops.div(g.x, g.c(1))));
    all.add(leaves("divided-by-one", g -> g.ops.div(g.x, g.c(2))));
    all.add(fires("to-the-first-power", g -> g.op("Pow", g.x, g.c(1))));
    all.add(leaves("to-the-first-power", g -> g.op("Pow", g.x, g.c(2))));
    all.add(
        fires(
            "where-always",
            g -> {
              Value range = g.op("Range", g.scalar(0), g.length(), g.scalar(1));
              return g.ops.where(
                  g.ops.unsqueeze(g.op("LessOrEqual", range, range), 1), g.x, g.c(7));
            }));
    all.add(leaves("where-always", g -> g.ops.where(g.op("Greater", g.x, g.y), g.x, g.c(7))));
    all.add(fires("default-attributes", g -> g.op("Softmax", Attributes.of("axis", -1), g.x)));
    all.add(leaves("default-attributes", g -> g.op("Softmax", Attributes.of("axis", 1), g.x)));
    all.add(fires("axis", g -> g.op("Softmax", Attributes.of("axis", 2), g.x)));
    all.add(fires("axis", g -> g.ops.concat(-1, g.x, g.y)));
    all.add(leaves("axis", g -> g.ops.concat(2, g.x, g.y)));
  }

  private static Value bool(Sketch g, boolean value) {
    return g.editor.constant(Tensor.ofDoubles(ElementType.BOOL, Shape.scalar(), value ? 1 : 0));
  }

  private static Value normalised(Sketch g, Value scale) {
    Value centred = g.ops.sub(g.x, g.mean(g.x));
    Value variance = g.mean(g.op("Pow", centred, g.c(2)));
    return g.ops.mul(g.ops.div(centred, g.ops.sqrt(g.ops.add(variance, 1e-5))), scale);
  }

  private static void norms(List<Case> all) {
    all.add(fires("layer-norm", g -> normalised(g, g.vector)));
    all.add(
        fires(
            "layer-norm",
            g -> {
              Value centred = g.ops.sub(g.x, g.mean(g.x));
              Value variance = g.mean(g.ops.mul(centred, centred));
              Value deviation = g.ops.sqrt(g.ops.add(variance, 1e-5));
              return g.ops.mul(g.vector, g.ops.mul(g.ops.reciprocal(deviation), centred));
            }));
    all.add(leaves("layer-norm", g -> normalised(g, g.y)));
    all.add(
        leaves(
            "layer-norm",
            g -> {
              Value centred = g.ops.sub(g.x, g.mean(g.y));
              Value variance = g.mean(g.op("Pow", centred, g.c(2)));
              return g.ops.mul(g.ops.div(centred, g.ops.sqrt(g.ops.add(variance, 1e-5))), g.vector);
            }));
    all.add(
        fires(
            "layer-norm-bias",
            g -> g.ops.add(g.op("LayerNormalization", g.x, g.vector), g.vector)));
    all.add(
        leaves("layer-norm-bias", g -> g.ops.add(g.op("LayerNormalization", g.x, g.vector), g.y)));
    all.add(fires("rms-norm", g -> rms(g, g.ops.mul(g.x, g.x), g.vector)));
    all.add(fires("rms-norm", g -> rms(g, g.op("Pow", g.x, g.c(2)), g.vector)));
    all.add(leaves("rms-norm", g -> rms(g, g.ops.mul(g.y, g.y), g.vector)));
    all.add(leaves("rms-norm", g -> rms(g, g.op("Pow", g.x, g.c(3)), g.vector)));
    all.add(fires("square-root", g -> g.op("Pow", g.x, g.c(0.5))));
    all.add(leaves("square-root", g -> g.op("Pow", g.x, g.c(0.25))));
  }

  private static Value rms(Sketch g, Value square, Value scale) {
    Value deviation = g.ops.sqrt(g.ops.add(g.mean(square), 1e-5));
    return g.ops.mul(scale, g.ops.mul(g.x, g.ops.reciprocal(deviation)));
  }

  private static Value erf(Sketch g, double factor) {
    return g.ops.add(g.op("Erf", g.ops.mul(g.x, factor)), 1);
  }

  private static Value tanh(Sketch g, double small) {
    Value cube = g.op("Pow", g.x, g.c(3));
    Value argument = g.ops.mul(g.ops.add(g.x, g.ops.mul(cube, small)), Math.sqrt(2 / Math.PI));
    return g.ops.add(g.ops.tanh(argument), 1);
  }

  private static void activations(List<Case> all) {
    double root = Math.sqrt(0.5);
    all.add(fires("gelu", g -> g.ops.mul(g.ops.mul(g.x, 0.5), erf(g, root))));
    all.add(leaves("gelu", g -> g.ops.mul(g.ops.mul(g.x, 0.5), erf(g, 0.7))));
    all.add(leaves("gelu", g -> g.ops.mul(g.ops.mul(g.y, 0.5), erf(g, root))));
    all.add(fires("gelu-factor-halved", g -> g.ops.mul(g.x, g.ops.mul(erf(g, root), 0.5))));
    all.add(leaves("gelu-factor-halved", g -> g.ops.mul(g.y, g.ops.mul(erf(g, root), 0.5))));
    all.add(fires("gelu-product-halved", g -> g.ops.mul(g.ops.mul(g.x, erf(g, root)), 0.5)));
    all.add(leaves("gelu-product-halved", g -> g.ops.mul(g.ops.mul(g.x, erf(g, root)), 0.6)));
    all.add(fires("gelu-tanh", g -> g.ops.mul(g.ops.mul(g.x, 0.5), tanh(g, 0.044715))));
    all.add(
        fires(
            "gelu-tanh",
            g -> {
              Value square = g.ops.mul(g.x, g.x);
              Value cube = g.ops.mul(g.ops.mul(square, 0.044715), g.x);
              Value argument = g.ops.mul(g.ops.add(g.x, cube), Math.sqrt(2 / Math.PI));
              return g.ops.mul(g.ops.add(g.ops.tanh(argument), 1), g.ops.mul(g.x, 0.5));
            }));
    all.add(
        fires(
            "gelu-tanh",
            g -> {
              Value onePlus = g.ops.add(g.ops.mul(g.ops.mul(g.x, 0.044715), g.x), 1);
              Value argument = g.ops.mul(g.ops.mul(g.x, Math.sqrt(2 / Math.PI)), onePlus);
              return g.ops.mul(g.ops.mul(g.x, 0.5), g.ops.add(g.ops.tanh(argument), 1));
            }));
    all.add(leaves("gelu-tanh", g -> g.ops.mul(g.ops.mul(g.x, 0.5), tanh(g, 0.05))));
    all.add(
        fires("gelu-tanh-factor-halved", g -> g.ops.mul(g.x, g.ops.mul(tanh(g, 0.044715), 0.5))));
    all.add(leaves("gelu-tanh-factor-halved", g -> g.ops.mul(g.x, g.ops.mul(tanh(g, 0.04), 0.5))));
    all.add(
        fires("gelu-tanh-product-halved", g -> g.ops.mul(g.ops.mul(g.x, tanh(g, 0.044715)), 0.5)));
    all.add(
        leaves("gelu-tanh-product-halved", g -> g.ops.mul(g.ops.mul(g.y, tanh(g, 0.044715)), 0.5)));
    all.add(fires("sigmoid", g -> g.ops.div(g.c(1), g.ops.add(g.ops.exp(g.ops.neg(g.x)), 1))));
    all.add(leaves("sigmoid", g -> g.ops.div(g.c(1), g.ops.add(g.ops.exp(g.x), 1))));
    all.add(
        fires(
            "sigmoid-by-reciprocal",
            g -> g.ops.reciprocal(g.ops.add(g.ops.exp(g.ops.neg(g.x)), 1))));
    all.add(
        leaves(
            "sigmoid-by-reciprocal",
            g -> g.ops.reciprocal(g.ops.add(g.ops.exp(g.ops.neg(g.x)), 2))));
    all.add(
        fires("silu-by-quotient", g -> g.ops.div(g.x, g.ops.add(g.ops.exp(g.ops.neg(g.x)), 1))));
    all.add(
        leaves("silu-by-quotient", g -> g.ops.div(g.x, g.ops.add(g.ops.exp(g.ops.neg(g.y)), 1))));
    all.add(fires("softplus", g -> g.op("Log", g.ops.add(g.ops.exp(g.x), 1))));
    all.add(leaves("softplus", g -> g.op("Log", g.ops.add(g.ops.exp(g.x), 2))));
    all.add(
        fires(
            "softplus-without-overflow",
            g ->
                g.ops.add(
                    g.op("Relu", g.x),
                    g.op("Log", g.ops.add(g.ops.exp(g.ops.neg(g.op("Abs", g.x))), 1)))));
    all.add(
        leaves(
            "softplus-without-overflow",
            g ->
                g.ops.add(
                    g.op("Relu", g.y),
                    g.op("Log", g.ops.add(g.ops.exp(g.ops.neg(g.op("Abs", g.x))), 1)))));
  }

  private static void linear(List<Case> all) {
    all.add(
        fires(
            "gemm",
            g ->
                g.op(
                    "Gemm",
                    Attributes.of("transA", 1)
                        .with("transB", 1)
                        .with("alpha", Attribute.of(2f))
                        .with("beta", Attribute.of(3f)),
                    g.matrix,
                    g.ops.transpose(g.ops.transpose(g.table, 1, 0), 1, 0),
                    g.parameter("bias", 5))));
    all.add(leaves("gemm", g -> g.ops.matMul(g.x, g.matrix)));
    all.add(
        fires(
            "outer-product", g -> g.ops.matMul(g.ops.unsqueeze(g.x, 3), g.ops.unsqueeze(g.y, 2))));
    all.add(leaves("outer-product", g -> g.ops.matMul(g.x, g.matrix)));
    all.add(fires("divided-by-constant", g -> g.ops.div(g.x, g.c(3))));
    all.add(leaves("divided-by-constant", g -> g.ops.div(g.x, g.y)));
    all.add(
        leaves("divided-by-constant", g -> g.ops.div(g.ops.unsqueeze(g.length(), 0), g.scalar(2))));
    all.add(fires("scaled-twice", g -> g.ops.mul(g.ops.mul(g.x, 2), 3)));
    all.add(leaves("scaled-twice", g -> g.ops.mul(g.ops.mul(g.x, g.y), 3)));
    all.add(fires("scaled-left-operand", g -> g.ops.matMul(g.ops.mul(g.x, 2), g.matrix)));
    all.add(leaves("scaled-left-operand", g -> g.ops.matMul(g.ops.mul(g.x, g.y), g.matrix)));
    all.add(
        fires(
            "scaled-right-operand",
            g -> g.ops.matMul(g.x, g.ops.mul(g.ops.transpose(g.y, 0, 2, 1), 2))));
    all.add(leaves("scaled-right-operand", g -> g.ops.matMul(g.x, g.ops.transpose(g.y, 0, 2, 1))));
    all.add(
        fires(
            "scaled-transposed-left-operand",
            g -> g.ops.matMul(g.ops.transpose(g.ops.mul(g.x, 2), 0, 2, 1), g.y)));
    all.add(
        leaves(
            "scaled-transposed-left-operand",
            g -> g.ops.matMul(g.ops.transpose(g.ops.add(g.x, 2), 0, 2, 1), g.y)));
    all.add(
        fires(
            "scaled-transposed-right-operand",
            g -> g.ops.matMul(g.x, g.ops.transpose(g.ops.mul(g.y, 2), 0, 2, 1))));
    all.add(
        leaves(
            "scaled-transposed-right-operand",
            g -> g.ops.matMul(g.x, g.ops.transpose(g.ops.add(g.y, 2), 0, 2, 1))));
    all.add(fires("parameter-last", g -> g.ops.add(g.vector, g.x)));
    all.add(leaves("parameter-last", g -> g.ops.add(g.x, g.vector)));
    all.add(leaves("parameter-last", g -> g.ops.sub(g.vector, g.x)));
  }

  private static void ofMicrosoft(List<Case> all) {
    Attributes tanh = Attributes.of("approximate", Attribute.of("tanh"));
    all.add(
        firesLike(
            "gelu-of-microsoft",
            g -> g.microsoft("Gelu", Attributes.NONE, g.x),
            g -> g.op("Gelu", g.x)));
    all.add(leaves("gelu-of-microsoft", g -> g.op("Gelu", g.x)));
    all.add(
        firesLike(
            "fast-gelu-of-microsoft",
            g -> g.microsoft("FastGelu", Attributes.NONE, g.x),
            g -> g.op("Gelu", tanh, g.x)));
    all.add(leaves("fast-gelu-of-microsoft", g -> g.op("Gelu", tanh, g.x)));
    all.add(
        firesLike(
            "fast-gelu-with-bias-of-microsoft",
            g -> g.microsoft("FastGelu", Attributes.NONE, g.x, g.vector),
            g -> g.op("Gelu", tanh, g.ops.add(g.x, g.vector))));
    all.add(
        leaves(
            "fast-gelu-with-bias-of-microsoft", g -> g.op("Gelu", tanh, g.ops.add(g.x, g.vector))));
    all.add(
        firesLike(
            "bias-gelu-of-microsoft",
            g -> g.microsoft("BiasGelu", Attributes.NONE, g.x, g.vector),
            g -> g.op("Gelu", g.ops.add(g.x, g.vector))));
    all.add(leaves("bias-gelu-of-microsoft", g -> g.op("Gelu", g.ops.add(g.x, g.vector))));
    all.add(
        firesLike(
            "silu-of-microsoft",
            g -> g.microsoft("QuickGelu", Attributes.of("alpha", Attribute.of(1f)), g.x),
            g -> g.ops.mul(g.x, g.ops.sigmoid(g.x))));
    all.add(leaves("silu-of-microsoft", g -> g.ops.mul(g.x, g.ops.sigmoid(g.x))));
    all.add(
        firesLike(
            "fused-mat-mul-of-microsoft",
            g ->
                g.microsoft(
                    "FusedMatMul",
                    Attributes.of("transB", 1).with("alpha", Attribute.of(0.5f)),
                    g.x,
                    g.table),
            g -> g.ops.mul(g.ops.matMul(g.x, g.ops.transpose(g.table, 1, 0)), 0.5)));
    all.add(leaves("fused-mat-mul-of-microsoft", g -> g.ops.matMul(g.x, g.matrix)));
    all.add(
        firesLike(
            "rms-norm-of-microsoft",
            g ->
                g.op(
                    "SimplifiedLayerNormalization",
                    Attributes.of("epsilon", Attribute.of(1e-3f)),
                    g.x,
                    g.vector),
            g ->
                g.op(
                    "RMSNormalization",
                    Attributes.of("epsilon", Attribute.of(1e-3f)),
                    g.x,
                    g.vector)));
    all.add(leaves("rms-norm-of-microsoft", g -> g.op("LayerNormalization", g.x, g.vector)));
  }

  private static Value positions(Sketch g) {
    return g.op("Range", g.scalar(0), g.length(), g.scalar(1));
  }

  /** Scores under {@code Where} on a constant triangle, as PyTorch's buffers are. */
  private static Value underBuffer(Sketch g, long window, double hidden) {
    int most = 8;
    double[] visible = new double[most * most];
    for (int query = 0; query < most; query++) {
      for (int key = 0; key < most; key++) {
        visible[query * most + key] = key <= query && query - key < window ? 1 : 0;
      }
    }
    Value buffer =
        g.editor.constant(Tensor.ofDoubles(ElementType.BOOL, Shape.of(1, 1, most, most), visible));
    Value end = g.ops.unsqueeze(g.length(), 0);
    Value rows = g.op("Slice", buffer, g.ints(0), end, g.ints(2));
    Value mask = g.op("Slice", rows, g.ints(0), end, g.ints(3));
    return g.ops.where(mask, g.scores, g.c(hidden));
  }

  private static void attention(List<Case> all) {
    all.add(fires("attention-mask", g -> g.ops.softmax(underBuffer(g, 99, -Float.MAX_VALUE), -1)));
    all.add(fires("attention-mask", g -> g.ops.softmax(underBuffer(g, 3, -1e10), -1)));
    all.add(
        fires(
            "attention-mask",
            g -> {
              Value shape =
                  g.ops.concat(0, g.ops.unsqueeze(g.length(), 0), g.ops.unsqueeze(g.length(), 0));
              Value filled =
                  g.op(
                      "ConstantOfShape",
                      Attributes.of("value", Attribute.of(Tensor.ofFloats(Shape.of(1), -3e38f))),
                      shape);
              Value mask = g.op("Trilu", Attributes.of("upper", 1), filled, g.scalar(1));
              return g.ops.softmax(g.ops.add(g.scores, g.ops.unsqueeze(mask, 0, 1)), -1);
            }));
    all.add(
        fires(
            "attention-mask",
            g -> {
              Value keys = positions(g);
              Value hidden = g.op("Greater", keys, g.ops.unsqueeze(keys, 1));
              return g.ops.softmax(
                  g.ops.where(hidden, g.c(Double.NEGATIVE_INFINITY), g.scores), -1);
            }));
    // Small numbers hide nothing; a position must see itself; any condition is not a mask.
    all.add(leaves("attention-mask", g -> g.ops.softmax(underBuffer(g, 99, -2), -1)));
    all.add(
        leaves(
            "attention-mask",
            g -> {
              Value keys = positions(g);
              Value earlier = g.op("Less", keys, g.ops.unsqueeze(keys, 1));
              return g.ops.softmax(g.ops.where(earlier, g.scores, g.c(-1e30)), -1);
            }));
    all.add(
        leaves(
            "attention-mask",
            g ->
                g.ops.softmax(
                    g.ops.where(g.op("Greater", g.scores, g.c(1)), g.scores, g.c(-1e30)), -1)));
    all.add(fires("rotary", g -> rotary(g, 4)));
    all.add(leaves("rotary", g -> rotary(g, 3)));
  }

  private static Value rotary(Sketch g, int half) {
    Value angles =
        g.ops.mul(g.ops.unsqueeze(g.ops.cast(positions(g), ElementType.FLOAT32), 1), g.constant(4));
    Value both = g.ops.concat(-1, angles, angles);
    Value turned =
        g.ops.concat(-1, g.ops.neg(g.ops.slice(g.x, 2, half, 8)), g.ops.slice(g.x, 2, 0, half));
    return g.ops.add(g.ops.mul(g.x, g.op("Cos", both)), g.ops.mul(turned, g.op("Sin", both)));
  }

  private static void shapes(List<Case> all) {
    all.add(fires("shape-arithmetic", g -> g.ops.add(g.length(), g.scalar(3))));
    all.add(leaves("shape-arithmetic", g -> g.op("Size", g.op("Compress", g.x, bools(g)))));
    all.add(fires("reshape-of-reshape", g -> g.ops.reshape(g.ops.reshape(g.x, -1, 8), -1, 2, 4)));
    all.add(leaves("reshape-of-reshape", g -> g.ops.reshape(g.op("Abs", g.x), -1, 8)));
    all.add(fires("reshape", g -> g.ops.reshape(g.s, 2, 3, 1, 8)));
    all.add(
        fires(
            "reshape",
            g -> g.op("Reshape", g.x, g.ops.concat(0, g.ops.shapeOf(g.x, 0, 2), g.ints(2, 4)))));
    all.add(leaves("reshape", g -> g.ops.reshape(g.x, 0, 0, 2, 4)));
    all.add(fires("split-to-slices", g -> g.ops.concat(2, g.ops.split(g.x, 2, 3, 5).get(1), g.y)));
    all.add(
        leaves(
            "split-to-slices",
            g ->
                g.editor
                    .add(
                        OpId.onnx("Split"),
                        "Split",
                        Attributes.of("axis", 1),
                        List.of(
                            Optional.of(g.x),
                            Optional.of(
                                g.ops.concat(
                                    0,
                                    g.ints(1),
                                    g.ops.unsqueeze(g.ops.sub(g.length(), g.scalar(1)), 0)))),
                        2)
                    .get(0)));
    all.add(
        fires("slice-of-everything", g -> g.op("Slice", g.x, g.ints(0), g.ints(99), g.ints(2))));
    all.add(leaves("slice-of-everything", g -> g.ops.slice(g.x, 2, 0, 7)));
    all.add(fires("slice", g -> g.op("Slice", g.x, g.ints(-3), g.ints(99), g.ints(-1))));
    all.add(leaves("slice", g -> g.op("Slice", g.x, g.ints(1), g.ints(2), g.ints(1))));
    all.add(fires("slice-of-slice", g -> g.ops.slice(g.ops.slice(g.x, 2, 1, 7), 2, 2, 4)));
    all.add(leaves("slice-of-slice", g -> g.ops.slice(g.ops.slice(g.s, 2, 1, 7), 1, 1, 2)));
    all.add(
        fires("slice-before-transpose", g -> g.ops.slice(g.ops.transpose(g.x, 1, 2, 0), 1, 2, 4)));
    all.add(
        leaves("slice-before-transpose", g -> g.ops.slice(g.ops.transpose(g.x, 1, 2, 0), 0, 1, 2)));
    all.add(fires("concat-of-one", g -> g.ops.concat(1, g.x)));
    all.add(leaves("concat-of-one", g -> g.ops.concat(1, g.x, g.y)));
    all.add(fires("concat-of-concat", g -> g.ops.concat(2, g.x, g.ops.concat(-1, g.y, g.x))));
    all.add(
        leaves(
            "concat-of-concat",
            g -> g.ops.concat(2, g.ops.concat(1, g.s, g.s), g.ops.concat(1, g.s, g.s))));
    all.add(
        fires(
            "concat-before-unsqueeze",
            g -> g.ops.concat(1, g.ops.unsqueeze(g.x, 0), g.ops.unsqueeze(g.y, 0))));
    all.add(
        leaves(
            "concat-before-unsqueeze",
            g -> g.ops.concat(0, g.ops.unsqueeze(g.x, 0), g.ops.unsqueeze(g.y, 0))));
    all.add(fires("elementwise-before-reshape", g -> g.ops.tanh(g.ops.reshape(g.x, 0, 0, 2, 4))));
    all.add(
        leaves(
            "elementwise-before-reshape", g -> g.ops.softmax(g.ops.reshape(g.x, 0, 0, 2, 4), -1)));
    all.add(fires("last-axis-before-reshape", g -> g.op("Softmax", g.ops.reshape(g.x, -1, 8))));
    all.add(
        leaves("last-axis-before-reshape", g -> g.op("Softmax", g.ops.reshape(g.x, 0, 0, 2, 4))));
    all.add(fires("binary-before-reshape", g -> g.ops.add(g.ops.reshape(g.x, -1, 8), g.vector)));
    all.add(fires("binary-before-reshape", g -> g.ops.mul(g.ops.reshape(g.x, 0, 0, 2, 4), 3)));
    all.add(
        leaves(
            "binary-before-reshape",
            g -> g.ops.add(g.ops.reshape(g.x, 0, 0, 2, 4), g.parameter("four", 4))));
    all.add(
        fires(
            "binary-before-reshape-of-right", g -> g.ops.sub(g.vector, g.ops.reshape(g.x, -1, 8))));
    all.add(
        leaves(
            "binary-before-reshape-of-right",
            g -> g.ops.sub(g.parameter("four", 4), g.ops.reshape(g.x, 0, 0, 2, 4))));
    all.add(
        fires(
            "binary-of-equal-reshapes",
            g -> g.ops.add(g.ops.reshape(g.x, -1, 8), g.ops.reshape(g.y, -1, 8))));
    all.add(
        leaves(
            "binary-of-equal-reshapes",
            g ->
                g.ops.add(g.ops.reshape(g.s, 6, 8), g.ops.reshape(g.parameter("flat", 48), 6, 8))));
    all.add(fires("leading-ones", g -> g.ops.add(g.x, g.constant(1, 1, 8))));
    all.add(fires("leading-ones", g -> g.ops.mul(g.x, g.ops.unsqueeze(g.vector, 0))));
    all.add(leaves("leading-ones", g -> g.ops.add(g.s, g.constant(3, 8))));
    all.add(
        fires(
            "gather-before-unsqueeze",
            g -> g.ops.gather(g.table, g.ops.unsqueeze(positions(g), 0), 0)));
    all.add(
        leaves(
            "gather-before-unsqueeze",
            g -> g.ops.gather(g.table, g.ops.unsqueeze(positions(g), 1), 0)));
    all.add(
        fires("mat-mul-before-reshape", g -> g.ops.matMul(g.ops.reshape(g.x, -1, 8), g.matrix)));
    all.add(
        fires(
            "mat-mul-before-reshape",
            g ->
                g.ops.matMul(
                    g.ops.reshape(g.op("Abs", g.ops.reshape(g.x, 0, 0, 2, 4)), -1, 8), g.matrix)));
    all.add(
        leaves(
            "mat-mul-before-reshape",
            g -> g.ops.matMul(g.ops.reshape(g.x, -1, 4), g.parameter("four", 4, 3))));
    all.add(
        fires(
            "mat-mul-of-reshaped",
            g -> {
              Value left = g.op("Reshape", g.scores, merged(g));
              return g.ops.matMul(left, g.op("Reshape", g.op("Abs", g.scores), merged(g)));
            }));
    all.add(
        leaves(
            "mat-mul-of-reshaped",
            g -> g.ops.matMul(g.ops.reshape(g.x, -1, 2, 4), g.ops.reshape(g.y, -1, 4, 2))));
  }

  /** The shape of the scores with batch and heads merged. */
  private static Value merged(Sketch g) {
    Value length = g.ops.unsqueeze(g.length(), 0);
    return g.ops.concat(0, g.ints(-1), length, length);
  }

  private static Value bools(Sketch g) {
    return g.op("Greater", g.vector, g.c(0));
  }

  private static void transpositions(List<Case> all) {
    all.add(
        fires(
            "transpose-of-transpose",
            g -> g.ops.transpose(g.ops.transpose(g.x, 1, 2, 0), 0, 2, 1)));
    all.add(leaves("transpose-of-transpose", g -> g.ops.transpose(g.op("Abs", g.x), 0, 2, 1)));
    all.add(
        fires(
            "transpose-that-moves-nothing",
            g -> g.ops.transpose(g.ops.unsqueeze(g.x, 1), 1, 0, 2, 3)));
    all.add(leaves("transpose-that-moves-nothing", g -> g.ops.transpose(g.x, 1, 0, 2)));
    all.add(
        fires(
            "transpose-before-reshape",
            g -> g.ops.transpose(g.op("Reshape", g.scores, merged(g)), 0, 2, 1)));
    all.add(
        leaves(
            "transpose-before-reshape",
            g -> g.ops.transpose(g.ops.reshape(g.x, 0, 0, 2, 4), 0, 1, 3, 2)));
    all.add(
        fires(
            "transposed-outer-product",
            g -> g.ops.transpose(g.ops.mul(g.vector, g.parameter("column", 5, 1)), 1, 0)));
    all.add(leaves("transposed-outer-product", g -> g.ops.transpose(g.ops.mul(g.x, g.y), 0, 2, 1)));
    all.add(fires("elementwise-before-transpose", g -> g.ops.tanh(g.ops.transpose(g.x, 0, 2, 1))));
    all.add(
        leaves(
            "elementwise-before-transpose", g -> g.ops.softmax(g.ops.transpose(g.x, 0, 2, 1), -1)));
    all.add(
        fires(
            "binary-before-transpose",
            g -> g.ops.add(g.ops.transpose(g.x, 0, 2, 1), g.ops.transpose(g.y, 0, 2, 1))));
    all.add(
        leaves(
            "binary-before-transpose",
            g -> g.ops.add(g.ops.transpose(g.s, 0, 1, 2), g.op("Abs", g.s))));
    all.add(
        fires(
            "line-before-transpose",
            g -> g.ops.mul(g.ops.transpose(g.x, 0, 2, 1), g.ops.unsqueeze(g.vector, 1))));
    all.add(
        leaves(
            "line-before-transpose",
            g -> g.ops.mul(g.ops.transpose(g.s, 0, 2, 1), g.parameter("plane", 8, 3))));
    all.add(
        fires(
            "line-before-transpose-of-right",
            g -> g.ops.sub(g.ops.unsqueeze(g.vector, 1), g.ops.transpose(g.x, 0, 2, 1))));
    all.add(
        leaves(
            "line-before-transpose-of-right",
            g -> g.ops.sub(g.parameter("plane", 8, 3), g.ops.transpose(g.s, 0, 2, 1))));
    all.add(
        fires(
            "concat-before-transpose",
            g -> g.ops.concat(2, g.ops.transpose(g.x, 0, 2, 1), g.ops.transpose(g.y, 0, 2, 1))));
    all.add(
        leaves(
            "concat-before-transpose", g -> g.ops.concat(0, g.ops.transpose(g.s, 0, 1, 2), g.s)));
  }
}
