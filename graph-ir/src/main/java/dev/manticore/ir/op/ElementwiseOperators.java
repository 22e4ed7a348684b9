package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.NotCoveredException;
import dev.manticore.ir.NumberFormats;
import dev.manticore.ir.OpId;
import dev.manticore.ir.TensorType;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleBinaryOperator;
import java.util.function.DoubleUnaryOperator;
import java.util.function.Function;

/** Operators that compute each element from the elements at its place, operands broadcast. */
final class ElementwiseOperators {

  private ElementwiseOperators() {}

  static ImmutableMap<OpId, Operator> all() {
    Family family = new Family();
    family
        .onnx("Identity", Inference::sameAsInput, evaluation -> evaluation.input(0))
        .onnx("Neg", unary(x -> -x))
        .onnx("Abs", unary(Math::abs))
        .onnx("Sign", unary(Math::signum))
        .onnx("Exp", unary(Math::exp))
        .onnx("Log", unary(Math::log))
        .onnx("Sqrt", unary(Math::sqrt))
        .onnx("Reciprocal", unary(x -> 1 / x))
        .onnx("Floor", unary(Math::floor))
        .onnx("Ceil", unary(Math::ceil))
        .onnx("Round", unary(Math::rint))
        .onnx("Sin", unary(Math::sin))
        .onnx("Cos", unary(Math::cos))
        .onnx("Tan", unary(Math::tan))
        .onnx("Asin", unary(Math::asin))
        .onnx("Acos", unary(Math::acos))
        .onnx("Atan", unary(Math::atan))
        .onnx("Sinh", unary(Math::sinh))
        .onnx("Cosh", unary(Math::cosh))
        .onnx("Tanh", unary(Math::tanh))
        .onnx("Asinh", unary(ScalarFunctions::asinh))
        .onnx("Acosh", unary(ScalarFunctions::acosh))
        .onnx("Atanh", unary(ScalarFunctions::atanh))
        .onnx("Erf", unary(ScalarFunctions::erf))
        .onnx("Sigmoid", unary(ScalarFunctions::sigmoid))
        .onnx("Relu", unary(x -> Math.max(x, 0)))
        .onnx("Softplus", unary(ScalarFunctions::softplus))
        .onnx("Softsign", unary(x -> x / (1 + Math.abs(x))))
        .onnx("Mish", unary(x -> x * Math.tanh(ScalarFunctions.softplus(x))))
        .onnx("HardSwish", unary(x -> x * Math.max(0, Math.min(1, x / 6 + 0.5))))
        .onnx("BitwiseNot", unary(x -> ~(long) x))
        .onnx("Gelu", unaryWith(ElementwiseOperators::gelu))
        .microsoft("Gelu", unary(ScalarFunctions::gelu))
        .microsoft("FastGelu", fastGelu())
        .microsoft("QuickGelu", unaryWith(attributes -> swish(attributes, 1.702f)))
        .onnx("Swish", unaryWith(attributes -> swish(attributes, 1)))
        .onnx("Elu", unaryWith(ElementwiseOperators::elu))
        .onnx("Selu", unaryWith(ElementwiseOperators::selu))
        .onnx("Celu", unaryWith(ElementwiseOperators::celu))
        .onnx("LeakyRelu", unaryWith(ElementwiseOperators::leakyRelu))
        .onnx("ThresholdedRelu", unaryWith(ElementwiseOperators::thresholdedRelu))
        .onnx("HardSigmoid", unaryWith(ElementwiseOperators::hardSigmoid))
        .onnx("Shrink", unaryWith(ElementwiseOperators::shrink))
        .onnx("Not", test(attributes -> x -> x == 0 ? 1 : 0))
        .onnx("IsNaN", test(attributes -> x -> Double.isNaN(x) ? 1 : 0))
        .onnx("IsInf", test(ElementwiseOperators::isInf));
    family
        .onnx("Add", arithmetic(attributes -> Double::sum))
        .onnx("Sub", arithmetic(attributes -> (x, y) -> x - y))
        .onnx("Mul", arithmetic(attributes -> (x, y) -> x * y))
        .onnx("Div", ElementwiseOperators::arithmeticType, ElementwiseOperators::divide)
        .onnx("Mod", arithmetic(ElementwiseOperators::modulo))
        .onnx("Pow", ElementwiseOperators::powerType, evaluation -> binary(evaluation, Math::pow))
        .onnx("PRelu", arithmetic(attributes -> (x, slope) -> x < 0 ? slope * x : x))
        .onnx("BitwiseAnd", arithmetic(attributes -> (x, y) -> (long) x & (long) y))
        .onnx("BitwiseOr", arithmetic(attributes -> (x, y) -> (long) x | (long) y))
        .onnx("BitwiseXor", arithmetic(attributes -> (x, y) -> (long) x ^ (long) y))
        .onnx("BitShift", arithmetic(ElementwiseOperators::bitShift))
        .onnx("Max", variadic(Math::max))
        .onnx("Min", variadic(Math::min))
        .onnx("Sum", variadic(Double::sum))
        .onnx("Mean", ElementwiseOperators::variadicType, ElementwiseOperators::mean)
        .onnx("Equal", comparison((x, y) -> x == y ? 1 : 0))
        .onnx("Less", comparison((x, y) -> x < y ? 1 : 0))
        .onnx("LessOrEqual", comparison((x, y) -> x <= y ? 1 : 0))
        .onnx("Greater", comparison((x, y) -> x > y ? 1 : 0))
        .onnx("GreaterOrEqual", comparison((x, y) -> x >= y ? 1 : 0))
        .onnx("And", logic((x, y) -> x != 0 && y != 0 ? 1 : 0))
        .onnx("Or", logic((x, y) -> x != 0 || y != 0 ? 1 : 0))
        .onnx("Xor", logic((x, y) -> (x != 0) != (y != 0) ? 1 : 0));
    return family
        .onnx("Where", ElementwiseOperators::whereType, ElementwiseOperators::where)
        .onnx("Clip", Inference::sameAsInput, ElementwiseOperators::clip)
        .onnx(
            "Cast",
            call -> call.type(0).withElementType(castType(call.attributes())),
            evaluation -> cast(evaluation, castType(evaluation.attributes())))
        .onnx(
            "CastLike",
            call -> call.type(0).withElementType(call.type(1).elementType()),
            evaluation -> cast(evaluation, evaluation.input(1).elementType()))
        .onnx(
            "Dropout",
            new RandomOperators.Random(
                new Definition(ElementwiseOperators::dropoutTypes, ElementwiseOperators::dropout)))
        .build();
  }

