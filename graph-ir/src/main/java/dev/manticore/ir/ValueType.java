package dev.manticore.ir;

import static java.util.Objects.requireNonNull;

/**
 * The type of a value, as ONNX has them. Nearly all values are tensors; the other kinds pass
 * through import and export, and only what needs to compute with them refuses.
 */
public sealed interface ValueType
    permits TensorType,
        ValueType.SequenceType,
        ValueType.OptionalType,
        ValueType.MapType,
        ValueType.SparseTensorType,
        ValueType.OpaqueType {

  /** A list of values of one type. */
  record SequenceType(ValueType element) implements ValueType {
    public SequenceType {
      requireNonNull(element, "element");
    }

    @Override
    public String toString() {
      return "seq(" + element + ")";
    }
  }

  /** A value that may be absent. */
  record OptionalType(ValueType element) implements ValueType {
    public OptionalType {
      requireNonNull(element, "element");
    }

    @Override
    public String toString() {
      return "optional(" + element + ")";
    }
  }

  /** A map from integers or strings to values. */
  record MapType(ElementType key, ValueType value) implements ValueType {
    public MapType {
      requireNonNull(key, "key");
      requireNonNull(value, "value");
    }

    @Override
    public String toString() {
      return "map(" + key.text() + "," + value + ")";
    }
  }

  /** A tensor held by its elements that are not zero. */
  record SparseTensorType(TensorType dense) implements ValueType {
    public SparseTensorType {
      requireNonNull(dense, "dense");
    }

    @Override
    public String toString() {
      return "sparse(" + dense + ")";
    }
  }

  /** A type that only a domain's own operators know. */
  record OpaqueType(String domain, String name) implements ValueType {
    public OpaqueType {
      requireNonNull(domain, "domain");
      requireNonNull(name, "name");
    }

    @Override
    public String toString() {
      return "opaque(" + domain + "," + name + ")";
    }
  }
}
