package dev.manticore.compiler.lower;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.manticore.compiler.decode.Decoder;
import dev.manticore.compiler.decode.DecoderBuilder;
import dev.manticore.compiler.decode.DecoderState;
import dev.manticore.ir.Graph;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.op.NdArray;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

class FuseStateSpacesTest {

  private static final OpId CONVOLUTION = OpId.manticore("SiluConvWithState");
  private static final OpId SCAN = OpId.manticore("GatedScanWithState");
  private static final int LAYERS = 2;

  private static Graph decoder(int hidden) {
    String config =
        """
        {"model_type": "mamba", "vocab_size": 11, "hidden_size": %d, "num_hidden_layers": %d,
         "state_size": 5, "conv_kernel": 3, "expand": 2, "time_step_rank": 4}
        """
            .formatted(hidden, LAYERS);
    return DecoderBuilder.build(
            Models.fresh("mamba", ModelConfig.parse("the test's Mamba", config), 0))
        .graph();
  }

  private static long count(Graph graph, OpId op) {
    return graph.nodes().stream().filter(node -> node.op().equals(op)).count();
  }

  @Test
  void inDoublePrecisionNothingChanges() {
    Graph decoder = decoder(24);
    Graph written = new RecogniseScans().run(Lowering.portable(decoder));

    for (Graph form : new Graph[] {decoder, written}) {
      Graph fused = new FuseStateSpaces().run(form);

      assertThat(count(fused, CONVOLUTION)).isEqualTo(LAYERS);
      assertThat(count(fused, SCAN)).isEqualTo(LAYERS);
      assertThat(fused.nodes())
          .noneMatch(node -> node.op().isOnnx("Conv") || node.op().isOnnx("Softplus"));
      assertSame(form, fused);
    }
  }

  @Test
  void channelsThatAreNoBlocksAreScannedAsBefore() {
    Graph decoder = decoder(12);
    Graph fused = new FuseStateSpaces().run(decoder);

    assertThat(count(fused, CONVOLUTION)).isEqualTo(LAYERS);
    assertThat(count(fused, SCAN)).isZero();
    assertSame(decoder, fused);
  }

  /** Two sequences in pieces, one of which is filled up at its front. */
  private static void assertSame(Graph one, Graph other) {
    Map<String, NdArray> first = begin(one);
    Map<String, NdArray> second = begin(other);
    int read = 0;
    for (int steps : new int[] {4, 1, 2}) {
      read += steps;
      long[] ids = new long[2 * steps];
      long[] mask = new long[2 * read];
      for (int i = 0; i < ids.length; i++) {
        ids[i] = (7L * i + read) % 11;
      }
      for (int i = 0; i < mask.length; i++) {
        mask[i] = i < 3 ? 0 : 1;
      }
      NdArray these = NdArray.of(Tensor.ofLongs(Shape.of(2, steps), ids));
      NdArray all = NdArray.of(Tensor.ofLongs(Shape.of(2, read), mask));
      double[] expected = run(one, first, these, all);
      double[] actual = run(other, second, these, all);
      // Where the mask is 0 logits mean nothing.
      int meaningless = read == steps ? 3 * 11 : 0;
      for (int i = meaningless; i < expected.length; i++) {
        assertThat(actual[i]).isCloseTo(expected[i], within(1e-12));
      }
    }
  }

  private static Map<String, NdArray> begin(Graph decoder) {
    Map<String, NdArray> states = new LinkedHashMap<>();
    DecoderState.of(decoder).forEach(state -> states.put(state.past(), NdArray.of(state.begin(2))));
    return states;
  }

  private static double[] run(
      Graph decoder, Map<String, NdArray> states, NdArray ids, NdArray mask) {
    Map<String, NdArray> inputs = new LinkedHashMap<>(states);
    inputs.put(Decoder.INPUT_IDS, ids);
    inputs.put(Decoder.ATTENTION_MASK, mask);
    Map<String, NdArray> outputs = new Interpreter().run(decoder, inputs);
    DecoderState.of(decoder)
        .forEach(state -> states.put(state.past(), outputs.get(state.present())));
    return outputs.get(Decoder.LOGITS).data();
  }
}
