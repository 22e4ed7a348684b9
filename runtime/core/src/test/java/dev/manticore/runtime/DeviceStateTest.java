package dev.manticore.runtime;

import static dev.manticore.ir.ElementType.FLOAT32;
import static dev.manticore.ir.ElementType.INT64;
import static dev.manticore.ir.ElementType.UINT8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import dev.manticore.ir.TensorType;
import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

class DeviceStateTest {

  private static final Device CPU = Devices.byName("cpu");

  @Test
  void tensorsAreZeroAtFirstAndAligned() {
    try (DeviceState state =
            DeviceState.allocate(
                CPU,
                ImmutableMap.of("a", TensorType.of(FLOAT32, 3), "scalar", TensorType.of(INT64)));
        DeviceMemory memory = CPU.allocate(10)) {
      assertThat(state.get("a").toFloats()).containsExactly(0, 0, 0);
      assertThat(state.get("scalar").toLongs()).containsExactly(0);
      assertThat(memory.address() % 64).isZero();
    }
  }

  @Test
  void valuesAreWrittenCopiedAndCleared() {
    TensorType type = TensorType.of(FLOAT32, 2);
    try (DeviceState state = DeviceState.allocate(CPU, ImmutableMap.of("a", type, "b", type))) {
      state.get("a").write(Tensor.ofFloats(Shape.of(2), 4, 5).data());
      state.get("b").copyFrom(state.get("a"));
      state.get("a").zero();

      assertThat(state.get("a").toFloats()).containsExactly(0, 0);
      assertThat(new Tensor(type, state.get("b").contents()).toFloats()).containsExactly(4, 5);
    }
  }

  @Test
  void aTensorLargerThanTwoGibibytesIsReadAndWrittenInWindows() {
    long size = (1L << 31) + 12;
    TensorData pattern =
        new TensorData() {
          @Override
          public long byteSize() {
            return size;
          }

          @Override
          public void read(long offset, ByteBuffer target) {
            // Touches only the last window, so that the test needs little memory.
            while (target.hasRemaining()) {
              target.put((byte) (offset > size - (1 << 20) ? 7 : 0));
            }
          }
        };
    try (DeviceMemory memory = CPU.allocate(size)) {
      ByteBuffer last = ByteBuffer.allocate(12);
      pattern.read(size - 12, last);
      memory.write(size - 12, last.flip());

      ByteBuffer read = ByteBuffer.allocate(14);
      memory.read(size - 14, read);
      assertThat(read.array()).containsExactly(0, 0, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7);
      assertThatThrownBy(() -> memory.read(size - 1, ByteBuffer.allocate(2)))
          .isInstanceOf(IndexOutOfBoundsException.class);
    }
    try (DeviceState state =
        DeviceState.allocate(CPU, ImmutableMap.of("large", TensorType.of(UINT8, size)))) {
      assertThat(state.get("large").contents().byteSize()).isEqualTo(size);
    }
  }

  @Test
  void wrongUseIsRefused() {
    try (DeviceState state =
        DeviceState.allocate(CPU, ImmutableMap.of("a", TensorType.of(FLOAT32, 2)))) {
      assertThatThrownBy(() -> state.get("b")).hasMessageContaining("it has [a]");
      assertThatThrownBy(() -> state.get("a").setFloats(1))
          .hasMessageContaining("a: f32[2] does not hold 1 values");
      assertThatThrownBy(() -> state.get("a").setLongs(1, 2)).hasMessageContaining("is not i64");
    }
  }

  @Test
  void allMemoryIsFreedOnce() {
    long before = RuntimeInfo.openHandles();
    DeviceState state = DeviceState.allocate(CPU, ImmutableMap.of("a", TensorType.of(FLOAT32, 2)));

    state.close();
    state.close();

    assertThat(RuntimeInfo.openHandles()).isEqualTo(before);
    assertThatThrownBy(() -> state.get("a").toFloats()).isInstanceOf(IllegalStateException.class);
  }
}