  /** Each element through a function, as the given type. */
  static NdArray map(NdArray array, ElementType type, DoubleUnaryOperator function) {
    double[] values = new double[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = function.applyAsDouble(array.data()[i]);
    }
    return fitted(type, array.shape(), values);
  }

  /** Two arrays broadcast against each other, element by element through a function. */
  static NdArray combine(
      NdArray left, NdArray right, ElementType type, DoubleBinaryOperator function) {
    if (right.size() == 1 && right.rank() <= left.rank()) {
      double second = right.data()[0];
      return map(left, type, first -> function.applyAsDouble(first, second));
    }
    if (left.size() == 1 && left.rank() <= right.rank()) {
      double first = left.data()[0];
      return map(right, type, second -> function.applyAsDouble(first, second));
    }
    int[] shape = Views.broadcast(left.shape(), right.shape());
    double[] lefts = Views.expand(left, shape).data();
    double[] rights = Views.expand(right, shape).data();
    double[] values = new double[lefts.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = function.applyAsDouble(lefts[i], rights[i]);
    }
    return fitted(type, shape, values);
  }

  private static NdArray fitted(ElementType type, int[] shape, double[] values) {
    if (!type.isFloating()) {
      for (int i = 0; i < values.length; i++) {
        values[i] = Elements.fit(type, values[i]);
      }
    }
    return NdArray.of(type, shape, values);
  }

  private static Operator unary(DoubleUnaryOperator function) {
    return unaryWith(attributes -> function);
  }

  private static Operator unaryWith(Function<Attributes, DoubleUnaryOperator> function) {
    return Definition.of(
        Inference::sameAsInput,
        evaluation ->
            map(
                evaluation.input(0),
                evaluation.input(0).elementType(),
                function.apply(evaluation.attributes())));
  }

  private static Operator test(Function<Attributes, DoubleUnaryOperator> function) {
    return Definition.of(
        call -> call.type(0).withElementType(ElementType.BOOL),
        evaluation ->
            map(evaluation.input(0), ElementType.BOOL, function.apply(evaluation.attributes())));
  }

  private static NdArray binary(Evaluation evaluation, DoubleBinaryOperator function) {
    NdArray left = evaluation.input(0);
    return combine(left, evaluation.input(1), left.elementType(), function);
  }

  private static TensorType arithmeticType(Call call) {
    return new TensorType(
        Inference.elementType(call, 0, 2), Inference.broadcast(call.shape(0), call.shape(1)));
  }

