package dev.manticore.compiler.decode;

import static com.google.common.base.Preconditions.checkArgument;

import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.Recurrence;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * One sequence, read by a decoder piece by piece. The decoder's states stay where they are between
 * the pieces.
 */
public final class DecoderSession implements AutoCloseable {

  private final ModelSession session;
  private final Recurrence runs;
  private int read;

  /**
   * @param session of a decoder, told by its inputs; it is closed with this
   * @throws ManticoreException {@code MNT-DECODE} if an input is none that a decoder has
   */
  public DecoderSession(ModelSession session) {
    this.session = session;
    Map<String, String> carried = new LinkedHashMap<>();
    Map<String, Tensor> begin = new LinkedHashMap<>();
    session
        .inputs()
        .forEach(
            (input, type) -> {
              Optional<DecoderState> state = DecoderState.of(input, type);
              if (state.isPresent()) {
                carried.put(state.get().present(), input);
                begin.put(input, state.get().begin(1));
              } else if (!input.equals(Decoder.INPUT_IDS)
                  && !input.equals(Decoder.ATTENTION_MASK)) {
                throw new ManticoreException(
                    "MNT-DECODE",
                    "the decoder reads '"
                        + input
                        + "', of which it is not known what it should be");
              }
            });
    this.runs = new Recurrence(session, carried, begin);
  }

  /** Whether a session has the inputs and outputs of a decoder. */
  public static boolean isDecoder(ModelSession session) {
    return session.inputs().containsKey(Decoder.ATTENTION_MASK)
        && session.inputs().containsKey(Decoder.INPUT_IDS)
        && session.outputs().containsKey(Decoder.LOGITS);
  }

  /** The number of tokens read so far. */
  public int length() {
    return read;
  }

  /** Forgets all tokens. */
  public void reset() {
    runs.reset();
    read = 0;
  }

  /**
   * Reads on.
   *
   * @param ids at least one token
   * @return the logits after each, [1,ids,vocabulary]; good until the next call
   */
  public Tensor read(int... ids) {
    checkArgument(ids.length > 0, "there is nothing to read");
    long[] tokens = new long[ids.length];
    for (int i = 0; i < ids.length; i++) {
      tokens[i] = ids[i];
    }
    long[] mask = new long[read + ids.length];
    Arrays.fill(mask, 1);
    Tensor logits =
        runs.run(
                Map.of(
                    Decoder.INPUT_IDS, Tensor.ofLongs(Shape.of(1, ids.length), tokens),
                    Decoder.ATTENTION_MASK, Tensor.ofLongs(Shape.of(1, mask.length), mask)))
            .get(Decoder.LOGITS);
    read += ids.length;
    return logits;
  }

  @Override
  public void close() {
    runs.close();
    session.close();
  }
}
