package dev.manticore.ir;

import static java.util.Objects.requireNonNull;

/** The type of a value: an element type and a shape. */
public record TensorType(ElementType elementType, Shape shape) {

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

  /** Bytes of a tensor of this type, densely packed; the shape must be static. */
  public long byteSize() {
    return Math.multiplyExact(shape.elementCount(), (long) elementType.byteSize());
  }

  /** {@code f32[batch,128]}. */
  @Override
  public String toString() {
    return elementType.text() + shape;
  }
}
