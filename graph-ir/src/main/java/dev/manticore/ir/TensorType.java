package dev.manticore.ir;

import static java.util.Objects.requireNonNull;

import java.util.ArrayList;
import java.util.List;

/** The type of a tensor: an element type and a shape. */
public record TensorType(ElementType elementType, Shape shape) implements ValueType {

  public TensorType {
    requireNonNull(elementType, "elementType");
    requireNonNull(shape, "shape");
  }

  public static TensorType of(ElementType elementType, long... extents) {
    return new TensorType(elementType, Shape.of(extents));
  }

  public TensorType withShape(Shape changed) {
    return new TensorType(elementType, changed);
  }

  public TensorType withElementType(ElementType changed) {
    return new TensorType(changed, shape);
  }

  /** This type and, where its shape is open, what another one says of it. */
  public TensorType completedBy(TensorType other) {
    Shape known = other.shape();
    if (!known.isRanked() || shape.isRanked() && shape.rank() != known.rank()) {
      return this;
    }
    if (!shape.isRanked()) {
      return withShape(known);
    }
    List<Dim> dims = new ArrayList<>();
    for (int axis = 0; axis < shape.rank(); axis++) {
      Dim dim = shape.dim(axis);
      Dim said = known.dim(axis);
      dims.add(dim.isKnown() || !said.isKnown() && !dim.equals(Dim.UNKNOWN) ? dim : said);
    }
    return withShape(Shape.of(dims));
  }

  /**
   * Bytes of a tensor of this type, densely packed, the last one filled up; the shape must be
   * static.
   *
   * @throws IrException if the elements are strings
   */
  public long byteSize() {
    if (elementType == ElementType.STRING) {
      throw new IrException("a tensor of strings has no fixed number of bytes");
    }
    long count = shape.elementCount();
    int bits = elementType.bitSize();
    return bits >= Byte.SIZE
        ? Math.multiplyExact(count, (long) (bits / Byte.SIZE))
        : count / (Byte.SIZE / bits) + (count % (Byte.SIZE / bits) == 0 ? 0 : 1);
  }

  /** {@code f32[batch,128]}. */
  @Override
  public String toString() {
    return elementType.text() + shape;
  }
}
