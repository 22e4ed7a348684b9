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
 * @param typing of a value: whether its type is to be believed
 */
public record Annotations(
    String doc,
    ImmutableSortedMap<String, String> metadata,
    ImmutableSortedMap<String, String> quantization,
    ImmutableList<String> denotations,
    Typing typing) {

  public static final Annotations NONE = of("", ImmutableSortedMap.of());

  /** Of a value whose type was made up. */
  public static final Annotations GUESSED = NONE.guessed();

  /** Where the type of a value comes from. */
  public enum Typing {
    /** From the file, or from inference. */
    KNOWN,
    /** Made up, as the operator that makes the value, or one before it, is not in the catalogue. */
    GUESSED
  }

  public Annotations {
    requireNonNull(doc, "doc");
    requireNonNull(metadata, "metadata");
    requireNonNull(quantization, "quantization");
    requireNonNull(denotations, "denotations");
    requireNonNull(typing, "typing");
  }

  public static Annotations of(String doc, ImmutableSortedMap<String, String> metadata) {
    return new Annotations(
        doc, metadata, ImmutableSortedMap.of(), ImmutableList.of(), Typing.KNOWN);
  }

  /** The same of a value whose type was made up. */
  public Annotations guessed() {
    return new Annotations(doc, metadata, quantization, denotations, Typing.GUESSED);
  }
}
