package dev.manticore.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.ir.Attributes;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.runtime.CpuDevice;
import dev.manticore.runtime.JavaKernel;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The kernels' source as loops on the host, started as on a GPU, against the definitions. */
class CudaKernelsTest {

  @TempDir private static Path directory;

  private static HostCompiler compiler;

  @BeforeAll
  static void findCompiler() {
    compiler = new HostCompiler(directory);
  }

  static Stream<KernelCases.Case> cases() {
    return KernelCases.all();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void computesWhatItsOperatorIs(KernelCases.Case of) {
    List<float[]> computed = run(of.kernel(), of.attributes(), of.inputs());

    List<double[]> expected = of.expected();
    assertThat(computed).hasSameSizeAs(expected);
    for (int i = 0; i < expected.size(); i++) {
      assertClose(computed.get(i), expected.get(i));
    }
  }

  private static List<float[]> run(String kernel, Attributes attributes, List<Tensor> inputs) {
    return HostEvaluation.run(compiler, directory, kernel, attributes, inputs);
  }

  static void assertClose(float[] computed, double[] expected) {
    double largest = Arrays.stream(expected).map(Math::abs).max().orElse(0);
    assertThat(computed).hasSameSizeAs(expected);
    for (int i = 0; i < expected.length; i++) {
      assertThat((double) computed[i]).isCloseTo(expected[i], within(1e-5 * largest + 1e-7));
    }
  }

  @Test
  void everyKernelHasCasesAndTakesWhatThatOfTheProcessorTakes() {
    List<JavaKernel> kernels = CudaKernels.of((program, kernel, grid, stream, arguments) -> {});

    assertThat(kernels.stream().map(JavaKernel::name))
        .containsExactlyInAnyOrderElementsOf(
            KernelCases.all().map(KernelCases.Case::kernel).collect(Collectors.toSet()));
    for (JavaKernel other : CpuDevice.instance().kernels()) {
      kernels.stream()
          .filter(kernel -> kernel.name().equals(other.name()))
          .forEach(kernel -> assertThat(declared(kernel)).isEqualTo(declared(other)));
    }
  }

  private static List<?> declared(JavaKernel kernel) {
    return List.of(
        kernel.name(),
        kernel.inputs(),
        kernel.outputs(),
        kernel.integerAttributes(),
        kernel.floatAttributes());
  }

  @Test
  void whatDoesNotFitIsRefusedBeforeAnythingIsStarted() {
    List<Tensor> inputs =
        List.of(Tensor.ofFloats(Shape.of(2), 1, 2), Tensor.ofFloats(Shape.of(3), 1, 2, 3));

    assertThatThrownBy(() -> run("SiluGrad", Attributes.NONE, inputs))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("SiluGrad: input 1 of shape [3] does not fit the others");
  }

  @Test
  void moreStatesThanThereIsRoomForAreRefused() {
    Tensor row = Tensor.ofFloats(Shape.of(1, 1, 1), 1);
    Tensor states = Tensor.ofFloats(Shape.of(1, 1, 93), new float[93]);
    List<Tensor> inputs =
        List.of(row, row, Tensor.ofFloats(Shape.of(1, 93), new float[93]), states, states);

    assertThatThrownBy(() -> run("SelectiveScan", Attributes.NONE, inputs))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("room for 92 states");
  }

  @Test
  void widerHeadsThanThereIsRoomForAreRefused() {
    Tensor x = Tensor.ofFloats(Shape.of(1, 1, 353), new float[353]);
    Attributes attributes = Attributes.of("heads", 1).with("window", 1);

    assertThatThrownBy(() -> run("CausalAttention", attributes, List.of(x, x, x)))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("room for heads of width 352, not of 353");
  }

  /** An index that is in no row reads and writes nothing; on the CPU it is an error. */
  @Test
  void usesOfRowsThatAreNotThereAreLeftOut() {
    Tensor ids = Tensor.ofLongs(Shape.of(4), 2, 3, -4, -3);
    Tensor dy = Tensor.ofFloats(Shape.of(4, 1), 1, 2, 4, 8);

    List<float[]> table = run("EmbeddingGrad", Attributes.of("rows", 3), List.of(ids, dy));

    assertThat(table.get(0)).containsExactly(8, 0, 1);
  }
}
