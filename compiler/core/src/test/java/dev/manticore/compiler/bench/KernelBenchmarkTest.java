package dev.manticore.compiler.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.compiler.process.Subprocess;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.ir.ManticoreException;
import dev.manticore.kernels.Forms;
import dev.manticore.runtime.CpuDevice;
import dev.manticore.runtime.JavaKernel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

final class KernelBenchmarkTest {

  private static final Duration SHORT = Duration.ofMillis(2);
  private static final MachineLimits MACHINE = new MachineLimits(1e9, 1e9, 1e9, 1e10, 1 << 20, 0);

  private final CpuDevice device = CpuDevice.instance();
  private final KernelRequest request = new KernelRequest(32, 2, 5, 11, 3, 1);

  @Test
  void everyKernelButProductsIsThere() {
    List<String> timed = KernelCase.all(request).stream().map(KernelCase::name).toList();

    assertThat(timed)
        .containsAll(
            device.kernels().stream()
                .map(JavaKernel::name)
                .filter(name -> !name.matches("FusedMatMul.*|LinearCrossEntropy.*"))
                .toList());
  }

  @Test
  void everyKernelRunsOnWhatItIsGiven() {
    NodeTimer timer = new NodeTimer(device, 1, SHORT, SHORT);
    List<String> there = device.kernels().stream().map(JavaKernel::name).toList();
    for (KernelCase one : KernelCase.all(request)) {
      if (there.contains(one.name())) {
        assertThat(timer.milliseconds(one.graph(), one.contents(), one.inPlace()))
            .as(one.name())
            .isPositive();
      }
    }
  }

  @Test
  void theLimitsOfAKernelFollowFromItsSizes() {
    StepLimits.Kind scan =
        KernelBenchmark.limits(request, List.of("SelectiveScan"), MACHINE, 1e9).get(0);

    assertThat(scan.exponentials()).isEqualTo(2 * 5 * 64 * 3);
    // x, delta and y; a; b and c.
    assertThat(scan.bytes()).isEqualTo(4 * (3 * 2 * 5 * 64 + 64 * 3 + 2 * 2 * 5 * 3));
    assertThat(scan.floorMilliseconds())
        .isCloseTo(1e3 * (6 + 1) * scan.exponentials() / 1e9, within(1e-9));
    assertThat(scan.byteMilliseconds()).isEqualTo(1e3 * scan.bytes() / 1e10);
  }

  @Test
  void aNameThatNoKernelHasIsRefused() {
    assertThatThrownBy(() -> KernelBenchmark.check(request, List.of("Scan")))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("no kernel 'Scan'")
        .hasMessageContaining("SelectiveScan, SelectiveScanGrad");
    assertThatThrownBy(() -> new KernelRequest(40, 1, 2, 2, 1, 1))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("width must be a multiple of 32, not 40");
  }

  @Test
  void eachFormIsTimedByAProcessOfItsOwn() {
    List<String> options = new ArrayList<>();

    var times =
        KernelForms.times(
            option -> {
              options.add(option);
              return new Subprocess(
                  List.of("sh", "-c", "echo '{\"SiluGrad\": 0.5}'"),
                  Path.of("").toAbsolutePath(),
                  Duration.ofMinutes(1));
            },
            new Cancellation());

    assertThat(options)
        .isEqualTo(
            Forms.hasVector()
                ? List.of("-Dmanticore.kernels=vector", "-Dmanticore.kernels=plain")
                : List.of("-Dmanticore.kernels=plain"));
    assertThat(times.get("plain")).containsEntry("SiluGrad", 0.5);
  }
}
