package dev.manticore.ir.rewrite;

import com.google.common.collect.ImmutableSet;
import com.google.common.collect.ImmutableSortedMap;
import dev.manticore.ir.Extent;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.LongBinaryOperator;
import java.util.function.UnaryOperator;

/**
 * A tensor whose elements follow from their indices alone, as those of masks and positions do. Axes
 * are counted from the last one, which is 1, so that what broadcasts lines up.
 */
sealed interface IndexFunction {

  /** The same function of other indices. */
  IndexFunction reindexed(UnaryOperator<Linear> change);

  /**
   * A sum of multiples of indices and a number.
   *
   * @param factors by axis, none of them 0
   */
  record Linear(ImmutableSortedMap<Integer, Long> factors, Extent constant)
      implements IndexFunction {

    static Linear of(Extent constant) {
      return new Linear(ImmutableSortedMap.of(), constant);
    }

    static Linear index(int axis) {
      return new Linear(ImmutableSortedMap.of(axis, 1L), Extent.of(0));
    }

    Linear plus(Linear other) {
      Map<Integer, Long> sum = new TreeMap<>(factors);
      other.factors.forEach((axis, factor) -> sum.merge(axis, factor, Math::addExact));
      sum.values().removeIf(factor -> factor == 0);
      return new Linear(ImmutableSortedMap.copyOf(sum), constant.plus(other.constant));
    }

    Linear times(Extent number) {
      if (number.constant().isEmpty()) {
        throw new ArithmeticException("a multiple of an index by " + number);
      }
      long by = number.constant().getAsLong();
      Map<Integer, Long> scaled = new TreeMap<>();
      LongBinaryOperator multiply = Math::multiplyExact;
      factors.forEach((axis, factor) -> scaled.put(axis, multiply.applyAsLong(factor, by)));
      scaled.values().removeIf(factor -> factor == 0);
      return new Linear(ImmutableSortedMap.copyOf(scaled), constant.times(number));
    }

    Linear minus(Linear other) {
      return plus(other.times(Extent.of(-1)));
    }

    @Override
    public Linear reindexed(UnaryOperator<Linear> change) {
      return change.apply(this);
    }
  }

  /** Where some sums are all at least 0; everywhere if there are none. */
  record Truth(ImmutableSet<Linear> atLeastZero) implements IndexFunction {

    static final Truth EVERYWHERE = new Truth(ImmutableSet.of());

    static Truth of(Linear atLeastZero) {
      return EVERYWHERE.and(new Truth(ImmutableSet.of(atLeastZero)));
    }

    /** Both; of two bounds that differ in the number only the tighter stays. */
    Truth and(Truth other) {
      List<Linear> all = new ArrayList<>(atLeastZero);
      for (Linear added : other.atLeastZero) {
        boolean implied =
            added.factors().isEmpty() && added.constant().isNonNegative()
                || all.stream().anyMatch(known -> implies(known, added));
        if (!implied) {
          all.removeIf(known -> implies(added, known));
          all.add(added);
        }
      }
      return new Truth(ImmutableSet.copyOf(all));
    }

    private static boolean implies(Linear known, Linear other) {
      return known.factors().equals(other.factors())
          && other.constant().minus(known.constant()).isNonNegative();
    }

    /** The opposite of one bound: -x - 1 >= 0 where not x >= 0. */
    Optional<Truth> not() {
      if (atLeastZero.size() != 1) {
        return Optional.empty();
      }
      Linear bound = atLeastZero.iterator().next();
      return Optional.of(of(bound.times(Extent.of(-1)).minus(Linear.of(Extent.of(1)))));
    }

    @Override
    public Truth reindexed(UnaryOperator<Linear> change) {
      Truth changed = EVERYWHERE;
      for (Linear bound : atLeastZero) {
        changed = changed.and(of(change.apply(bound)));
      }
      return changed;
    }
  }

  /** One number where something holds, another elsewhere. */
  record Choice(Truth where, double then, double otherwise) implements IndexFunction {

    static Choice of(double number) {
      return new Choice(Truth.EVERYWHERE, number, number);
    }

    boolean isConstant() {
      return then == otherwise || where.atLeastZero().isEmpty();
    }

    @Override
    public Choice reindexed(UnaryOperator<Linear> change) {
      return new Choice(where.reindexed(change), then, otherwise);
    }
  }
}
