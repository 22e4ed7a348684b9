package dev.manticore.ir;

import com.google.common.collect.ImmutableList;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Stable topological order: nodes stay where they were put unless something they read comes later.
 */
final class Ordering {

  private Ordering() {}

  /**
   * @param liveOutputs if there, only what these depend on is kept
   * @throws IrException if the nodes form a cycle
   */
  static ImmutableList<Node> sort(
      Collection<Node> nodes, Map<Value, Node> producers, Optional<List<Value>> liveOutputs) {
    Optional<Set<Node>> live = liveOutputs.map(outputs -> live(outputs, producers));
    ImmutableList.Builder<Node> sorted = ImmutableList.builderWithExpectedSize(nodes.size());
    Map<Node, Boolean> done = new HashMap<>();
    for (Node root : nodes) {
      if ((live.isEmpty() || live.get().contains(root)) && !done.containsKey(root)) {
        visit(root, producers, done, sorted);
      }
    }
    return sorted.build();
  }

  /** The nodes that outputs depend on. */
  private static Set<Node> live(List<Value> outputs, Map<Value, Node> producers) {
    Set<Node> live = new HashSet<>();
    Deque<Value> open = new ArrayDeque<>(outputs);
    while (!open.isEmpty()) {
      Node node = producers.get(open.pop());
      if (node != null && live.add(node)) {
        open.addAll(node.reads());
      }
    }
    return live;
  }

  /** Depth first without recursion: graphs are deeper than the stack. */
  private static void visit(
      Node root,
      Map<Value, Node> producers,
      Map<Node, Boolean> done,
      ImmutableList.Builder<Node> sorted) {
    record Frame(Node node, Iterator<Value> reads) {}
    Deque<Frame> stack = new ArrayDeque<>();
    stack.push(new Frame(root, root.reads().iterator()));
    done.put(root, false);
    while (!stack.isEmpty()) {
      Frame frame = stack.peek();
      if (frame.reads().hasNext()) {
        Node read = producers.get(frame.reads().next());
        Boolean state = read == null ? Boolean.TRUE : done.get(read);
        if (state == null) {
          done.put(read, false);
          stack.push(new Frame(read, read.reads().iterator()));
        } else if (!state) {
          throw new IrException("the graph has a cycle through " + read);
        }
      } else {
        stack.pop();
        done.put(frame.node(), true);
        sorted.add(frame.node());
      }
    }
  }
}
