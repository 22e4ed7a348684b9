package dev.manticore.compiler.decode;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.decode.DecoderState.Kind;
import dev.manticore.ir.Shape;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What ONNX Runtime GenAI has to know of a decoder, {@code genai_config.json}. GenAI finds the
 * layers of each kind by the names of their states, and takes the shapes of one layer for those of
 * all.
 *
 * @param file the decoder's file, beside the configuration
 * @param vocabulary the number of logits
 * @param width of the residual stream
 * @param contextLength the longest sequence, in tokens
 * @param endOfText the token that ends a text and begins one, if there is one
 * @param onCuda whether it is for GPUs, and not for processors
 */
public record GenAiConfig(
    String file,
    int vocabulary,
    int width,
    int contextLength,
    OptionalInt endOfText,
    boolean onCuda) {

  /** The name of the file. */
  public static final String FILE = "genai_config.json";

  /** A context length for models that read sequences of any length. */
  public static final int ANY_LENGTH = 1 << 17;

  /** Why GenAI cannot run a decoder; empty if it can. */
  public static Optional<String> obstacle(List<DecoderState> states) {
    for (Kind kind : Kind.values()) {
      ImmutableList<Shape> shapes = shapes(states, kind);
      if (shapes.size() > 1) {
        return Optional.of(
            "its states "
                + kind.template()
                + " are of different shapes, "
                + shapes
                + ", and GenAI takes one shape for all");
      }
    }
    if (shapes(states, Kind.KEY).isEmpty()) {
      return Optional.of("no layer attends, and GenAI wants a cache of keys and values");
    }
    return Optional.empty();
  }

  private static ImmutableList<Shape> shapes(List<DecoderState> states, Kind kind) {
    return states.stream()
        .filter(state -> state.kind() == kind)
        .map(state -> state.type().shape())
        .distinct()
        .collect(ImmutableList.toImmutableList());
  }

  /** The configuration, for greedy search unless its user says otherwise. */
  public ObjectNode json(List<DecoderState> states) {
    JsonNodeFactory json = JsonNodeFactory.instance;
    ObjectNode inputs =
        json.objectNode()
            .put("input_ids", Decoder.INPUT_IDS)
            .put("attention_mask", Decoder.ATTENTION_MASK)
            .put("past_key_names", DecoderState.PAST_PREFIX + Kind.KEY.template())
            .put("past_value_names", DecoderState.PAST_PREFIX + Kind.VALUE.template());
    ObjectNode outputs =
        json.objectNode()
            .put("logits", Decoder.LOGITS)
            .put("present_key_names", DecoderState.PRESENT_PREFIX + Kind.KEY.template())
            .put("present_value_names", DecoderState.PRESENT_PREFIX + Kind.VALUE.template());
    if (states.stream().anyMatch(state -> state.kind() == Kind.RECURRENT)) {
      inputs
          .put("past_conv_names", DecoderState.PAST_PREFIX + Kind.CONVOLUTION.template())
          .put("past_recurrent_names", DecoderState.PAST_PREFIX + Kind.RECURRENT.template());
      outputs
          .put("present_conv_names", DecoderState.PRESENT_PREFIX + Kind.CONVOLUTION.template())
          .put("present_recurrent_names", DecoderState.PRESENT_PREFIX + Kind.RECURRENT.template());
    }
    Shape keys = shapes(states, Kind.KEY).get(0);
    int layers =
        1 + states.stream().map(DecoderState::layer).max(Comparator.naturalOrder()).orElseThrow();
    ObjectNode decoder = json.objectNode();
    ArrayNode providers =
        decoder
            .putObject("session_options")
            .put("log_id", "onnxruntime-genai")
            .putArray("provider_options");
    if (onCuda) {
      providers.addObject().putObject("cuda");
    }
    decoder
        .put("filename", file)
        .put("head_size", keys.dim(3).extent())
        .put("hidden_size", width)
        .put("num_attention_heads", keys.dim(1).extent())
        .put("num_hidden_layers", layers)
        .put("num_key_value_heads", keys.dim(1).extent());
    decoder.set("inputs", inputs);
    decoder.set("outputs", outputs);
    ObjectNode model = json.objectNode();
    endOfText.ifPresent(
        id -> model.put("bos_token_id", id).put("eos_token_id", id).put("pad_token_id", id));
    model.put("context_length", contextLength);
    model.set("decoder", decoder);
    model.put("type", "decoder").put("vocab_size", vocabulary);
    ObjectNode search =
        json.objectNode()
            .put("do_sample", false)
            .put("early_stopping", true)
            .put("length_penalty", 1.0)
            .put("max_length", contextLength)
            .put("min_length", 0)
            .put("num_beams", 1)
            .put("num_return_sequences", 1)
            .put("past_present_share_buffer", false)
            .put("repetition_penalty", 1.0)
            .put("temperature", 1.0)
            .put("top_k", 1)
            .put("top_p", 1.0);
    ObjectNode config = json.objectNode();
    config.set("model", model);
    config.set("search", search);
    return config;
  }
}
