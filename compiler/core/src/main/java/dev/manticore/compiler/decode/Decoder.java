package dev.manticore.compiler.decode;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Graph;

/**
 * A model that reads any number of tokens, one or more, after those that it has read before.
 *
 * <p>Keys and values either grow with the tokens read, or have a capacity. In the second form there
 * is no {@code attention_mask}: nothing fills sequences up, each has its own number of tokens read,
 * a state too, and all states are of one size.
 *
 * @param graph inputs {@code input_ids} i64[batch,length], {@code attention_mask}
 *     i64[batch,total_length], 0 for what only fills a shorter sequence up at its front and 1
 *     otherwise, over the tokens read before and these; and the {@linkplain DecoderState#past
 *     states}, zeros (of no tokens, where they grow) before the first run. Outputs {@code logits}
 *     [batch,length,vocabulary], and the {@linkplain DecoderState#present states} after these
 *     tokens. Logits where the mask is 0 mean nothing.
 * @param states in the order of the graph's inputs
 */
public record Decoder(Graph graph, ImmutableList<DecoderState> states) {

  public static final String INPUT_IDS = "input_ids";
  public static final String ATTENTION_MASK = "attention_mask";
  public static final String LOGITS = "logits";

  /** The key of a file's metadata for the longest sequence, in tokens; absent where it is any. */
  public static final String MAX_LENGTH = "manticore.max_length";

  static final String BATCH = "batch";

  /** The dimension of the tokens of a run. */
  public static final String LENGTH = "length";

  static final String PAST_LENGTH = "past_length";
  static final String TOTAL_LENGTH = "total_length";
}