  private static Operator arithmetic(Function<Attributes, DoubleBinaryOperator> function) {
    return Definition.of(
        ElementwiseOperators::arithmeticType,
        evaluation -> binary(evaluation, function.apply(evaluation.attributes())));
  }

  private static TensorType powerType(Call call) {
    return new TensorType(
        call.type(0).elementType(), Inference.broadcast(call.shape(0), call.shape(1)));
  }

  private static Operator comparison(DoubleBinaryOperator function) {
    return Definition.of(
        call -> arithmeticType(call).withElementType(ElementType.BOOL),
        evaluation ->
            combine(evaluation.input(0), evaluation.input(1), ElementType.BOOL, function));
  }

  private static Operator logic(DoubleBinaryOperator function) {
    return Definition.of(
        call -> {
          TensorType type = arithmeticType(call);
          if (type.elementType() != ElementType.BOOL) {
            throw new IrException("operands must be bool, not " + type.elementType().text());
          }
          return type;
        },
        evaluation -> binary(evaluation, function));
  }

  private static TensorType variadicType(Call call) {
    return new TensorType(Inference.elementType(call), Inference.broadcastInputs(call, 0));
  }

  private static Operator variadic(DoubleBinaryOperator function) {
    return Definition.of(
        ElementwiseOperators::variadicType, evaluation -> fold(evaluation, function));
  }

  private static NdArray fold(Evaluation evaluation, DoubleBinaryOperator function) {
    NdArray result = evaluation.input(0);
    for (int i = 1; i < evaluation.inputCount(); i++) {
      result = combine(result, evaluation.input(i), result.elementType(), function);
    }
    return result;
  }

  private static NdArray mean(Evaluation evaluation) {
    int count = evaluation.inputCount();
    return map(
        fold(evaluation, Double::sum), evaluation.input(0).elementType(), sum -> sum / count);
  }

  private static NdArray divide(Evaluation evaluation) {
    boolean integer = evaluation.input(0).elementType().isInteger();
    return binary(
        evaluation,
        (dividend, divisor) -> {
          if (integer && divisor == 0) {
            throw new IrException("an integer was divided by zero");
          }
          return dividend / divisor;
        });
  }

  /** {@code fmod=0}: the result has the divisor's sign; {@code fmod=1}: the dividend's. */
  private static DoubleBinaryOperator modulo(Attributes attributes) {
    return attributes.intValue("fmod", 0) == 1
        ? (x, y) -> x % y
        : (x, y) -> {
          double remainder = x % y;
          return remainder != 0 && remainder < 0 != y < 0 ? remainder + y : remainder;
        };
  }

  private static DoubleBinaryOperator bitShift(Attributes attributes) {
    return attributes.stringValue("direction", "").equals("LEFT")
        ? (x, y) -> y >= Long.SIZE ? 0 : (long) x << (long) y
        : (x, y) -> y >= Long.SIZE ? 0 : (long) x >>> (long) y;
  }

  private static DoubleUnaryOperator gelu(Attributes attributes) {
    String approximate = attributes.stringValue("approximate", "none");
    return switch (approximate) {
      case "none" -> ScalarFunctions::gelu;
      case "tanh" -> ScalarFunctions::geluTanh;
      default ->
          throw new IrException(
              "attribute 'approximate' should be none or tanh, not " + approximate);
    };
  }

  /** {@code com.microsoft.FastGelu}: the tanh form, of the input plus an optional bias. */
  private static Operator fastGelu() {
    return Definition.of(
        Inference::sameAsInput,
        evaluation -> {
          NdArray input = evaluation.input(0);
          NdArray biased = evaluation.hasInput(1) ? binary(evaluation, Double::sum) : input;
          return map(biased, input.elementType(), ScalarFunctions::geluTanh);
        });
  }

  private static DoubleUnaryOperator swish(Attributes attributes, float otherwise) {
    double alpha = attributes.floatValue("alpha", otherwise);
    return x -> x * ScalarFunctions.sigmoid(alpha * x);
  }

  private static DoubleUnaryOperator elu(Attributes attributes) {
    double alpha = attributes.floatValue("alpha", 1);
    return x -> x < 0 ? alpha * Math.expm1(x) : x;
  }

  private static DoubleUnaryOperator selu(Attributes attributes) {
    double alpha = attributes.floatValue("alpha", 1.67326319217681884765625f);
    double gamma = attributes.floatValue("gamma", 1.05070102214813232421875f);
    return x -> gamma * (x > 0 ? x : alpha * Math.expm1(x));
  }

