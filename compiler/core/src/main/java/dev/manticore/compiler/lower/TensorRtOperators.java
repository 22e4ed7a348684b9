package dev.manticore.compiler.lower;

import static dev.manticore.ir.ElementType.BFLOAT16;
import static dev.manticore.ir.ElementType.BOOL;
import static dev.manticore.ir.ElementType.FLOAT16;
import static dev.manticore.ir.ElementType.FLOAT32;
import static dev.manticore.ir.ElementType.INT32;
import static dev.manticore.ir.ElementType.INT64;
import static dev.manticore.ir.ElementType.UINT8;

import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.collect.Sets;
import dev.manticore.ir.ElementType;
import java.util.Optional;

/**
 * Which standard operators TensorRT's parser of ONNX takes, and for which types of their first
 * operand: the support matrix of its documentation, of 10.15. What is not there it does not take.
 */
final class TensorRtOperators {

  private static final ImmutableSet<ElementType> FLOATS =
      ImmutableSet.of(FLOAT32, FLOAT16, BFLOAT16);
  private static final ImmutableSet<ElementType> NUMBERS = with(FLOATS, INT32, INT64);
  private static final ImmutableSet<ElementType> ALL = with(NUMBERS, BOOL);
  private static final ImmutableSet<ElementType> TRUTH = ImmutableSet.of(BOOL);

  private static final ImmutableMap<String, ImmutableSet<ElementType>> TYPES =
      new Table()
          .put(
              FLOATS,
              "Acos Acosh Asin Asinh Atan Atanh Attention AveragePool BatchNormalization Ceil Celu"
                  + " Clip Conv ConvTranspose Cos Cosh CumSum Dropout Einsum Elu Erf Exp Floor GRU"
                  + " Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool GroupNormalization"
                  + " HardSigmoid HardSwish Hardmax InstanceNormalization IsInf LRN LSTM"
                  + " LayerNormalization LeakyRelu Log LogSoftmax LpNormalization LpPool MatMul"
                  + " MaxPool MeanVarianceNormalization PRelu RMSNormalization RNN RandomNormal"
                  + " RandomNormalLike RandomUniform RandomUniformLike Reciprocal RotaryEmbedding"
                  + " Round Scan Selu Sigmoid Sin Sinh Softmax Softplus Softsign Sqrt Tan Tanh"
                  + " ThresholdedRelu Upsample")
          .put(ImmutableSet.of(FLOAT32, FLOAT16), "Mish NonMaxSuppression NonZero RoiAlign")
          .put(
              NUMBERS,
              "Abs Add ArgMax ArgMin DepthToSpace Div Equal Gelu Greater GreaterOrEqual IsNaN Less"
                  + " LessOrEqual Max Mean Min Mod Mul Neg Pad Pow Range ReduceL1 ReduceL2"
                  + " ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd"
                  + " ReduceSum ReduceSumSquare Relu Scatter ScatterElements ScatterND Shrink Sign"
                  + " SpaceToDepth Sub Sum TopK")
          .put(
              ALL,
              "Concat Constant ConstantOfShape Expand EyeLike Flatten Gather GatherElements GatherND"
                  + " Identity If Loop OneHot Reshape ReverseSequence Shape Size Slice Split Squeeze"
                  + " Tile Transpose Trilu Unsqueeze Where")
          .put(with(ALL, UINT8), "Cast CastLike")
          .put(TRUTH, "And Not Or Xor")
          .put(with(FLOATS, INT32), "TensorScatter")
          .build();

  /** Operators that the parser takes from TensorRT 11 on. */
  private static final ImmutableMap<String, ImmutableSet<ElementType>> LATER =
      new Table().put(FLOATS, "Swish").build();

  private TensorRtOperators() {}

  private static final class Table {
    private final ImmutableMap.Builder<String, ImmutableSet<ElementType>> types =
        ImmutableMap.builder();

    Table put(ImmutableSet<ElementType> taken, String operators) {
      for (String operator : operators.split(" ")) {
        types.put(operator, taken);
      }
      return this;
    }

    ImmutableMap<String, ImmutableSet<ElementType>> build() {
      return types.buildOrThrow();
    }
  }

  private static ImmutableSet<ElementType> with(
      ImmutableSet<ElementType> some, ElementType... more) {
    return Sets.union(some, ImmutableSet.copyOf(more)).immutableCopy();
  }

  /** The types that an operator is taken for; empty if it is not taken. */
  static Optional<ImmutableSet<ElementType>> types(String operator, Target target) {
    ImmutableSet<ElementType> types = TYPES.get(operator);
    if (types == null && target == Target.TENSORRT_11) {
      types = LATER.get(operator);
    }
    return Optional.ofNullable(types);
  }
}
