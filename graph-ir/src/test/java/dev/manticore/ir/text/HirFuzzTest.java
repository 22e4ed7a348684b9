package dev.manticore.ir.text;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.testdata.fuzz.Fuzzer;
import dev.manticore.testdata.fuzz.Mutator;
import dev.manticore.testdata.fuzz.TokenMutator;
import java.util.List;
import org.junit.jupiter.api.Test;

class HirFuzzTest {

  private static final List<String> DICTIONARY =
      List.of(
          "graph \"g\" {}",
          "graphs[graph \"g\" {}]",
          "function com.example.G() graph \"g\" {}",
          "input %i: f32[1]\n",
          "parameter %k: i64[1] = {1}\n",
          "output %x\n",
          "opset \"\" 23\n",
          "note {doc \"d\"}",
          "note {guessed}",
          "seq(f32[])",
          "map(str, i4[?])",
          "optional(f32*)",
          "sparse(2: f32[1]{1.0} at i64[1]{1})",
          "tensors[str[1]{\"a\"}]",
          "<elided>",
          "<sha256:" + "0".repeat(64) + ">",
          "f8e8m0[1]",
          "u2[3]",
          "str[2]",
          "ref(\"a\", 1)",
          "nan:0x7f",
          "-inf",
          "\\u{10ffff}",
          "%\"\"",
          "_",
          "@0",
          "Constant",
          "Reshape",
          "ConstantOfShape",
          "Range",
          "Expand",
          "Tile",
          "Loop",
          "Einsum",
          "Conv",
          "Slice",
          "Pad",
          "# ");

  @Test
  void textOfAnyKindIsAGraphOrATypedError() {
    Mutator mutator =
        Mutator.anyOf(new TokenMutator(DICTIONARY), new TokenMutator(DICTIONARY), Mutator.bytes());
    long executions =
        new Fuzzer("hir", ManticoreException.class, mutator, Fuzzer.files("hir"))
            .run(
                input -> {
                  Graph graph = HirParser.parse(new String(input, UTF_8));
                  String text = HirPrinter.print(graph, HirPrinter.Tensors.ALL);
                  assertSame(text);
                });

    assertThat(executions).isPositive();
  }

  /** What was parsed once is printed so that it is parsed again. */
  private static void assertSame(String text) {
    Graph again;
    try {
      again = HirParser.parse(text);
    } catch (ManticoreException e) {
      throw new AssertionError("what was printed is not parsed", e);
    }
    assertThat(HirPrinter.print(again, HirPrinter.Tensors.ALL)).isEqualTo(text);
  }
}
