package dev.manticore.ir;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSortedMap;
import com.google.common.collect.Maps;
import java.util.Map;
import java.util.function.UnaryOperator;

/** The attributes of a node, by name in sorted order. */
public record Attributes(ImmutableSortedMap<String, Attribute> values) {

  public static final Attributes NONE = new Attributes(ImmutableSortedMap.of());

  public static Attributes of(Map<String, Attribute> values) {
    return new Attributes(ImmutableSortedMap.copyOf(values));
  }

  public static Attributes of(String name, Attribute value) {
    return new Attributes(ImmutableSortedMap.of(name, value));
  }

  public static Attributes of(String name, long value) {
    return of(name, Attribute.of(value));
  }

  /** A copy in which {@code name} has this value. */
  public Attributes with(String name, Attribute value) {
    ImmutableSortedMap.Builder<String, Attribute> builder = ImmutableSortedMap.naturalOrder();
    values.forEach(
        (key, old) -> {
          if (!key.equals(name)) {
            builder.put(key, old);
          }
        });
    return new Attributes(builder.put(name, value).build());
  }

  /** A copy that does not have {@code name}. */
  public Attributes without(String name) {
    return new Attributes(
        ImmutableSortedMap.copyOf(Maps.filterKeys(values, key -> !key.equals(name))));
  }

  public Attributes with(String name, long value) {
    return with(name, Attribute.of(value));
  }

  public boolean has(String name) {
    return values.containsKey(name);
  }

  public long intValue(String name, long otherwise) {
    return has(name) ? get(name, Attribute.IntValue.class).value() : otherwise;
  }

  public float floatValue(String name, float otherwise) {
    return has(name) ? get(name, Attribute.FloatValue.class).value() : otherwise;
  }

  public String stringValue(String name, String otherwise) {
    return has(name) ? get(name, Attribute.StringValue.class).value() : otherwise;
  }

  /** The integers of an attribute; {@code otherwise} if it is not there. */
  public long[] intValues(String name, long... otherwise) {
    return has(name) ? get(name, Attribute.IntsValue.class).toArray() : otherwise;
  }

  /**
   * @throws IrException if there is none
   */
  public Tensor tensor(String name) {
    return get(name, Attribute.TensorValue.class).value();
  }

  /**
   * @throws IrException if there is none
   */
  public Graph graph(String name) {
    return get(name, Attribute.GraphValue.class).value();
  }

  /** All subgraphs. */
  public ImmutableList<Graph> graphs() {
    if (values.isEmpty()) {
      return ImmutableList.of();
    }
    ImmutableList.Builder<Graph> graphs = ImmutableList.builder();
    for (Attribute attribute : values.values()) {
      graphs.addAll(attribute.graphs());
    }
    return graphs.build();
  }

  /** The same attributes with all subgraphs changed. */
  public Attributes mapGraphs(UnaryOperator<Graph> change) {
    if (graphs().isEmpty()) {
      return this;
    }
    ImmutableSortedMap.Builder<String, Attribute> changed = ImmutableSortedMap.naturalOrder();
    values.forEach((name, attribute) -> changed.put(name, attribute.mapGraphs(change)));
    return new Attributes(changed.buildOrThrow());
  }

  private <T extends Attribute> T get(String name, Class<T> kind) {
    Attribute value = values.get(name);
    if (!kind.isInstance(value)) {
      throw new IrException(
          "attribute '" + name + "' should be a " + kind.getSimpleName() + " but is " + value);
    }
    return kind.cast(value);
  }
}
