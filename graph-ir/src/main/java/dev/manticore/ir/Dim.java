package dev.manticore.ir;

import static com.google.common.base.Preconditions.checkArgument;

/** One dimension of a shape: a known extent, a named one, or one that nothing is known of. */
public sealed interface Dim {

  Dim UNKNOWN = new Unknown();

  static Dim of(long extent) {
    return new Known(extent);
  }

  static Dim of(String symbol) {
    return new Symbolic(symbol);
  }

  default boolean isKnown() {
    return this instanceof Known;
  }

  /**
   * The extent.
   *
   * @throws IrException if it is not known
   */
  default long extent() {
    if (this instanceof Known known) {
      return known.value();
    }
    throw new IrException("the extent of dimension " + this + " is not known");
  }

  /** A dimension of {@code value} elements. */
  record Known(long value) implements Dim {
    public Known {
      checkArgument(value >= 0, "a dimension cannot be %s", value);
    }

    @Override
    public String toString() {
      return Long.toString(value);
    }
  }

  /** A dimension with a name; equal names mean equal extents within one graph. */
  record Symbolic(String name) implements Dim {
    public Symbolic {
      checkArgument(!name.isEmpty(), "a symbolic dimension needs a name");
    }

    @Override
    public String toString() {
      return name;
    }
  }

  /** A dimension that nothing is known of; two of them are not known to be equal. */
  record Unknown() implements Dim {
    @Override
    public String toString() {
      return "?";
    }
  }
}
