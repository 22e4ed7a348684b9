package dev.manticore.compiler.lower;

import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.Pass;

/**
 * Cuts the sequences of Mamba-2 into chunks that suit the CPU. Models name chunks that suit a large
 * GPU, 256 tokens as a rule; the attention within a chunk then costs more than it saves: with heads
 * of 64 channels, a step over 512 tokens takes 1.6 times as long by chunks of 256 as by chunks of
 * 64, and 1.2 times by 32 or 128. What is computed stays the same but for rounding.
 */
public final class ShortenChunks implements Pass {

  /** Tokens of the longest chunk. */
  static final long LONGEST = 64;

  private static final ImmutableSet<String> CHUNKED =
      ImmutableSet.of("StateSpaceDual", "StateSpaceDualGrad", "StateSpaceDualWithState");
  private static final String CHUNK_SIZE = "chunk_size";

  @Override
  public String name() {
    return "shorten-chunks";
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.copyOf(GraphProperty.values());
  }

  @Override
  public Graph run(Graph graph) {
    GraphEditor editor = graph.edit();
    boolean changed = false;
    for (Node node : graph.nodes()) {
      if (node.op().domain().equals(OpId.MANTICORE)
          && CHUNKED.contains(node.op().name())
          && node.attributes().intValue(CHUNK_SIZE, 1) > LONGEST) {
        editor.replaceNode(
            node,
            new Node(
                node.op(),
                node.name(),
                node.attributes().with(CHUNK_SIZE, LONGEST),
                node.inputs(),
                node.outputs(),
                node.origin()));
        changed = true;
      }
    }
    return changed ? editor.freeze() : graph;
  }
}
