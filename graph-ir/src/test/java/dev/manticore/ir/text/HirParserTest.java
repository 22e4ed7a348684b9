package dev.manticore.ir.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.manticore.ir.Graph;
import dev.manticore.ir.OpId;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class HirParserTest {

  @Test
  void readsWhatAHandWouldWrite() {
    Graph graph =
        HirParser.parse(
            """
            hir 1   # a comment
            graph "g" {
              input %x: f32[n]

              %y: f32[n] = test.Op(%x)  # and another
              %z: f32[n] = test.Op( %y,%x ) { b=[ 1,2 ],a = 1e3 }
              output %z
            }
            """);

    assertThat(graph.nodes().get(0).op()).isEqualTo(new OpId("test", "Op", 1));
    assertThat(graph.nodes().get(1).attributes().floatValue("a", 0)).isEqualTo(1000);
    assertThat(graph.nodes().get(1).attributes().intValues("b")).containsExactly(1, 2);
    assertThat(graph.nodes().get(1).name()).isEqualTo("z");
  }

  @Test
  void standardOperatorsAreOfTheVersionThatTheGraphDeclares() {
    assertThat(version("opset \"\" 13\n %c: f32[1] = Op()")).isEqualTo(13);
    assertThat(version("opset \"\" 13\n %c: f32[1] = Op@7()")).isEqualTo(7);
    assertThat(version("%c: f32[1] = Op()")).isEqualTo(OpId.OPSET);
  }

  private static int version(String content) {
    return HirParser.parse("hir 1 graph \"g\" {\n" + content + "\n}").nodes().get(0).op().version();
  }

  @Test
  void anErrorShowsTheLineAndWhatWasExpected() {
    HirException error = error("graph \"g\" {\n  input %x: f32[n]\n  %y: f32[n] = Op(%x, %q)\n}");

    assertThat(error.code()).isEqualTo("MNT-HIR");
    assertThat(error.line()).isEqualTo(4);
    assertThat(error.column()).isEqualTo(23);
    assertThat(error)
        .hasMessage(
            """
            line 4:23: expected a value defined before this; %q is not, found '%q'
                %y: f32[n] = Op(%x, %q)
                                    ^""");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          graph                                        | 2:6  | expected '"', found the end of the text
          graph "g                                     | 2:7  | expected the closing '"' of this string
          graph "g" {                                  | 2:12 | or '}', found the end of the text
          graph "g" {} x                               | 2:14 | expected the end of the text, found 'x'
          graph "g" { inputs %x: f32[] }               | 2:13 | expected a node, opset, metadata, model, note, function, input, parameter, output or '}', found 'inputs'
          graph "g" { input %x f32[] }                 | 2:22 | expected ':', found 'f32'
          graph "g" { input %: f32[] }                 | 2:19 | expected a name
          graph "g" { input %x: float[] }              | 2:23 | no element type is called 'float'
          graph "g" { input %x: f32 }                  | 2:27 | expected '[', found '}'
          graph "g" { input %x: f32[-1] }              | 2:27 | expected a word, found '-1'
          graph "g" { input %x: f32[] input %x: f32[] }| 2:35 | expected a name of its own: there is a %x already
          graph "g" { output %x }                      | 2:20 | expected a value defined before this; %x is not
          graph "g" { %y: f32[] = Op(%y) }             | 2:28 | %y is not
          graph "g" { %y: f32[] = 1Op() }              | 2:25 | expected an operator
          graph "g" { %y: f32[] = Op() {a = 1, a = 2} }| 2:38 | expected an attribute that was not given before
          graph "g" { %y: f32[] = Op() {a = []} }      | 2:36 | an empty list is ints[], floats[] or strings[]
          graph "g" { %y: f32[] = Op() {a = [1, 2.5]} }| 2:35 | '2.5' is not an integer of 64 bits
          graph "g" { %y: f32[] = Op() {a = 1e99} }    | 2:35 | '1e99' is out of range
          graph "g" { %y: f32[] = Op() {a = "\\q"} }    | 2:36 | expected one of
          graph "g" { parameter %w: f32[2] = {1} }     | 2:36 | f32[2] takes 2 values, not 1
          graph "g" { parameter %w: i8[1] = {128} }    | 2:35 | '128' is not between -128 and 127
          graph "g" { parameter %w: f32[n] = {1} }     | 2:36 | the extent of dimension n is not known
          graph "g" { parameter %w: f32[9] = <sha256:0>| 2:36 | expected 64 hexadecimal digits
          graph "g" { parameter %w: f32[4611686018427387904,4] = <elided> } | 2:56 | overflow
          graph "g" { opset "" 99999999999 }           | 2:22 | expected an integer of 31 bits
          """)
  void refusesWithThePlaceAndTheReason(String text, String place, String reason) {
    HirException error = error(text);

    assertThat(error.line() + ":" + error.column()).as(error.getMessage()).isEqualTo(place);
    assertThat(error).hasMessageContaining(reason);
  }

  @Test
  void graphsAreNestedOnlySoDeep() {
    String open = "() = Op() {a = graph \"g\" {";

    assertThat(error("graph \"g\" {" + open.repeat(10_000)))
        .hasMessageContaining("graphs nested at most 64 deep");
  }

  @Test
  void ofALongLineOnlyASurroundingIsShown() {
    String text = "graph \"g\" { parameter %w: f32[2] = {" + "1, ".repeat(100_000) + "!";

    assertThat(error(text).getMessage()).hasSizeLessThan(500);
  }

  @Test
  void anotherVersionIsRefused() {
    HirException error =
        catchThrowableOfType(HirException.class, () -> HirParser.parse("hir 2\ngraph \"g\" {}"));

    assertThat(error).hasMessageStartingWith("line 1:5: expected version 1 of the textual form");
  }

  private static HirException error(String text) {
    HirException error =
        catchThrowableOfType(HirException.class, () -> HirParser.parse("hir 1\n" + text));
    assertThat(error).as("no error in: %s", text).isNotNull();
    return error;
  }
}
