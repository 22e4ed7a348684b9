package dev.manticore.ir;

import com.google.common.collect.ImmutableList;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** The shape of a tensor: unranked, or a list of dimensions (a scalar has none). */
public final class Shape {

  /** More dimensions than any tensor has that a model works with. */
  public static final int LARGEST_RANK = 64;

  private static final Shape UNRANKED = new Shape(null);
  private static final Shape SCALAR = new Shape(ImmutableList.of());

  private final ImmutableList<Dim> dims;

  private Shape(ImmutableList<Dim> dims) {
    if (dims != null && dims.size() > LARGEST_RANK) {
      throw new IrException(
          "a shape of " + dims.size() + " dimensions has more than " + LARGEST_RANK);
    }
    this.dims = dims;
  }

  /** A shape of unknown rank. */
  public static Shape unranked() {
    return UNRANKED;
  }

  public static Shape scalar() {
    return SCALAR;
  }

  public static Shape of(long... extents) {
    ImmutableList.Builder<Dim> builder = ImmutableList.builder();
    for (long extent : extents) {
      builder.add(Dim.of(extent));
    }
    return new Shape(builder.build());
  }

  public static Shape of(List<Dim> dims) {
    return new Shape(ImmutableList.copyOf(dims));
  }

  public static Shape of(Dim... dims) {
    return new Shape(ImmutableList.copyOf(dims));
  }

  public boolean isRanked() {
    return dims != null;
  }

  /**
   * @throws IrException if the rank is not known
   */
  public int rank() {
    return dims().size();
  }

  /**
   * @throws IrException if the rank is not known
   */
  public ImmutableList<Dim> dims() {
    if (dims == null) {
      throw new IrException("the rank of the shape is not known");
    }
    return dims;
  }

  /** The dimension at {@code axis}, which may be negative to count from the end. */
  public Dim dim(int axis) {
    return dims().get(axis < 0 ? axis + rank() : axis);
  }

  /** Whether the rank and every extent are known. */
  public boolean isStatic() {
    if (dims == null) {
      return false;
    }
    for (Dim dim : dims) {
      if (!dim.isKnown()) {
        return false;
      }
    }
    return true;
  }

  /**
   * All extents.
   *
   * @throws IrException if one of them is not known
   */
  public long[] extents() {
    long[] extents = new long[rank()];
    for (int axis = 0; axis < extents.length; axis++) {
      extents[axis] = dim(axis).extent();
    }
    return extents;
  }

  /** The number of elements; all extents must be known. */
  public long elementCount() {
    long count = 1;
    for (long extent : extents()) {
      count = Math.multiplyExact(count, extent);
    }
    return count;
  }

  public Shape withDim(int axis, Dim dim) {
    List<Dim> changed = new ArrayList<>(dims());
    changed.set(axis < 0 ? axis + changed.size() : axis, dim);
    return of(changed);
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Shape shape
        && (dims == null ? shape.dims == null : dims.equals(shape.dims));
  }

  @Override
  public int hashCode() {
    return dims == null ? 1 : dims.hashCode();
  }

  /** {@code [batch,128,?]}, {@code []} for a scalar, {@code *} when unranked. */
  @Override
  public String toString() {
    return dims == null
        ? "*"
        : dims.stream().map(Dim::toString).collect(Collectors.joining(",", "[", "]"));
  }
}
