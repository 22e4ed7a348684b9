package dev.manticore.cuda;

import com.google.common.collect.ImmutableList;
import java.util.Optional;

/**
 * What this machine and this build have of CUDA.
 *
 * @param obstacle why no GPU can be used, with what to do, if none can
 * @param driver the newest CUDA that the driver knows, {@code 13.1}; empty if there is none
 * @param gpus in the order of their numbers
 */
record CudaMachine(Optional<String> obstacle, String driver, ImmutableList<Gpu> gpus) {

  /**
   * A device.
   *
   * @param name as its maker spells it
   * @param major compute capability
   * @param minor compute capability
   * @param byteSize memory
   */
  record Gpu(String name, int major, int minor, long byteSize) {

    /** ONNX Runtime's kernels in this build are compiled for 7.5 and later. */
    private static final int OLDEST = 75;

    boolean isNewEnough() {
      return 10 * major + minor >= OLDEST;
    }

    @Override
    public String toString() {
      return name
          + ", compute capability "
          + major
          + "."
          + minor
          + ", "
          + (byteSize >> 30)
          + " GiB";
    }
  }

  static CudaMachine without(String obstacle) {
    return new CudaMachine(Optional.of(obstacle), "", ImmutableList.of());
  }
}
