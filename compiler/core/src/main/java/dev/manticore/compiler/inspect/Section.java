package dev.manticore.compiler.inspect;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Node;
import dev.manticore.ir.Value;

/**
 * A part of a model: nodes that serve one purpose, and the parameters that are read there first.
 *
 * @param nodes all of them, those of the inner sections included
 * @param inner what it consists of, in the order of the computation; may leave nodes over
 */
record Section(
    String name,
    Kind kind,
    ImmutableSet<Node> nodes,
    ImmutableSet<Value> parameters,
    ImmutableList<Section> inner) {

  /** What a section is for. */
  enum Kind {
    @JsonProperty("embedding")
    EMBEDDING,
    @JsonProperty("positions")
    POSITIONS,
    @JsonProperty("layer")
    LAYER,
    /** Mixes positions, by attention. */
    @JsonProperty("attention")
    ATTENTION,
    /** Mixes positions, by a recurrence. */
    @JsonProperty("state_space")
    STATE_SPACE,
    /** Mixes positions in some other way. */
    @JsonProperty("mixer")
    MIXER,
    /** Works on each position alone. */
    @JsonProperty("mlp")
    MLP,
    @JsonProperty("norm")
    NORM,
    @JsonProperty("head")
    HEAD,
    @JsonProperty("component")
    COMPONENT,
    @JsonProperty("projectors")
    PROJECTORS,
    @JsonProperty("mixture")
    MIXTURE,
    /** Read by several others: masks, tables of angles. */
    @JsonProperty("shared")
    SHARED,
    @JsonProperty("other")
    OTHER
  }
}
