package dev.manticore.ir.rewrite;

import dev.manticore.ir.Dim;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Value;

/** Conditions that rules have in common. */
final class Conditions {

  private Conditions() {}

  /** Whether the root's output is known to have the type of a captured value. */
  static boolean isLike(Match match, String name) {
    return sameType(match.root().output(), match.value(name));
  }

  /** Whether two values are known to have one type. */
  static boolean sameType(Value one, Value other) {
    return one.type().equals(other.type()) && ShapeBuilder.isKnown(one.shape());
  }

  /** Whether the last dimensions of two shapes, so many of them, are known to be equal. */
  static boolean sameLast(Shape one, Shape other, int count) {
    if (!one.isRanked() || !other.isRanked() || one.rank() < count || other.rank() < count) {
      return false;
    }
    for (int i = 1; i <= count; i++) {
      if (!one.dim(-i).equals(other.dim(-i)) || one.dim(-i).equals(Dim.UNKNOWN)) {
        return false;
      }
    }
    return true;
  }
}
