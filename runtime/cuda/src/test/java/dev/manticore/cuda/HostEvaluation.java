package dev.manticore.cuda;

import dev.manticore.cuda.Launcher.Grid;
import dev.manticore.cuda.Launcher.Program;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Tensor;
import dev.manticore.runtime.FloatView;
import dev.manticore.runtime.JavaKernel;
import dev.manticore.runtime.KernelContext;
import dev.manticore.runtime.LongView;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntConsumer;
import java.util.function.Supplier;

/**
 * A node whose kernels run as loops on the host: what would be a device's memory is a file, filled
 * with numbers that no result may show.
 */
final class HostEvaluation implements KernelContext, Launcher {

  private static final long BASE = 1L << 40;
  private static final int SIZE = 4 << 20;
  private static final long STREAM = 7;

  private final HostCompiler compiler;
  private final Path directory;
  private final Attributes attributes;
  private final List<Tensor> inputs;
  private final ByteBuffer memory = ByteBuffer.allocate(SIZE).order(ByteOrder.LITTLE_ENDIAN);
  private final List<Long> inputPlaces = new ArrayList<>();
  private final Map<Integer, Long> outputPlaces = new HashMap<>();
  private final Map<Integer, Integer> outputCounts = new HashMap<>();
  private long used;

  HostEvaluation(
      HostCompiler compiler, Path directory, Attributes attributes, List<Tensor> inputs) {
    this.compiler = compiler;
    this.directory = directory;
    this.attributes = attributes;
    this.inputs = inputs;
    for (int i = 0; i < SIZE; i += Float.BYTES) {
      memory.putFloat(i, Float.NaN);
    }
    for (Tensor input : inputs) {
      byte[] values = input.data().toByteArray();
      long place = take(values.length / Float.BYTES);
      memory.put((int) (place - BASE), values);
      inputPlaces.add(place);
    }
  }

  /** The outputs of a kernel, of which it says itself how large they are. */
  static List<float[]> run(
      HostCompiler compiler,
      Path directory,
      String kernel,
      Attributes attributes,
      List<Tensor> inputs) {
    HostEvaluation evaluation = new HostEvaluation(compiler, directory, attributes, inputs);
    JavaKernel found =
        CudaKernels.of(evaluation).stream()
            .filter(candidate -> candidate.name().equals(kernel))
            .findFirst()
            .orElseThrow();
    found.compute(evaluation);
    List<float[]> outputs = new ArrayList<>();
    for (int i = 0; i < found.outputs().size(); i++) {
      float[] values = new float[evaluation.outputCounts.get(i)];
      for (int j = 0; j < values.length; j++) {
        int place = (int) (evaluation.outputPlaces.get(i) - BASE);
        values[j] = evaluation.memory.getFloat(place + Float.BYTES * j);
      }
      outputs.add(values);
    }
    return outputs;
  }

  /** Memory for so many floats, with a gap after it; any type may begin there. */
  private long take(long count) {
    long place = BASE + used;
    used += Long.BYTES * (count / 2 + 2);
    if (used > SIZE) {
      throw new IllegalStateException("the test's memory is too small");
    }
    return place;
  }

  @Override
  public void launch(Program program, String kernel, Grid grid, long stream, long... arguments) {
    if (stream != STREAM) {
      throw new IllegalStateException("started on stream " + stream);
    }
    StringBuilder line = new StringBuilder(kernel);
    line.append(' ').append(grid.x()).append(' ').append(grid.y()).append(' ').append(grid.z());
    for (long argument : arguments) {
      line.append(' ').append(argument);
    }
    try {
      Path image = directory.resolve("memory");
      Path launches = directory.resolve("launches");
      Files.write(image, memory.array());
      Files.writeString(launches, line + "\n");
      HostCompiler.run(
          List.of(compiler.program(program).toString(), image.toString(), launches.toString()));
      memory.clear().put(Files.readAllBytes(image));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  @Override
  public long[] inputShape(int index) {
    return inputs.get(index).shape().extents();
  }

  @Override
  public long inputAddress(int index) {
    return inputPlaces.get(index);
  }

  @Override
  public long outputAddress(int index, long... shape) {
    long count = 1;
    for (long extent : shape) {
      count *= extent;
    }
    outputPlaces.put(index, take(count));
    outputCounts.put(index, (int) count);
    return outputPlaces.get(index);
  }

  @Override
  public long scratch(long byteSize) {
    return take(byteSize / Float.BYTES);
  }

  @Override
  public long stream() {
    return STREAM;
  }

  @Override
  public FloatView floatInput(int index) {
    throw new UnsupportedOperationException("a kernel reads no memory of the device itself");
  }

  @Override
  public LongView longInput(int index) {
    throw new UnsupportedOperationException("a kernel reads no memory of the device itself");
  }

  @Override
  public FloatView floatOutput(int index, long... shape) {
    throw new UnsupportedOperationException("a kernel writes no memory of the device itself");
  }

  @Override
  public long integer(String attribute) {
    return attributes.intValue(attribute, 0);
  }

  @Override
  public float real(String attribute) {
    return attributes.floatValue(attribute, 0);
  }

  @Override
  public <T extends AutoCloseable> T kept(Object key, Class<T> type, Supplier<T> make) {
    throw new UnsupportedOperationException();
  }

  @Override
  public int threads() {
    return 1;
  }

  @Override
  public void parallel(int count, IntConsumer task) {
    throw new UnsupportedOperationException();
  }
}
