package dev.manticore.ir.rewrite;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.ir.Dim;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Value;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;

/** Runs two graphs on the same random inputs. */
final class Results {

  private static final Map<String, Integer> EXTENTS = Map.of("batch", 2, "length", 5);

  private Results() {}

  /** That both compute the same, up to the rounding of constants to float. */
  static void assertSame(Graph before, Graph after) {
    Random random = new Random(3);
    Map<String, NdArray> inputs = new LinkedHashMap<>();
    for (Value input : before.inputs()) {
      int[] shape = input.shape().dims().stream().mapToInt(Results::extent).toArray();
      double[] values = random.doubles(NdArray.count(shape), 0.25, 2).toArray();
      inputs.put(input.name(), NdArray.of(input.elementType(), shape, values));
    }
    Map<String, NdArray> expected = new Interpreter().run(before, inputs);
    Map<String, NdArray> actual = new Interpreter().run(after, inputs);
    assertThat(actual.keySet()).containsExactlyElementsOf(expected.keySet());
    expected.forEach(
        (name, array) -> {
          assertThat(actual.get(name).shape()).as(name).isEqualTo(array.shape());
          assertThat(actual.get(name).data()).as(name).containsExactly(array.data(), within(2e-6));
        });
  }

  private static int extent(Dim dim) {
    return dim instanceof Dim.Symbolic symbol ? EXTENTS.get(symbol.name()) : (int) dim.extent();
  }
}
