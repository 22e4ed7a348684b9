package dev.manticore.compiler.decode;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Dim;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import java.util.Arrays;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * One tensor that a decoder carries from one run to the next. Names are those of ONNX Runtime
 * GenAI. What is lowered for our own process may lay states out otherwise.
 *
 * @param layer counted over all components of the model, in the order of computing; the states of
 *     one layer have one number
 * @param type with {@code batch} and, where it grows, {@code past_length} as symbolic dimensions
 */
public record DecoderState(int layer, Kind kind, TensorType type) {

  private static final Pattern PAST =
      Pattern.compile("past_key_values\\.(0|[1-9][0-9]{0,5})\\.([a-z_]+)");

  /**
   * The dimension of caches of any number of slots, those still free among them. Only our own
   * lowering makes such caches, so it is called as nobody else would.
   */
  public static final String CAPACITY = "manticore.capacity";

  private static final Pattern CACHE =
      Pattern.compile("(past_key_values|present)\\.[0-9]{1,6}\\.(key|value)");

  static final String PAST_PREFIX = "past_key_values.";
  static final String PRESENT_PREFIX = "present.";

  private static final String PAST_LENGTH = "past_length";
  private static final String PRESENT_LENGTH = "present_length";

  private static final int LENGTH_AXIS = 2;

  /** What a state is. */
  public enum Kind {
    /** Keys of all tokens read, [batch,heads,past_length or capacity,width]. */
    KEY("key"),
    /** Values of all tokens read, [batch,heads,past_length or capacity,width]. */
    VALUE("value"),
    /** The last inputs of a causal convolution, oldest first, [batch,channels,kernel-1]. */
    CONVOLUTION("conv_state"),
    /** The number of tokens read, i64[batch,1]; where keys and values have a capacity. */
    LENGTH("length"),
    /** The state of a state space, [batch,channels,states] or [batch,heads,width,states]. */
    RECURRENT("recurrent_state");

    private final String suffix;

    Kind(String suffix) {
      this.suffix = suffix;
    }

    /** Its names, after the prefix, with {@code %d} for the layer. */
    String template() {
      return "%d." + suffix;
    }

    /** Whether it has an axis of the tokens read. */
    boolean isCache() {
      return this == KEY || this == VALUE;
    }
  }

  public DecoderState {
    requireNonNull(kind, "kind");
    requireNonNull(type, "type");
  }

  /**
   * What an input of a decoder carries, by its name; empty if that is no name of a state.
   *
   * @param type with unknown or symbolic dimensions for the batch and for what grows
   */
  public static Optional<DecoderState> of(String input, TensorType type) {
    if (input.equals(PAST_LENGTH)) {
      return Optional.of(new DecoderState(0, Kind.LENGTH, type));
    }
    Matcher name = PAST.matcher(input);
    if (!name.matches()) {
      return Optional.empty();
    }
    return Arrays.stream(Kind.values())
        .filter(kind -> kind.suffix.equals(name.group(2)))
        .findFirst()
        .map(kind -> new DecoderState(Integer.parseInt(name.group(1)), kind, type));
  }

  /** The states of a decoder, in the order of its inputs. */
  public static ImmutableList<DecoderState> of(Graph decoder) {
    return decoder.inputs().stream()
        .filter(Value::isTensor)
        .flatMap(input -> of(input.name(), input.type()).stream())
        .collect(ImmutableList.toImmutableList());
  }

  /** Whether a decoder's input or output of a name carries keys or values. */
  public static boolean isCache(String name) {
    return CACHE.matcher(name).matches();
  }

  /**
   * The state before any token is read.
   *
   * @param batch the number of sequences
   */
  public Tensor begin(int batch) {
    TensorType begin = typeAtFirst(batch, 0);
    return new Tensor(begin, TensorData.ofBytes(new byte[Math.toIntExact(begin.byteSize())]));
  }

  /**
   * The type of the state before any token is read, all extents known.
   *
   * @param batch the number of sequences
   * @param room the number of slots, where it has room for any
   */
  public TensorType typeAtFirst(int batch, int room) {
    Shape shape = type.shape().withDim(0, Dim.of(batch));
    if (hasRoom()) {
      shape = shape.withDim(roomAxis(), Dim.of(room));
    } else if (grows()) {
      shape = shape.withDim(LENGTH_AXIS, Dim.of(0));
    }
    return type.withShape(shape);
  }

  /** Whether it grows by an entry for each token read; other states are of one size. */
  public boolean grows() {
    return kind.isCache() && !hasRoom() && !type.shape().dim(LENGTH_AXIS).isKnown();
  }

  /**
   * Whether it has slots of any number, of which each token read takes one, and the same memory may
   * be given as the state before and after a run. Keys lie turned then, [batch,heads,width,slots].
   */
  public boolean hasRoom() {
    return roomAxis() >= 0;
  }

  /** The axis of the slots, below 0 if there is none. */
  int roomAxis() {
    return type.shape().isRanked() ? type.shape().dims().indexOf(Dim.of(CAPACITY)) : -1;
  }

  /** The decoder's input. */
  public String past() {
    if (kind == Kind.LENGTH) {
      return PAST_LENGTH;
    }
    return PAST_PREFIX + layer + "." + kind.suffix;
  }

  /** The decoder's output, the state after the tokens of the run. */
  public String present() {
    if (kind == Kind.LENGTH) {
      return PRESENT_LENGTH;
    }
    return PRESENT_PREFIX + layer + "." + kind.suffix;
  }
}
