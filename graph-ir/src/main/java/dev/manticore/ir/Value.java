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
  private final TensorType type;

  public Value(String name, TensorType type) {
    this.name = requireNonNull(name, "name");
    this.type = requireNonNull(type, "type");
    checkArgument(!name.isEmpty(), "a value needs a name");
  }

  public String name() {
    return name;
  }

  public TensorType type() {
    return type;
  }

  public Shape shape() {
    return type.shape();
  }

  public ElementType elementType() {
    return type.elementType();
  }

  @Override
  public String toString() {
    return "%" + name + ": " + type;
  }
}
