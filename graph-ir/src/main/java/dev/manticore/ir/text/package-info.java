/**
 * The textual form of graphs, {@code .hir}: printed in a stable order, one node a line, and parsed
 * back to an equal graph. The currency of golden tests, diffs and bug reports.
 *
 * <pre>{@code
 * hir 1
 * graph "tiny" {
 *   opset "" 23
 *   input %x: f32[batch,2]
 *   parameter %w: f32[2,1] = {0.5, -1.0}
 *   %h: f32[batch,1] = MatMul(%x, %w)
 *   %y: f32[1,batch] = Transpose(%h) {perm = [1, 0]} from "tiny" ["transpose"] by "import"
 *   output %y
 * }
 * }</pre>
 *
 * <p>A graph holds, each on its line: {@code opset DOMAIN VERSION}; {@code metadata KEY = VALUE};
 * {@code function OP(ATTRIBUTES) {DEFAULTS} GRAPH}; {@code input}; {@code parameter}; nodes; {@code
 * output}. A node is {@code OUTPUTS = OP(INPUTS) {ATTRIBUTES} "NAME" from "MODEL" ["NODES"] by
 * "PASS"}, of which attributes, name (its first output's, if not said) and origin may be missing.
 * An optional input or output that is left out is {@code _}; a node without outputs begins with
 * {@code ()}. An operator is {@code Name}, {@code some.domain.Name} or {@code "any domain"."any
 * name"}, with {@code @VERSION} where it differs from the graph's opset. Dimensions are numbers,
 * symbols or {@code ?}; {@code f32[]} is a scalar and {@code f32*} of unknown rank. Names that are
 * not plain words are quoted. A value may also be a {@code seq(TYPE)}, {@code optional(TYPE)},
 * {@code map(KEY, TYPE)}, {@code sparse(TYPE)} or {@code opaque("domain", "name")}. What a file
 * says besides follows a value's type, a node, or stands on a line of the graph: {@code note {doc
 * "text", metadata "key" = "value"}}, of a value whose type was made up {@code note {guessed}}; the
 * line {@code model DOMAIN VERSION DOC} is about the file. An overload of a function follows the
 * operator: {@code domain.Name:"overload"}. A sparse tensor is {@code sparse(4, 4: f32[1]{1.0} at
 * i64[1]{5})}; lists of tensors, graphs, sparse tensors and types begin with {@code tensors},
 * {@code graphs}, {@code sparses} and {@code types}. Values of tensors stand in braces, or are
 * elided: {@code <sha256:...>}, {@code <elided>}. A {@code #} outside of quotes begins a comment.
 */
package dev.manticore.ir.text;
