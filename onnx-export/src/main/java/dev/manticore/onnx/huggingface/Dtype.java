package dev.manticore.onnx.huggingface;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.ConvertedData;
import java.util.Arrays;
import java.util.Optional;

/** The element type that a checkpoint's floating-point tensors are stored as. */
public enum Dtype {
  /**
   * The one that a tensor has in the checkpoint it came from; float32 where it came from nowhere.
   */
  AS_STORED("", ElementType.FLOAT32),
  FLOAT32("float32", ElementType.FLOAT32),
  FLOAT16("float16", ElementType.FLOAT16),
  BFLOAT16("bfloat16", ElementType.BFLOAT16);

  private final String text;
  private final ElementType type;

  Dtype(String text, ElementType type) {
    this.text = text;
    this.type = type;
  }

  /** Whether a checkpoint's parameters can be stored as this. */
  static boolean isParameter(ElementType type) {
    return Arrays.stream(values()).anyMatch(dtype -> dtype.type == type);
  }

  /** The type of a tensor, given what it was stored as. */
  ElementType type(ElementType stored) {
    return this == AS_STORED ? stored : type;
  }

  /**
   * A tensor of float32, float16 or bfloat16 stored as this, converted as it is read.
   *
   * @param name what messages call the tensor
   */
  public Tensor convert(String name, Tensor tensor) {
    return ConvertedData.convert(name, tensor, type(tensor.elementType()));
  }

  /** The one that configurations call so. */
  public static Optional<Dtype> called(String text) {
    return Arrays.stream(values())
        .filter(dtype -> dtype.text().equals(Optional.of(text)))
        .findFirst();
  }

  /** What configurations call it; none for {@link #AS_STORED}. */
  Optional<String> text() {
    return text.isEmpty() ? Optional.empty() : Optional.of(text);
  }
}
