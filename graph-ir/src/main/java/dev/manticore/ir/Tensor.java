package dev.manticore.ir;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/** A tensor with its values: a static type and the data. */
public record Tensor(TensorType type, TensorData data) {

  public Tensor {
    requireNonNull(type, "type");
    requireNonNull(data, "data");
    checkArgument(
        type.elementType() == ElementType.STRING || type.byteSize() == data.byteSize(),
        "a %s takes %s bytes, not %s",
        type,
        type.elementType() == ElementType.STRING ? "any number of" : type.byteSize(),
        data.byteSize());
  }

  /**
   * A tensor of strings. Its data is, for each, the number of its bytes as {@code int32} and the
   * bytes as {@link Utf8} gives them.
   */
  public static Tensor ofStrings(Shape shape, List<String> values) {
    checkArgument(
        shape.elementCount() == values.size(), "%s strings for shape %s", values.size(), shape);
    List<byte[]> encoded = values.stream().map(Utf8::encode).toList();
    ByteBuffer bytes = allocate(encoded.stream().mapToLong(string -> 4L + string.length).sum());
    encoded.forEach(string -> bytes.putInt(string.length).put(string));
    return new Tensor(new TensorType(ElementType.STRING, shape), TensorData.ofBytes(bytes.array()));
  }

  public static Tensor ofFloats(Shape shape, float... values) {
    ByteBuffer bytes = allocate(4L * values.length);
    bytes.asFloatBuffer().put(values);
    return new Tensor(
        new TensorType(ElementType.FLOAT32, shape), TensorData.ofBytes(bytes.array()));
  }

  public static Tensor ofLongs(Shape shape, long... values) {
    ByteBuffer bytes = allocate(8L * values.length);
    bytes.asLongBuffer().put(values);
    return new Tensor(new TensorType(ElementType.INT64, shape), TensorData.ofBytes(bytes.array()));
  }

  /** A scalar of {@code float}. */
  public static Tensor scalar(float value) {
    return ofFloats(Shape.scalar(), value);
  }

  /** A scalar of {@code int64}. */
  public static Tensor scalar(long value) {
    return ofLongs(Shape.scalar(), value);
  }

  /** A vector of {@code int64}. */
  public static Tensor vector(long... values) {
    return ofLongs(Shape.of(values.length), values);
  }

  public Shape shape() {
    return type.shape();
  }

  public ElementType elementType() {
    return type.elementType();
  }

  /**
   * The values as {@code double}, whatever the element type; for small tensors, tests and the
   * interpreter.
   */
  public double[] toDoubles() {
    ByteBuffer bytes = ByteBuffer.wrap(data.toByteArray()).order(ByteOrder.LITTLE_ENDIAN);
    double[] values = new double[Math.toIntExact(shape().elementCount())];
    for (int i = 0; i < values.length; i++) {
      values[i] = NumberFormats.get(bytes, elementType(), i);
    }
    return values;
  }

  /**
   * The values of a tensor of strings.
   *
   * @throws IrException if it holds other elements, or its data is not as {@link #ofStrings} makes
   *     it
   */
  public ImmutableList<String> toStrings() {
    if (elementType() != ElementType.STRING) {
      throw new IrException("a " + type + " does not hold strings");
    }
    ByteBuffer bytes = ByteBuffer.wrap(data.toByteArray()).order(ByteOrder.LITTLE_ENDIAN);
    ImmutableList.Builder<String> values = ImmutableList.builder();
    for (long i = shape().elementCount(); i > 0; i--) {
      int length = bytes.remaining() < 4 ? -1 : bytes.getInt();
      if (length < 0 || length > bytes.remaining()) {
        throw new IrException("the data of a " + type + " is not that of so many strings");
      }
      byte[] string = new byte[length];
      bytes.get(string);
      values.add(Utf8.decode(string));
    }
    return values.build();
  }

  /** The values as {@code long}; only for integer and boolean tensors. */
  public long[] toLongs() {
    checkArgument(
        elementType().isInteger() || elementType() == ElementType.BOOL, "%s is not integer", type);
    ByteBuffer bytes = ByteBuffer.wrap(data.toByteArray()).order(ByteOrder.LITTLE_ENDIAN);
    long[] values = new long[Math.toIntExact(shape().elementCount())];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          elementType() == ElementType.INT64 || elementType() == ElementType.UINT64
              ? bytes.getLong(8 * i)
              : (long) NumberFormats.get(bytes, elementType(), i);
    }
    return values;
  }

  /** The values rounded to {@code float}, whatever the element type. */
  public float[] toFloats() {
    double[] doubles = toDoubles();
    float[] floats = new float[doubles.length];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) doubles[i];
    }
    return floats;
  }

  /** A tensor of the given type whose values are rounded from {@code double}. */
  public static Tensor ofDoubles(ElementType elementType, Shape shape, double... values) {
    TensorType type = new TensorType(elementType, shape);
    ByteBuffer bytes = allocate(type.withShape(Shape.of(values.length)).byteSize());
    for (int i = 0; i < values.length; i++) {
      NumberFormats.put(bytes, elementType, i, values[i]);
    }
    return new Tensor(type, TensorData.ofBytes(bytes.array()));
  }

  private static ByteBuffer allocate(long bytes) {
    return ByteBuffer.allocate(Math.toIntExact(bytes)).order(ByteOrder.LITTLE_ENDIAN);
  }
}
