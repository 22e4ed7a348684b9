package dev.manticore.ir.rewrite;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Graph;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.Pass;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Applies rules until none matches. Every node is visited in order, those that a replacement
 * touches again, and the whole graph until a walk over it changes nothing; a visit costs what the
 * rules' patterns hold, so that the cost grows with the nodes. Where several rules match, the first
 * of the list wins. On the way equal nodes become one, small values that follow from constants and
 * shapes become constants, and what nothing reads any more goes. Nodes in subgraphs stay as they
 * are.
 */
public final class Rewrite implements Pass {

  /** Rules that undo each other are a mistake; no graph needs so many replacements a node. */
  private static final int REPLACEMENTS_PER_NODE = 100;

  /** Readers of a value that are looked at for the further roots of a rule. */
  private static final int READERS = 64;

  /** How often what {@link #fold} does is counted as. */
  private static final String FOLD = "known-values";

  private final String name;
  private final ImmutableSet<GraphProperty> preserves;
  private final ImmutableList<Rule> rules;

  /** By domain and name of the operator at the first root. */
  private final Map<String, Map<String, List<Rule>>> byRoot = new HashMap<>();

  /**
   * @param preserves what all of the rules keep
   */
  public Rewrite(String name, ImmutableSet<GraphProperty> preserves, ImmutableList<Rule> rules) {
    this.name = requireNonNull(name, "name");
    this.preserves = requireNonNull(preserves, "preserves");
    this.rules = requireNonNull(rules, "rules");
    for (Rule rule : rules) {
      for (OpId op : rule.patterns().get(0).ops()) {
        byRoot
            .computeIfAbsent(op.domain(), domain -> new HashMap<>())
            .computeIfAbsent(op.name(), operator -> new ArrayList<>())
            .add(rule);
      }
    }
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return preserves;
  }

  public ImmutableList<Rule> rules() {
    return rules;
  }

  @Override
  public Graph run(Graph graph) {
    return run(graph, Explanation.counting());
  }

  /** Runs, and tells what happened. */
  public Graph run(Graph graph, Explanation explanation) {
    Workspace workspace = new Workspace(graph, name);
    long allowed = (long) REPLACEMENTS_PER_NODE * (graph.nodes().size() + REPLACEMENTS_PER_NODE);
    boolean again = true;
    while (again) {
      again = false;
      explanation.walk();
      workspace.openAll();
      for (Optional<Workspace.Place> next = workspace.next();
          next.isPresent();
          next = workspace.next()) {
        Optional<String> fired = visit(workspace, next.get().node(), explanation);
        if (fired.isPresent()) {
          again = true;
          explanation.fired(fired.get());
          if (--allowed < 0) {
            throw new IllegalStateException(
                "the rules of '"
                    + name
                    + "' do not come to an end; the last was '"
                    + fired.get()
                    + "' at "
                    + next.get().node()
                    + ", after "
                    + explanation.fired());
          }
        }
      }
    }
    explanation.finished();
    return workspace.changed() ? workspace.finish() : graph;
  }

  /** The rule that has changed something at a node, if any did. */
  private Optional<String> visit(Workspace workspace, Node node, Explanation explanation) {
    if (!node.hasOnlyTensors() || !node.hasOutput(0)) {
      return Optional.empty();
    }
    if (fold(workspace, node)) {
      return Optional.of(FOLD);
    }
    List<Rule> candidates =
        byRoot.getOrDefault(node.op().domain(), Map.of()).getOrDefault(node.op().name(), List.of());
    for (Rule rule : candidates) {
      if (apply(workspace, rule, node, explanation)) {
        return Optional.of(rule.name());
      }
    }
    return Optional.empty();
  }

  /** Writes what is known of a value as a constant. */
  private static boolean fold(Workspace workspace, Node node) {
    if (node.presentOutputs().size() != 1
        || node.op().isOnnx("Constant") && node.attributes().has("value")) {
      return false;
    }
    Optional<Tensor> known = workspace.constantOf(node.output());
    return known.isPresent()
        && workspace.rewrite(
            new Match(workspace),
            List.of(node),
            (match, ops) -> Optional.of(List.of(ops.editor().constant(known.get()))));
  }

  private static boolean apply(Workspace workspace, Rule rule, Node node, Explanation explanation) {
    Match match = new Match(workspace);
    match.root(node);
    NearMiss miss = new NearMiss();
    Matcher matcher = new Matcher(match, workspace, miss);
    List<Node> roots = new ArrayList<>();
    boolean matched = false;
    try {
      matched = matchRoots(workspace, matcher, match, rule, roots, node);
      if (matched && workspace.rewrite(match, roots, rule.replacement())) {
        return true;
      }
    } catch (ArithmeticException e) {
      // Extents beyond long: whoever runs the graph will refuse them.
      return false;
    } catch (IrException | IllegalStateException e) {
      throw new IllegalStateException("rule '" + rule.name() + "' failed at " + node, e);
    }
    if (explanation.explains(rule)) {
      if (matched) {
        matcher.fail(() -> "all matches, and there is nothing to change");
      }
      explanation.missed(node, miss);
    }
    return false;
  }

  /** Matches a root at a node, and then the others at what reads something captured before. */
  private static boolean matchRoots(
      Workspace workspace, Matcher matcher, Match match, Rule rule, List<Node> roots, Node node) {
    Pattern.Operation pattern = rule.patterns().get(roots.size());
    roots.add(node);
    boolean matched =
        matcher.matches(
            pattern,
            node,
            () -> {
              if (roots.size() == rule.patterns().size()) {
                return conditions(matcher, match, rule);
              }
              Pattern.Operation further = rule.patterns().get(roots.size());
              for (Value value : match.values()) {
                for (Node reader : workspace.readers(value).stream().limit(READERS).toList()) {
                  if (!roots.contains(reader)
                      && reader.hasOutput(0)
                      && further.accepts(reader.op())
                      && matchRoots(workspace, matcher, match, rule, roots, reader)) {
                    return true;
                  }
                }
              }
              return matcher.fail(
                  () -> "nothing that reads what was matched is " + further.described());
            });
    if (!matched) {
      roots.remove(roots.size() - 1);
    }
    return matched;
  }

  private static boolean conditions(Matcher matcher, Match match, Rule rule) {
    for (Rule.Condition condition : rule.conditions()) {
      if (!condition.holds().test(match)) {
        return matcher.fail(() -> "not so that " + condition.description());
      }
    }
    return true;
  }
}
