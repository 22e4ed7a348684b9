package dev.manticore.cuda;

import static dev.manticore.ir.ElementType.FLOAT32;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.runtime.Binding;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.DeviceMemory;
import dev.manticore.runtime.DeviceState;
import dev.manticore.runtime.Devices;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.RuntimeInfo;
import dev.manticore.runtime.SessionConfig;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What needs a GPU: {@code mvn -Pcuda verify -Dgroups=cuda}. */
@Tag("cuda")
class CudaDeviceTest {

  private final Device cuda = Devices.byName("cuda");

  @Test
  void memoryIsZeroAtFirstThenHoldsWhatIsWritten() {
    // More than a copy takes at once, and no multiple of it.
    int size = (9 << 20) + 5;
    byte[] bytes = new byte[size];
    new Random(1).nextBytes(bytes);
    long before = RuntimeInfo.openHandles();
    try (DeviceMemory memory = cuda.allocate(size);
        DeviceMemory other = cuda.allocate(size)) {
      assertThat(memory.address() % 64).isZero();
      assertThat(read(memory, 0, size)).containsOnly((byte) 0);

      memory.write(0, ByteBuffer.wrap(bytes));
      other.copyFrom(memory);
      memory.zero();

      assertThat(read(other, 0, size)).isEqualTo(bytes);
      assertThat(read(other, size - 3, 3))
          .containsExactly(bytes[size - 3], bytes[size - 2], bytes[size - 1]);
      assertThat(read(memory, 0, size)).containsOnly((byte) 0);
      assertThatThrownBy(() -> memory.write(size - 1, ByteBuffer.allocate(2)))
          .isInstanceOf(IndexOutOfBoundsException.class);
    }
    assertThat(RuntimeInfo.openHandles()).isEqualTo(before);
  }

  private static byte[] read(DeviceMemory memory, long offset, int count) {
    ByteBuffer bytes = ByteBuffer.allocate(count);
    memory.read(offset, bytes);
    return bytes.array();
  }

  @Test
  void moreMemoryThanThereIsIsRefused() {
    assertThatThrownBy(() -> cuda.allocate(1L << 45))
        .hasMessageContaining("no memory for a block of 35184372088832 bytes on cuda:0");
    // What was refused is no error of what comes after it.
    cuda.allocate(1).close();
  }

  @Test
  void productsAreInFloat32AndNotLess() {
    int width = 256;
    Tensor a = draw(1, width, width);
    Tensor b = draw(2, width, width);
    GraphEditor editor = new GraphEditor("product");
    Ops ops = new Ops(editor);
    Value product = ops.matMul(editor.input("a", a.type()), editor.input("b", b.type()));
    editor.output(ops.named("c", product));
    byte[] model = OnnxExporter.toBytes(editor.freeze());
    double[] expected =
        run(Devices.byName("cpu"), model, Map.of("a", a, "b", b)).get("c").toDoubles();

    double[] computed = run(cuda, model, Map.of("a", a, "b", b)).get("c").toDoubles();

    // TensorFloat-32 is wrong by about 1e-2 here.
    for (int i = 0; i < expected.length; i++) {
      assertThat(computed[i]).isCloseTo(expected[i], within(2e-4));
    }
  }

  private static Map<String, Tensor> run(Device device, byte[] model, Map<String, Tensor> inputs) {
    try (ModelSession session = ModelSession.open(device, model, SessionConfig.defaults())) {
      return session.run(inputs);
    }
  }

  static Stream<KernelCases.Case> cases() {
    return KernelCases.all();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void kernelsComputeWhatTheirOperatorsAre(KernelCases.Case of) {
    Map<String, Tensor> inputs = new LinkedHashMap<>();
    for (int i = 0; i < of.inputs().size(); i++) {
      inputs.put("in" + i, of.inputs().get(i));
    }

    Map<String, Tensor> computed = run(cuda, OnnxExporter.toBytes(asKernel(of)), inputs);

    List<double[]> expected = of.expected();
    for (int i = 0; i < expected.size(); i++) {
      CudaKernelsTest.assertClose(computed.get("out" + i).toFloats(), expected.get(i));
    }
  }

  /** The operator as a kernel, between operators that run on the GPU too. */
  private static Graph asKernel(KernelCases.Case of) {
    GraphEditor editor = new GraphEditor(of.kernel());
    Ops ops = new Ops(editor);
    List<Optional<Value>> operands = new ArrayList<>();
    for (int i = 0; i < of.inputs().size(); i++) {
      Value input = editor.input("in" + i, of.inputs().get(i).type());
      operands.add(Optional.of(ops.add(input, ops.scalar(input.elementType(), 0))));
    }
    List<Value> results =
        editor.add(OpId.kernel(of.kernel()), of.kernel(), of.attributes(), operands, of.outputs());
    for (int i = 0; i < results.size(); i++) {
      editor.output(ops.named("out" + i, ops.mul(results.get(i), ops.scalar(FLOAT32, 1))));
    }
    return editor.freeze();
  }

  @Test
  void stateIsUpdatedInPlaceRunAfterRun() {
    TensorType type = TensorType.of(FLOAT32, 4);
    GraphEditor editor = new GraphEditor("double");
    Ops ops = new Ops(editor);
    editor.output(ops.named("w_next", ops.mul(editor.input("w", type), ops.scalar(FLOAT32, 2))));
    byte[] model = OnnxExporter.toBytes(editor.freeze());
    try (DeviceState state = DeviceState.allocate(cuda, ImmutableMap.of("w", type));
        ModelSession session = ModelSession.open(cuda, model, SessionConfig.defaults());
        Binding step = session.bind()) {
      step.bindInput("w", state.get("w")).bindOutput("w_next", state.get("w"));
      state.get("w").setFloats(1, 2, 3, 4);
      for (int run = 0; run < 10; run++) {
        step.run();
      }

      assertThat(state.get("w").toFloats()).containsExactly(1024, 2048, 3072, 4096);
    }
  }

  private static Tensor draw(int seed, long... extents) {
    Random random = new Random(seed);
    float[] values = new float[(int) (extents[0] * extents[1])];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return Tensor.ofFloats(Shape.of(extents), values);
  }
}
