package dev.manticore.ir;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSortedMap;
import com.google.common.collect.Ordering;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * A whole number that is known up to symbolic dimensions: a polynomial in them with whole
 * coefficients, {@code batch*length} or {@code length + 1}. Symbols stand for extents, so they are
 * not negative. Equal numbers are equal objects as far as the algebra of polynomials goes.
 */
public final class Extent {

  /** A product of symbols, sorted, with repetitions; the empty one is 1. */
  private static final Comparator<List<String>> BY_DEGREE =
      Comparator.<List<String>>comparingInt(List::size)
          .reversed()
          .thenComparing(Ordering.<String>natural().lexicographical());

  private static final Pattern SYMBOL = Pattern.compile("[A-Za-z_][A-Za-z_0-9.]*");
  private static final Pattern NUMBER = Pattern.compile("[0-9]{1,18}");

  private final ImmutableSortedMap<List<String>, Long> terms;

  private Extent(Map<List<String>, Long> terms) {
    ImmutableSortedMap.Builder<List<String>, Long> kept = ImmutableSortedMap.orderedBy(BY_DEGREE);
    terms.forEach(
        (product, factor) -> {
          if (factor != 0) {
            kept.put(product, factor);
          }
        });
    this.terms = kept.build();
  }

  /** A number. */
  public static Extent of(long value) {
    return new Extent(Map.of(ImmutableList.of(), value));
  }

  /**
   * A dimension; empty if nothing is known of it. The name of a symbolic one is read as what {@link
   * #toDim} writes: a sum of products of symbols.
   */
  public static Optional<Extent> of(Dim dim) {
    if (dim instanceof Dim.Known known) {
      return Optional.of(of(known.value()));
    }
    return dim instanceof Dim.Symbolic symbol
        ? Optional.of(parse(symbol.name()))
        : Optional.empty();
  }

  private static Extent parse(String name) {
    if (SYMBOL.matcher(name).matches()) {
      return symbol(name);
    }
    try {
      return sum(name);
    } catch (ArithmeticException e) {
      return symbol(name);
    }
  }

  /** What a name says, if it is a sum of products of symbols and numbers; else it is a symbol. */
  private static Extent sum(String name) {
    Extent sum = of(0);
    for (String term : name.split(" \\+ ")) {
      Extent product = of(1);
      for (String factor : term.split("\\*")) {
        if (SYMBOL.matcher(factor).matches()) {
          product = product.times(symbol(factor));
        } else if (NUMBER.matcher(factor).matches()) {
          product = product.times(of(Long.parseLong(factor)));
        } else {
          return symbol(name);
        }
      }
      sum = sum.plus(product);
    }
    return sum;
  }

  private static Extent symbol(String name) {
    return new Extent(Map.of(ImmutableList.of(name), 1L));
  }

  /**
   * @throws ArithmeticException if a coefficient does not fit a {@code long}
   */
  public Extent plus(Extent other) {
    Map<List<String>, Long> sum = new TreeMap<>(terms);
    other.terms.forEach((product, factor) -> sum.merge(product, factor, Math::addExact));
    return new Extent(sum);
  }

  public Extent minus(Extent other) {
    return plus(other.times(of(-1)));
  }

  /**
   * @throws ArithmeticException if a coefficient does not fit a {@code long}
   */
  public Extent times(Extent other) {
    Map<List<String>, Long> result = new TreeMap<>(BY_DEGREE);
    terms.forEach(
        (left, leftFactor) ->
            other.terms.forEach(
                (right, rightFactor) -> {
                  List<String> product = new ArrayList<>(left);
                  product.addAll(right);
                  product.sort(Comparator.naturalOrder());
                  result.merge(
                      product, Math.multiplyExact(leftFactor, rightFactor), Math::addExact);
                }));
    return new Extent(result);
  }

  /** The quotient by a number or a single product, if it comes out even for all symbols. */
  public Optional<Extent> dividedBy(Extent divisor) {
    if (divisor.terms.size() != 1) {
      return equals(divisor) && !terms.isEmpty() ? Optional.of(of(1)) : Optional.empty();
    }
    List<String> product = divisor.terms.firstKey();
    long factor = divisor.terms.get(product);
    Map<List<String>, Long> quotient = new TreeMap<>(BY_DEGREE);
    for (Map.Entry<List<String>, Long> term : terms.entrySet()) {
      List<String> left = new ArrayList<>(term.getKey());
      if (term.getValue() % factor != 0 || !product.stream().allMatch(left::remove)) {
        return Optional.empty();
      }
      quotient.put(left, term.getValue() / factor);
    }
    return Optional.of(new Extent(quotient));
  }

  /** The number, if it depends on no symbol. */
  public OptionalLong constant() {
    if (terms.isEmpty()) {
      return OptionalLong.of(0);
    }
    return terms.size() == 1 && terms.firstKey().isEmpty()
        ? OptionalLong.of(terms.get(terms.firstKey()))
        : OptionalLong.empty();
  }

  public boolean isConstant(long value) {
    return equals(of(value));
  }

  /** Whether it cannot be negative, whatever the symbols are; false too if that is not obvious. */
  public boolean isNonNegative() {
    return terms.values().stream().allMatch(factor -> factor > 0);
  }

  /** The products of symbols and their coefficients, those of highest degree first. */
  public ImmutableSortedMap<List<String>, Long> terms() {
    return terms;
  }

  /** The dimension of this extent; unknown if it is, or may be, negative. */
  public Dim toDim() {
    if (!isNonNegative()) {
      return Dim.UNKNOWN;
    }
    OptionalLong constant = constant();
    if (constant.isPresent()) {
      return Dim.of(constant.getAsLong());
    }
    Dim named = Dim.of(toString());
    return of(named).equals(Optional.of(this)) ? named : Dim.UNKNOWN;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Extent extent && terms.equals(extent.terms);
  }

  @Override
  public int hashCode() {
    return terms.hashCode();
  }

  /** {@code 4*batch*length + 1}. */
  @Override
  public String toString() {
    if (terms.isEmpty()) {
      return "0";
    }
    List<String> sum = new ArrayList<>();
    terms.forEach(
        (product, factor) -> {
          List<String> factors = new ArrayList<>();
          if (factor != 1 || product.isEmpty()) {
            factors.add(Long.toString(factor));
          }
          factors.addAll(product);
          sum.add(String.join("*", factors));
        });
    return String.join(" + ", sum);
  }
}
