package dev.manticore.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ManticoreException;
import dev.manticore.runtime.Devices;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What is said of devices that are not there; none is needed. */
class CudaProviderTest {

  private static final CudaMachine.Gpu OLD = new CudaMachine.Gpu("Tesla V100", 7, 0, 16L << 30);
  private static final CudaMachine.Gpu NEW = new CudaMachine.Gpu("NVIDIA H200", 9, 0, 139L << 30);

  private static CudaProvider with(CudaMachine.Gpu... gpus) {
    CudaMachine machine = new CudaMachine(Optional.empty(), "13.0", ImmutableList.copyOf(gpus));
    return new CudaProvider(() -> machine);
  }

  @Test
  void onlyItsOwnNamesAreItsOwn() {
    assertThat(CudaProvider.index("cuda")).contains(0);
    assertThat(CudaProvider.index("cuda:2")).contains(2);
    assertThat(CudaProvider.index("cpu")).isEmpty();
    assertThat(CudaProvider.index("cuda:")).isEmpty();
    assertThat(CudaProvider.index("cuda:-1")).isEmpty();
    assertThat(CudaProvider.index("cudax")).isEmpty();
  }

  @Test
  void aDeviceIsFoundByItsNumber() {
    assertThat(with(OLD, NEW).gpu("cuda:1", 1)).isEqualTo(NEW);
    assertThatThrownBy(() -> with(NEW).gpu("cuda:1", 1))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("device 'cuda:1' cannot be used")
        .hasMessageContaining("there are 1 devices, 'cuda:0' to 'cuda:0'");
  }

  @Test
  void aDeviceThatIsTooOldIsRefusedByItsName() {
    assertThatThrownBy(() -> with(OLD).gpu("cuda", 0))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("Tesla V100, compute capability 7.0")
        .hasMessageContaining("needs compute capability 7.5 or later");
  }

  @Test
  void anObstacleIsWhatTheMessageSays() {
    CudaProvider provider = new CudaProvider(() -> CudaMachine.without("the driver is at lunch"));

    assertThatThrownBy(() -> provider.find("cuda"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("the driver is at lunch");
    assertThat(provider.describe()).isEqualTo("CUDA: the driver is at lunch");
    assertThat(provider.find("cpu")).isEmpty();
  }

  @Test
  void aLibraryThatDoesNotLoadIsNamedWithWhatToDo() {
    assertThat(Cuda.loading("libcuda.so.1: cannot open shared object file"))
        .contains("no NVIDIA driver")
        .contains("install one");
    assertThat(Cuda.loading("libcudart.so.13: cannot open shared object file"))
        .contains("CUDA 13 on the library path")
        .contains("the profiles cuda,cuda-redist");
  }

  @Test
  void onAMachineWithoutItTheDeviceIsRefusedWithAReason() {
    CudaMachine here = CudaProvider.here();
    assumeTrue(here.obstacle().isPresent(), "there is a GPU");

    assertThatThrownBy(() -> Devices.byName("cuda:0"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("device 'cuda:0' cannot be used: " + here.obstacle().get());
    assertThat(Devices.describeOthers()).containsExactly("CUDA: " + here.obstacle().get());
  }
}
