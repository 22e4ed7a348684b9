package dev.manticore.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.manticore.ir.ManticoreException;
import org.bytedeco.javacpp.BytePointer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** NVRTC, which needs no GPU, where it is installed. */
class CudaCompilerTest {

  @BeforeEach
  void findNvrtc() {
    assumeTrue(CudaCompiler.obstacle().isEmpty(), () -> CudaCompiler.obstacle().orElseThrow());
  }

  @ParameterizedTest
  @CsvSource({
    "STATES,1",
    "STATES,16",
    "STATES,64",
    "STATES,92",
    "TAPS,3",
    "WIDTH,64",
    "WIDTH,96",
    "WIDTH,72",
    "WIDTH,160",
    "WIDTH,176",
    "WIDTH,352",
    "'',0"
  })
  void theKernelsCompileForEverySize(String define, int size) {
    try (BytePointer code = CudaCompiler.compile(new Launcher.Program(define, size), "sm_90")) {
      byte[] magic = new byte[4];
      code.get(magic);
      assertThat(magic).containsExactly(0x7f, 'E', 'L', 'F');
    }
  }

  @Test
  void theCompilersWordsAreInTheMessage() {
    assertThatThrownBy(() -> CudaCompiler.compile(new Launcher.Program("STATES", 16), "sm_1"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("NVRTC says")
        .hasMessageContaining("gpu-architecture");
  }
}
