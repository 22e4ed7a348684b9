package dev.manticore.compiler.diff;

import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.lift.Lift;
import dev.manticore.ir.rewrite.Canonicalise;
import dev.manticore.ir.rewrite.Explanation;
import dev.manticore.ir.rewrite.Rule;
import dev.manticore.onnx.OnnxExporter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** A model brought to its normal form, and what it took. */
public final class Normalisation {

  private static final String CODE = "MNT-CANONICALISE";

  /** Near misses that are listed. */
  private static final int LISTED = 10;

  private final Graph before;
  private final Graph after;
  private final Explanation explanation;
  private final Optional<String> rule;

  private Normalisation(Graph before, Graph after, Explanation explanation, Optional<String> rule) {
    this.before = before;
    this.after = after;
    this.explanation = explanation;
    this.rule = rule;
  }

  /**
   * Lifts and canonicalises a graph.
   *
   * @param rule the rule whose near misses are explained
   * @throws ManticoreException {@code MNT-CANONICALISE} if there is no such rule, and as {@link
   *     Lift} does
   */
  public static Normalisation of(Graph graph, Optional<String> rule) {
    List<String> names = Canonicalise.rules().stream().map(Rule::name).toList();
    if (rule.isPresent() && !names.contains(rule.get())) {
      throw new ManticoreException(
          CODE, "there is no rule '" + rule.get() + "'; the rules are " + String.join(", ", names));
    }
    Explanation explanation = rule.map(Explanation::of).orElseGet(Explanation::counting);
    Graph normal = new Canonicalise().run(new Lift().run(graph), explanation);
    return new Normalisation(graph, normal, explanation, rule);
  }

  public Graph graph() {
    return after;
  }

  /**
   * Writes the normal form, to an {@code .onnx} or a {@code .hir} file.
   *
   * @throws ManticoreException as {@link ModelFiles#write} does
   */
  public void write(Path file) {
    ModelFiles.write(after, file, OnnxExporter.Placement.AUTOMATIC);
  }

  public String summary() {
    return before.nodes().size() + " nodes, in normal form " + after.nodes().size();
  }

  /** Lines of text: which rules fired how often and, for one rule, where it nearly matched. */
  public String explanation() {
    StringBuilder text = new StringBuilder();
    explanation
        .fired()
        .forEach(
            (name, count) -> text.append(String.format(Locale.ROOT, "%6d  %s%n", count, name)));
    if (rule.isPresent()) {
      List<Explanation.Miss> misses = explanation.misses();
      text.append(
          String.format(
              Locale.ROOT,
              "Rule %s fired %d times and did not match at %d nodes that it was tried at%n",
              rule.get(),
              explanation.fired().getOrDefault(rule.get(), 0),
              misses.size()));
      for (Explanation.Miss miss : misses.subList(0, Math.min(LISTED, misses.size()))) {
        text.append(
            String.format(
                Locale.ROOT,
                "  %s: %d parts matched, then: %s%n",
                miss.node(),
                miss.matched(),
                miss.reason()));
      }
    }
    return text.toString();
  }
}
