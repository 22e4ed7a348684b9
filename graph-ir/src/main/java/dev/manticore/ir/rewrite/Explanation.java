package dev.manticore.ir.rewrite;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSortedMap;
import dev.manticore.ir.Node;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * What happened while a graph was rewritten: which rules fired how often and, for one rule that is
 * asked for, why it did not match in the end where it nearly did.
 */
public final class Explanation {

  /**
   * A place where a rule did not match.
   *
   * @param node the node that its root was tried at
   * @param matched how many parts of the pattern matched
   * @param reason what stopped it
   */
  public record Miss(Node node, int matched, String reason) {}

  private final Optional<String> explained;
  private final Map<String, Integer> fired = new TreeMap<>();
  private final List<Miss> current = new ArrayList<>();
  private final List<Miss> misses = new ArrayList<>();

  private Explanation(Optional<String> explained) {
    this.explained = explained;
  }

  /** Counts only. */
  public static Explanation counting() {
    return new Explanation(Optional.empty());
  }

  /** Counts, and explains where one rule did not match. */
  public static Explanation of(String rule) {
    return new Explanation(Optional.of(rule));
  }

  /** How often each rule fired that did. */
  public ImmutableSortedMap<String, Integer> fired() {
    return ImmutableSortedMap.copyOf(fired);
  }

  /** Where the explained rule did not match, the places where it came farthest first. */
  public ImmutableList<Miss> misses() {
    return misses.stream()
        .sorted(Comparator.comparingInt(Miss::matched).reversed())
        .collect(ImmutableList.toImmutableList());
  }

  void fired(String rule) {
    fired.merge(rule, 1, Integer::sum);
  }

  boolean explains(Rule rule) {
    return explained.isPresent() && explained.get().equals(rule.name());
  }

  /** A walk over the whole graph begins: only the last one, which changes nothing, is kept. */
  void walk() {
    current.clear();
  }

  void missed(Node node, NearMiss miss) {
    current.add(new Miss(node, miss.matched(), miss.reason()));
  }

  void finished() {
    misses.addAll(current);
    current.clear();
  }
}
