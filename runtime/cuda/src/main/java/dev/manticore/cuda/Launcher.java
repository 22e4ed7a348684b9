package dev.manticore.cuda;

/** Starts kernels of {@code kernels.cu} on a device. */
interface Launcher {

  /** Threads of a block, as the source has it. */
  int THREADS = 128;

  /**
   * The source compiled for a size.
   *
   * @param define the macro that has it, {@code STATES}, {@code TAPS} or {@code WIDTH}; empty for
   *     kernels without
   */
  record Program(String define, int size) {
    static final Program ANY = new Program("", 0);
  }

  /** Blocks along each axis. */
  record Grid(int x, int y, int z) {

    /** Enough blocks for so many threads along x. */
    static Grid of(long threads, long y, long z) {
      return new Grid(
          Math.toIntExact((threads + THREADS - 1) / THREADS),
          Math.toIntExact(y),
          Math.toIntExact(z));
    }
  }

  /**
   * Starts a kernel; it runs after what was started on the stream before.
   *
   * @param arguments addresses and numbers, as the source has them; the bits of a float in the
   *     lower half
   * @throws dev.manticore.ir.ManticoreException if the source does not compile or the kernel does
   *     not start, with CUDA's words
   */
  void launch(Program program, String kernel, Grid grid, long stream, long... arguments);
}
