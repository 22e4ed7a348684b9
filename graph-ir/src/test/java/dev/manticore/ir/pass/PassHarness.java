package dev.manticore.ir.pass;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.ir.Graph;
import dev.manticore.ir.Value;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import dev.manticore.ir.text.GoldenHir;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;

/** Runs a pass on {@code name.before.hir} and compares with {@code name.after.hir}. */
final class PassHarness {

  private PassHarness() {}

  /** The changed graph; a second run of the pass must leave it as it is. */
  static Graph check(Pass pass, String name) {
    Graph before = GoldenHir.read(name + ".before.hir");
    Graph after = PassPipeline.of(pass).run(before);
    GoldenHir.assertMatches(after, name + ".after.hir");
    assertThat(pass.run(after)).isSameAs(after);
    return after;
  }

  /** That both graphs compute the same on random inputs, symbols being 3. */
  static void assertSameResults(Graph before, Graph after) {
    Random random = new Random(11);
    Map<String, NdArray> inputs = new LinkedHashMap<>();
    for (Value input : before.inputs()) {
      int[] shape =
          input.shape().dims().stream()
              .mapToInt(dim -> dim.isKnown() ? (int) dim.extent() : 3)
              .toArray();
      double[] values = random.doubles(NdArray.count(shape), -2, 2).toArray();
      inputs.put(input.name(), NdArray.of(input.elementType(), shape, values));
    }
    Map<String, NdArray> expected = new Interpreter().run(before, inputs);
    Map<String, NdArray> actual = new Interpreter().run(after, inputs);
    assertThat(actual.keySet()).containsExactlyElementsOf(expected.keySet());
    expected.forEach(
        (name, array) -> {
          assertThat(actual.get(name).shape()).as(name).isEqualTo(array.shape());
          assertThat(actual.get(name).data()).as(name).containsExactly(array.data(), within(1e-12));
        });
  }
}
