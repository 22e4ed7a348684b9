package dev.manticore.ir;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

/**
 * A value of a graph: a name, unique in its graph and the subgraphs of it, and a type. Two values
 * are the same only if they are the same object; the name decides nothing but how the value is
 * written.
 */
public final class Value {

  private final String name;
  private final ValueType type;
  private final Annotations annotations;

  public Value(String name, ValueType type) {
    this(name, type, Annotations.NONE);
  }

  public Value(String name, ValueType type, Annotations annotations) {
    this.name = requireNonNull(name, "name");
    this.type = requireNonNull(type, "type");
    this.annotations = requireNonNull(annotations, "annotations");
    checkArgument(!name.isEmpty(), "a value needs a name");
  }

  public String name() {
    return name;
  }

  /** The type, of whatever kind. */
  public ValueType valueType() {
    return type;
  }

  public boolean isTensor() {
    return type instanceof TensorType;
  }

  /**
   * The type of a tensor.
   *
   * @throws IrException if the value is none
   */
  public TensorType type() {
    if (type instanceof TensorType tensor) {
      return tensor;
    }
    throw new IrException(this + " is not a tensor, and only tensors can be computed with");
  }

  /**
   * @throws IrException if the value is no tensor
   */
  public Shape shape() {
    return type().shape();
  }

  /**
   * @throws IrException if the value is no tensor
   */
  public ElementType elementType() {
    return type().elementType();
  }

  /** Whether the type was made up; files do not say it. */
  public boolean isGuessed() {
    return annotations.typing() == Annotations.Typing.GUESSED;
  }

  public Annotations annotations() {
    return annotations;
  }

  @Override
  public String toString() {
    return "%" + name + ": " + type;
  }
}
