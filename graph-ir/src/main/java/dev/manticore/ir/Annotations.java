package dev.manticore.ir;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSortedMap;

/**
 * What a file says about a graph, a node or a value besides what is computed. It travels along and
 * decides nothing; a pass that makes a node anew does not take it over.
 *
 * @param doc ONNX's {@code doc_string}; may be empty
 * @param metadata ONNX's {@code metadata_props}
 * @param quantization of a value: by kind, {@code SCALE_TENSOR} for example, the name of the value
 *     that says how it is quantised
 * @param denotations of a value: what its type stands for ({@code IMAGE}) and then each of its
 *     dimensions ({@code DATA_CHANNEL}), each possibly empty; no elements at all if none is said
 */
public record Annotations(
    String doc,
    ImmutableSortedMap<String, String> metadata,
    ImmutableSortedMap<String, String> quantization,
    ImmutableList<String> denotations) {

  public static final Annotations NONE = of("", ImmutableSortedMap.of());

  public Annotations {
    requireNonNull(doc, "doc");
    requireNonNull(metadata, "metadata");
    requireNonNull(quantization, "quantization");
    requireNonNull(denotations, "denotations");
  }

  public static Annotations of(String doc, ImmutableSortedMap<String, String> metadata) {
    return new Annotations(doc, metadata, ImmutableSortedMap.of(), ImmutableList.of());
  }
}
