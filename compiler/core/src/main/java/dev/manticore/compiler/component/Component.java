package dev.manticore.compiler.component;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Value;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;

/**
 * A language model cut along its residual stream: embedding, blocks, final norm and head.
 *
 * @param name what the model is called where it is spliced
 * @param ids the token ids, i64[batch,length]
 * @param embedding the residual stream before anything but the table was applied,
 *     [batch,length,width]
 * @param entry the residual stream as the first layer reads it: the embedding, with positions where
 *     the model adds them
 * @param layers the residual stream after each layer, the last one before the final norm
 * @param normed what the head reads: after the final norm
 * @param logits [batch,length,vocabulary]
 */
public record Component(
    String name,
    Graph graph,
    Value ids,
    Value embedding,
    Value entry,
    ImmutableList<Value> layers,
    Value normed,
    Value logits) {

  /** What a model's layers look back with. */
  public enum Family {
    /** Attention, over all that was read. */
    TRANSFORMER,
    /** A state of a fixed size. */
    STATE_SPACE
  }

  /** Told by a softmax in the layers. */
  public Family family() {
    return attends() ? Family.TRANSFORMER : Family.STATE_SPACE;
  }

  /** The width of the residual stream. */
  public int width() {
    return Math.toIntExact(embedding.shape().dim(-1).extent());
  }

  /** The number of rows of the head: the vocabulary, padding included. */
  public int vocabulary() {
    return Math.toIntExact(logits.shape().dim(-1).extent());
  }

  /**
   * The hidden states as Hugging Face's implementations give them: for transformers, which are told
   * by a softmax in their layers, the entry and the outputs of all layers but the last; for
   * state-space models the outputs of all layers; and then the normed stream.
   */
  public ImmutableList<Value> hiddenStates() {
    ImmutableList.Builder<Value> states = ImmutableList.builder();
    if (attends()) {
      states.add(entry).addAll(layers.subList(0, layers.size() - 1));
    } else {
      states.addAll(layers);
    }
    return states.add(normed).build();
  }

  private boolean attends() {
    Value last = layers.get(layers.size() - 1);
    return graph.nodes().stream()
        .filter(node -> node.op().isOnnx("Softmax") || node.op().isOnnx("Attention"))
        .flatMap(node -> node.presentOutputs().stream())
        .anyMatch(weights -> dependsOn(last, entry, weights));
  }

  /**
   * Whether a parameter has one row (or column) for each entry of the vocabulary: a table of
   * embeddings or a head.
   */
  public boolean isVocabularyTable(Value parameter) {
    boolean sized =
        parameter.shape().dims().stream()
            .anyMatch(dim -> dim.isKnown() && dim.extent() == vocabulary());
    return sized && (dependsOn(embedding, ids, parameter) || dependsOn(logits, normed, parameter));
  }

  /**
   * The longest sequence that the model takes: the rows of the table of positions that it adds to
   * the embedding; empty where it has none.
   */
  public OptionalLong maxLength() {
    return graph.parameters().keySet().stream()
        .filter(parameter -> parameter.shape().rank() == 2)
        .filter(parameter -> dependsOn(entry, embedding, parameter))
        .mapToLong(parameter -> parameter.shape().dim(0).extent())
        .min();
  }

  /** Whether {@code value} reads {@code read} on a way that does not pass {@code stop}. */
  private boolean dependsOn(Value value, Value stop, Value read) {
    Set<Value> seen = new HashSet<>(Set.of(stop));
    Deque<Value> open = new ArrayDeque<>(List.of(value));
    while (!open.isEmpty()) {
      Value next = open.pop();
      if (next == read) {
        return true;
      }
      if (seen.add(next)) {
        graph.producer(next).ifPresent(node -> open.addAll(node.reads()));
      }
    }
    return false;
  }

  public Component withName(String other) {
    return new Component(other, graph, ids, embedding, entry, layers, normed, logits);
  }
}
