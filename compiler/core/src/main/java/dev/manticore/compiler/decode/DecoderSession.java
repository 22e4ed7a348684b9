package dev.manticore.compiler.decode;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.Recurrence;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Sequences of one length, read by a decoder piece by piece. The decoder's states stay where they
 * are between the pieces; caches that have room get more of it when they need it.
 */
public final class DecoderSession implements AutoCloseable {

  /** Slots of a cache at first. */
  private static final int ROOM = 256;

  private final Recurrence runs;
  private final int batch;

  /** The caches that have room, and the axis of their slots. */
  private final Map<String, Integer> roomAxes = new LinkedHashMap<>();

  private final int room;
  private int capacity;
  private int read;

  /**
   * @param model of a decoder, told by its inputs; it outlives this
   * @param batch the number of sequences
   * @throws ManticoreException {@code MNT-DECODE} if an input is none that a decoder has
   */
  public DecoderSession(ModelSession model, int batch) {
    this(model, batch, ROOM);
  }

  /**
   * @param model of a decoder, told by its inputs; it outlives this
   * @param batch the number of sequences
   * @param room the slots that caches have at first, at least 1
   * @throws ManticoreException {@code MNT-DECODE} if an input is none that a decoder has
   */
  public DecoderSession(ModelSession model, int batch, int room) {
    this.batch = batch;
    this.room = room;
    this.capacity = room;
    Map<String, String> carried = new LinkedHashMap<>();
    Map<String, Tensor> begin = new LinkedHashMap<>();
    Map<String, TensorType> kept = new LinkedHashMap<>();
    model
        .inputs()
        .forEach(
            (input, type) -> {
              Optional<DecoderState> state = DecoderState.of(input, type);
              if (state.isPresent()) {
                carried.put(state.get().present(), input);
                if (state.get().hasRoom()) {
                  kept.put(input, state.get().typeAtFirst(batch, room));
                  roomAxes.put(input, state.get().roomAxis());
                } else {
                  begin.put(input, state.get().begin(batch));
                }
              } else if (!input.equals(Decoder.INPUT_IDS)
                  && !input.equals(Decoder.ATTENTION_MASK)) {
                throw new ManticoreException(
                    "MNT-DECODE",
                    "the decoder reads '"
                        + input
                        + "', of which it is not known what it should be");
              }
            });
    this.runs = new Recurrence(model, carried, kept, begin);
  }

  /** Whether a session has the inputs and outputs of a decoder. */
  public static boolean isDecoder(ModelSession session) {
    return isDecoder(session.inputs(), session.outputs());
  }

  /** Whether a graph has the inputs and outputs of a decoder. */
  public static boolean isDecoder(Graph graph) {
    return isDecoder(types(graph.inputs()), types(graph.outputs()));
  }

  private static Map<String, TensorType> types(List<Value> values) {
    return values.stream()
        .filter(Value::isTensor)
        .collect(ImmutableMap.toImmutableMap(Value::name, Value::type));
  }

  private static boolean isDecoder(
      Map<String, TensorType> inputs, Map<String, TensorType> outputs) {
    boolean carries =
        inputs.entrySet().stream()
            .anyMatch(input -> DecoderState.of(input.getKey(), input.getValue()).isPresent());
    return carries
        && inputs.containsKey(Decoder.ATTENTION_MASK)
        && inputs.containsKey(Decoder.INPUT_IDS)
        && outputs.containsKey(Decoder.LOGITS);
  }

  /** Forgets all tokens. */
  public void reset() {
    runs.reset();
    capacity = room;
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
    checkArgument(
        ids.length > 0 && ids.length % batch == 0, "%s ids for %s sequences", ids.length, batch);
    int count = ids.length / batch;
    int total = Math.addExact(read, count);
    if (total > capacity) {
      // Not all of them may find room: then the others are longer, which does no harm.
      int longer = (int) Math.max(total, Math.min(2L * capacity, Integer.MAX_VALUE));
      roomAxes.forEach((input, axis) -> runs.extend(input, axis, longer));
      capacity = longer;
    }
    long[] mask = new long[Math.multiplyExact(batch, total)];
    Arrays.fill(mask, 1);
    Tensor logits =
        runs.run(
                Map.of(
                    Decoder.INPUT_IDS, Tensor.ofLongs(Shape.of(batch, count), ids),
                    Decoder.ATTENTION_MASK, Tensor.ofLongs(Shape.of(batch, total), mask)))
            .get(Decoder.LOGITS);
    read = total;
    return logits;
  }

  @Override
  public void close() {
    runs.close();
  }
}