  private static DoubleUnaryOperator celu(Attributes attributes) {
    double alpha = attributes.floatValue("alpha", 1);
    return x -> Math.max(0, x) + Math.min(0, alpha * Math.expm1(x / alpha));
  }

  private static DoubleUnaryOperator leakyRelu(Attributes attributes) {
    double alpha = attributes.floatValue("alpha", 0.01f);
    return x -> x < 0 ? alpha * x : x;
  }

  private static DoubleUnaryOperator thresholdedRelu(Attributes attributes) {
    double alpha = attributes.floatValue("alpha", 1);
    return x -> x > alpha ? x : 0;
  }

  private static DoubleUnaryOperator hardSigmoid(Attributes attributes) {
    double alpha = attributes.floatValue("alpha", 0.2f);
    double beta = attributes.floatValue("beta", 0.5f);
    return x -> Math.max(0, Math.min(1, alpha * x + beta));
  }

  private static DoubleUnaryOperator shrink(Attributes attributes) {
    double bias = attributes.floatValue("bias", 0);
    double threshold = attributes.floatValue("lambd", 0.5f);
    return x -> x < -threshold ? x + bias : x > threshold ? x - bias : 0;
  }

  private static DoubleUnaryOperator isInf(Attributes attributes) {
    boolean negative = attributes.intValue("detect_negative", 1) == 1;
    boolean positive = attributes.intValue("detect_positive", 1) == 1;
    return x -> Double.isInfinite(x) && (x < 0 ? negative : positive) ? 1 : 0;
  }

  private static TensorType whereType(Call call) {
    if (call.type(0).elementType() != ElementType.BOOL) {
      throw new IrException("the condition must be bool, not " + call.type(0));
    }
    return new TensorType(Inference.elementType(call, 1, 3), Inference.broadcastInputs(call, 0));
  }

  private static NdArray where(Evaluation evaluation) {
    NdArray condition = evaluation.input(0);
    NdArray yes = evaluation.input(1);
    NdArray no = evaluation.input(2);
    int[] shape = Views.broadcast(condition.shape(), Views.broadcast(yes.shape(), no.shape()));
    double[] conditions = Views.expand(condition, shape).data();
    double[] chosen = Views.expand(yes, shape).data();
    double[] others = Views.expand(no, shape).data();
    double[] values = new double[conditions.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = conditions[i] != 0 ? chosen[i] : others[i];
    }
    return NdArray.of(yes.elementType(), shape, values);
  }

  private static NdArray clip(Evaluation evaluation) {
    double low = bound(evaluation, 1, "min", Float.NEGATIVE_INFINITY);
    double high = bound(evaluation, 2, "max", Float.POSITIVE_INFINITY);
    NdArray input = evaluation.input(0);
    return map(input, input.elementType(), x -> Math.min(high, Math.max(low, x)));
  }

  private static double bound(Evaluation evaluation, int index, String attribute, float otherwise) {
    return evaluation.hasInput(index)
        ? evaluation.input(index).data()[0]
        : evaluation.attributes().floatValue(attribute, otherwise);
  }

  private static NdArray cast(Evaluation evaluation, ElementType to) {
    if (evaluation.attributes().intValue("saturate", 1) == 0 && NumberFormats.isSmallFloat(to)) {
      throw new NotCoveredException("casts to " + to.text() + " that overflow are not covered");
    }
    return Elements.convert(evaluation.input(0), to);
  }

  private static ElementType castType(Attributes attributes) {
    if (!attributes.has("to")) {
      throw new IrException("attribute 'to' is missing");
    }
    return ElementType.ofOnnxNumber(Math.toIntExact(attributes.intValue("to", 0)));
  }

  private static ImmutableList<TensorType> dropoutTypes(Call call) {
    return ImmutableList.of(call.type(0), call.type(0).withElementType(ElementType.BOOL));
  }

  /** Dropout as it is outside of training, where it is the identity. */
  private static List<NdArray> dropout(Evaluation evaluation) {
    boolean training = evaluation.hasInput(2) && evaluation.input(2).data()[0] != 0;
    double ratio = evaluation.hasInput(1) ? evaluation.input(1).data()[0] : 0.5;
    if (training && ratio != 0) {
      throw new NotCoveredException("Dropout in training mode is random and cannot be evaluated");
    }
    NdArray input = evaluation.input(0);
    double[] kept = new double[input.size()];
    Arrays.fill(kept, 1);
    return List.of(input, NdArray.of(ElementType.BOOL, input.shape(), kept));
  }
}
