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
 * Sequences of one length, read by a decoder piece by piece. The decoder's states stay where they
 * are between the pieces.
 */
public final class DecoderSession implements AutoCloseable {

  private final ModelSession session;
  private final Recurrence runs;
  private final int batch;
  private int read;

  /**
   * @param session of a decoder, told by its inputs; it is closed with this, also where this fails
   * @param batch the number of sequences
   * @throws ManticoreException {@code MNT-DECODE} if an input is none that a decoder has
   */
  public DecoderSession(ModelSession session, int batch) {
    this.session = session;
    this.batch = batch;
    try {
      this.runs = recurrence(session, batch);
    } catch (RuntimeException e) {
      session.close();
      throw e;
    }
  }

  /** The runs of a decoder from no tokens on; the session outlives them. */
  public static Recurrence recurrence(ModelSession session, int batch) {
    Map<String, String> carried = new LinkedHashMap<>();
    Map<String, Tensor> begin = new LinkedHashMap<>();
    session
        .inputs()
        .forEach(
            (input, type) -> {
              Optional<DecoderState> state = DecoderState.of(input, type);
              if (state.isPresent()) {
                carried.put(state.get().present(), input);
                begin.put(input, state.get().begin(batch));
              } else if (!input.equals(Decoder.INPUT_IDS)
                  && !input.equals(Decoder.ATTENTION_MASK)) {
                throw new ManticoreException(
                    "MNT-DECODE",
                    "the decoder reads '"
                        + input
                        + "', of which it is not known what it should be");
              }
            });
    return new Recurrence(session, carried, begin);
  }

  /** Whether a session has the inputs and outputs of a decoder. */
  public static boolean isDecoder(ModelSession session) {
    boolean carries =
        session.inputs().entrySet().stream()
            .anyMatch(input -> DecoderState.of(input.getKey(), input.getValue()).isPresent());
    return carries
        && session.inputs().containsKey(Decoder.ATTENTION_MASK)
        && session.inputs().containsKey(Decoder.INPUT_IDS)
        && session.outputs().containsKey(Decoder.LOGITS);
  }

  /** Forgets all tokens. */
  public void reset() {
    runs.reset();
    read = 0;
  }

  /**
   * Reads on, one sequence.
   *
   * @param ids at least one token
   * @return the logits after each, [1,ids,vocabulary]; good until the next call
   */
  public Tensor read(int... ids) {
    return read(Arrays.stream(ids).asLongStream().toArray());
  }

  /**
   * Reads on.
   *
   * @param ids [batch,ids], at least one token of each sequence
   * @return the logits after each, [batch,ids,vocabulary]; good until the next call
   */
  public Tensor read(long[] ids) {
    Tensor logits = read(runs, ids, batch, read);
    read += ids.length / batch;
    return logits;
  }

  /**
   * One run of a decoder.
   *
   * @param ids [batch,ids]
   * @param before the number of tokens read before
   */
  public static Tensor read(Recurrence runs, long[] ids, int batch, int before) {
    checkArgument(
        ids.length > 0 && ids.length % batch == 0, "%s ids for %s sequences", ids.length, batch);
    int count = ids.length / batch;
    long[] mask = new long[batch * (before + count)];
    Arrays.fill(mask, 1);
    return runs.run(
            Map.of(
                Decoder.INPUT_IDS, Tensor.ofLongs(Shape.of(batch, count), ids),
                Decoder.ATTENTION_MASK, Tensor.ofLongs(Shape.of(batch, before + count), mask)))
        .get(Decoder.LOGITS);
  }

  @Override
  public void close() {
    runs.close();
    session.close();
  }
}
