package dev.manticore.ir.rewrite;

import dev.manticore.ir.Node;
import dev.manticore.ir.Value;
import dev.manticore.ir.rewrite.IndexFunction.Choice;
import dev.manticore.ir.rewrite.IndexFunction.Truth;
import java.util.Optional;

/** Scores of an attention, and where they are not hidden by the masks on them. */
record Masked(Value scores, Truth visible) {

  /**
   * What is at least so negative hides a position from a softmax of any sensible scores, as minus
   * infinity and the least float32 do: in single precision the exponential of what is 104 below the
   * largest of a row is 0. That holds of hidden positions in every row that sees one, unless its
   * scores lie a thousand million apart.
   */
  private static final double HIDDEN = -1e9;

  /** Empty if there is no mask, or one that does not follow from positions alone. */
  static Optional<Masked> of(Match.Knowledge knowledge, Value value) {
    Masked masked = new Masked(value, Truth.EVERYWHERE);
    boolean found = false;
    for (Optional<Masked> next = masked.peeled(knowledge);
        next.isPresent();
        next = masked.peeled(knowledge)) {
      masked = next.get();
      found = true;
    }
    return found ? Optional.of(masked) : Optional.empty();
  }

  /** Without the mask that was put on last. */
  private Optional<Masked> peeled(Match.Knowledge knowledge) {
    Optional<Node> made = knowledge.producer(scores);
    if (made.isEmpty()) {
      return Optional.empty();
    }
    Node node = made.get();
    IndexFunctions functions = knowledge.indexFunctions();
    if (node.op().isOnnx("Where")) {
      Optional<Truth> condition = truth(functions, node.input(0));
      if (isHidden(functions, node.input(2))) {
        return condition.flatMap(shown -> under(node.input(1), shown));
      }
      return isHidden(functions, node.input(1))
          ? condition.flatMap(Truth::not).flatMap(shown -> under(node.input(2), shown))
          : Optional.empty();
    }
    if (node.op().isOnnx("Add")) {
      Optional<Truth> right = shown(functions, node.input(1));
      return right.isPresent()
          ? under(node.input(0), right.get())
          : shown(functions, node.input(0)).flatMap(left -> under(node.input(1), left));
    }
    return Optional.empty();
  }

  private Optional<Masked> under(Value inner, Truth shown) {
    return Optional.of(new Masked(inner, visible.and(shown)));
  }

  private static Optional<Truth> truth(IndexFunctions functions, Value value) {
    return functions.of(value).filter(Truth.class::isInstance).map(Truth.class::cast);
  }

  private static boolean isHidden(IndexFunctions functions, Value value) {
    return functions.constant(value).map(number -> number <= HIDDEN).orElse(false);
  }

  /** Where an additive mask is 0, if it hides everything else. */
  private static Optional<Truth> shown(IndexFunctions functions, Value value) {
    Optional<Choice> choice =
        functions
            .of(value)
            .filter(Choice.class::isInstance)
            .map(Choice.class::cast)
            .filter(mask -> !mask.isConstant());
    if (choice.isEmpty()) {
      return Optional.empty();
    }
    if (choice.get().then() == 0 && choice.get().otherwise() <= HIDDEN) {
      return Optional.of(choice.get().where());
    }
    return choice.get().otherwise() == 0 && choice.get().then() <= HIDDEN
        ? choice.get().where().not()
        : Optional.empty();
  }
}
