package dev.manticore.compiler.decode;

import static java.util.Objects.requireNonNull;

import dev.manticore.ir.TensorType;

/**
 * One tensor that a decoder carries from one run to the next. Names are those of ONNX Runtime
 * GenAI.
 *
 * @param layer counted over all components of the model, in the order of computing; the states of
 *     one layer have one number
 * @param type with {@code batch} and, where it grows, {@code past_length} as symbolic dimensions
 */
public record DecoderState(int layer, Kind kind, TensorType type) {

  /** What a state is. */
  public enum Kind {
    /** Keys of all tokens read, [batch,heads,past_length,width]. */
    KEY("key"),
    /** Values of all tokens read, [batch,heads,past_length,width]. */
    VALUE("value"),
    /** The last inputs of a causal convolution, oldest first, [batch,channels,kernel-1]. */
    CONVOLUTION("conv_state"),
    /** The state of a state space, [batch,channels,states] or [batch,heads,width,states]. */
    RECURRENT("recurrent_state");

    private final String suffix;

    Kind(String suffix) {
      this.suffix = suffix;
    }

    /** Whether it has an entry for each token read; other states are of one size. */
    public boolean grows() {
      return this == KEY || this == VALUE;
    }
  }

  public DecoderState {
    requireNonNull(kind, "kind");
    requireNonNull(type, "type");
  }

  /** The decoder's input. */
  public String past() {
    return "past_key_values." + layer + "." + kind.suffix;
  }

  /** The decoder's output, the state after the tokens of the run. */
  public String present() {
    return "present." + layer + "." + kind.suffix;
  }
}
