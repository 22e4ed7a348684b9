package dev.manticore.runtime;

import static dev.manticore.ir.ElementType.FLOAT32;
import static dev.manticore.ir.ElementType.INT64;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Test;

class JavaKernelTest {

  private static final TensorType FLOATS = TensorType.of(FLOAT32, 1000);
  private static final TensorType LONGS = TensorType.of(INT64, 1000);

  /** Takes rows of the first input, given by the second, times an attribute. */
  private static final class ScaledGather implements JavaKernel {

    private final Set<Thread> threads = ConcurrentHashMap.newKeySet();

    @Override
    public String name() {
      return "ScaledGather";
    }

    @Override
    public ImmutableList<ElementType> inputs() {
      return ImmutableList.of(FLOAT32, INT64);
    }

    @Override
    public ImmutableList<ElementType> outputs() {
      return ImmutableList.of(FLOAT32);
    }

    @Override
    public ImmutableList<String> integerAttributes() {
      return ImmutableList.of("factor");
    }

    @Override
    public void compute(KernelContext context) {
      FloatView values = context.floatInput(0);
      LongView indices = context.longInput(1);
      FloatView result = context.floatOutput(0, context.inputShape(1));
      long factor = context.integer("factor");
      int count = (int) indices.size();
      context.parallel(
          count,
          i -> {
            threads.add(Thread.currentThread());
            long[] index = new long[1];
            indices.read(i, index, 0, 1);
            if (index[0] < 0 || index[0] >= values.size()) {
              throw new ManticoreException("MNT-TEST", "there is no row " + index[0]);
            }
            float[] value = new float[1];
            values.read(index[0], value, 0, 1);
            value[0] *= factor;
            result.write(i, value, 0, 1);
          });
    }
  }

  private static final byte[] MODEL =
      new TinyOnnx()
          .input("x", FLOATS)
          .input("indices", LONGS)
          .output("y", FLOATS)
          .node(
              JavaKernel.DOMAIN,
              "ScaledGather",
              List.of("x", "indices"),
              List.of("y"),
              TinyOnnx.integer("factor", 3))
          .build();

  private static Device cpuWith(JavaKernel kernel) {
    return new TestDevice(ImmutableList.of(kernel));
  }

  private static Tensor numbers() {
    float[] values = new float[1000];
    for (int i = 0; i < values.length; i++) {
      values[i] = i;
    }
    return Tensor.ofFloats(Shape.of(1000), values);
  }

  private static Tensor reversed(long first) {
    long[] values = new long[1000];
    for (int i = 0; i < values.length; i++) {
      values[i] = 999 - i;
    }
    values[0] = first;
    return Tensor.ofLongs(Shape.of(1000), values);
  }

  /** Copies through memory to work in, by addresses alone, as kernels of other devices do. */
  private static final class Copy implements JavaKernel {

    @Override
    public String name() {
      return "Copy";
    }

    @Override
    public ImmutableList<ElementType> inputs() {
      return ImmutableList.of(FLOAT32);
    }

    @Override
    public ImmutableList<ElementType> outputs() {
      return ImmutableList.of(FLOAT32);
    }

    @Override
    public void compute(KernelContext context) {
      long[] shape = context.inputShape(0);
      long bytes = Float.BYTES * shape[0];
      long first = context.scratch(bytes);
      long second = context.scratch(bytes);
      copy(context.inputAddress(0), first, bytes);
      copy(first, second, bytes);
      copy(second, context.outputAddress(0, shape), bytes);
    }

    private static void copy(long from, long to, long bytes) {
      Pointer.memcpy(new RawPointer(to), new RawPointer(from), bytes);
    }
  }

  @Test
  void aKernelHasMemoryToWorkIn() {
    byte[] model =
        new TinyOnnx()
            .input("x", FLOATS)
            .output("y", FLOATS)
            .node(JavaKernel.DOMAIN, "Copy", List.of("x"), List.of("y"))
            .build();
    try (ModelSession session =
        ModelSession.open(cpuWith(new Copy()), model, SessionConfig.defaults())) {
      for (int run = 0; run < 3; run++) {
        assertThat(session.run(ImmutableMap.of("x", numbers())).get("y").toFloats())
            .isEqualTo(numbers().toFloats());
      }
    }
  }

  @Test
  void aKernelRunsOnTheThreadsOfTheSession() {
    ScaledGather kernel = new ScaledGather();
    int threadsBefore = Thread.activeCount();
    try (ModelSession session =
        ModelSession.open(cpuWith(kernel), MODEL, SessionConfig.defaults().withIntraOpThreads(2))) {
      for (int run = 0; run < 200; run++) {
        float[] result =
            session
                .run(ImmutableMap.of("x", numbers(), "indices", reversed(999)))
                .get("y")
                .toFloats();

        assertThat(result[0]).isEqualTo(3 * 999);
        assertThat(result[998]).isEqualTo(3);
      }
      // The caller and one thread of the pool, attached once and for all.
      assertThat(kernel.threads).hasSizeBetween(1, 2);
      assertThat(kernel.threads)
          .allMatch(thread -> thread == Thread.currentThread() || thread.isDaemon());
    }
    assertThat(Thread.activeCount()).isLessThanOrEqualTo(threadsBefore + 1);
  }

  @Test
  void whatAKernelThrowsIsTheMessageOfTheRun() {
    try (ModelSession session =
        ModelSession.open(cpuWith(new ScaledGather()), MODEL, SessionConfig.defaults())) {
      assertThatThrownBy(
              () -> session.run(ImmutableMap.of("x", numbers(), "indices", reversed(5000))))
          .isInstanceOf(ManticoreException.class)
          .hasMessageContaining("there is no row 5000");
      assertThat(session.run(ImmutableMap.of("x", numbers(), "indices", reversed(5))))
          .containsKey("y");
    }
  }

  @Test
  void aMissingAttributeIsNamedWhenTheModelIsLoaded() {
    byte[] model =
        new TinyOnnx()
            .input("x", FLOATS)
            .input("indices", LONGS)
            .output("y", FLOATS)
            .node(JavaKernel.DOMAIN, "ScaledGather", List.of("x", "indices"), List.of("y"))
            .build();
    long before = RuntimeInfo.openHandles();

    assertThatThrownBy(
            () -> ModelSession.open(cpuWith(new ScaledGather()), model, SessionConfig.defaults()))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("factor");
    assertThat(RuntimeInfo.openHandles()).isEqualTo(before);
  }

  @Test
  void sessionsComeAndGo() {
    for (int round = 0; round < 15; round++) {
      try (ModelSession session =
          ModelSession.open(cpuWith(new ScaledGather()), MODEL, SessionConfig.defaults())) {
        assertThat(session.run(ImmutableMap.of("x", numbers(), "indices", reversed(1))))
            .containsKey("y");
      }
    }
  }
}
