package dev.manticore.ir.rewrite;

import static dev.manticore.ir.rewrite.Pattern.any;
import static dev.manticore.ir.rewrite.Pattern.constant;
import static dev.manticore.ir.rewrite.Pattern.op;
import static dev.manticore.ir.rewrite.Pattern.opOf;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Node;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.rewrite.IndexFunction.Truth;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/** Takes out what changes nothing, and attributes that say what holds without them. */
final class CleanUpRules {

  /** Attributes of standard operators and what they are when left out. */
  private static final ImmutableMap<String, ImmutableMap<String, Attribute>> DEFAULTS =
      ImmutableMap.<String, ImmutableMap<String, Attribute>>builder()
          .put("Cast", ImmutableMap.of("saturate", Attribute.of(1)))
          .put("Gather", ImmutableMap.of("axis", Attribute.of(0)))
          .put("Gelu", ImmutableMap.of("approximate", Attribute.of("none")))
          .put(
              "LayerNormalization",
              ImmutableMap.of(
                  "axis", Attribute.of(-1),
                  "epsilon", Attribute.of(1e-5f),
                  "stash_type", Attribute.of(1)))
          .put("LogSoftmax", ImmutableMap.of("axis", Attribute.of(-1)))
          .put(
              "ReduceMean",
              ImmutableMap.of("keepdims", Attribute.of(1), "noop_with_empty_axes", Attribute.of(0)))
          .put(
              "ReduceSum",
              ImmutableMap.of("keepdims", Attribute.of(1), "noop_with_empty_axes", Attribute.of(0)))
          .put("Reshape", ImmutableMap.of("allowzero", Attribute.of(0)))
          .put(
              "RMSNormalization",
              ImmutableMap.of(
                  "axis", Attribute.of(-1),
                  "epsilon", Attribute.of(1e-5f),
                  "stash_type", Attribute.of(1)))
          .put("Softmax", ImmutableMap.of("axis", Attribute.of(-1)))
          .put("Split", ImmutableMap.of("axis", Attribute.of(0)))
          .put("Trilu", ImmutableMap.of("upper", Attribute.of(1)))
          .buildOrThrow();

  /** Operators whose axis counts from the last one by default; that of others from the first. */
  private static final ImmutableSet<String> LAST_AXIS =
      ImmutableSet.of("Softmax", "LogSoftmax", "LayerNormalization", "RMSNormalization");

  private static final ImmutableSet<String> FIRST_AXIS =
      ImmutableSet.of("Gather", "Concat", "Split", "GatherElements");

  private CleanUpRules() {}

  static ImmutableList<Rule> all() {
    return ImmutableList.of(
        Rule.named("identity")
            .matching(op("Identity", any("x")))
            .replacedBy((match, ops) -> match.value("x")),
        dropout(),
        Rule.named("cast-to-same")
            .matching(op("Cast", any("x")))
            .provided(
                "the types are the same",
                match -> match.root().output().elementType() == match.value("x").elementType())
            .replacedBy((match, ops) -> match.value("x")),
        Rule.named("cast-by-a-wider-type")
            .matching(op("Cast", op("Cast", any("x")).as("first")))
            .provided(
                "the type between holds all values",
                match ->
                    widens(
                        match.value("x").elementType(), match.node("first").output().elementType()))
            .replacedBy(
                (match, ops) -> ops.cast(match.value("x"), match.root().output().elementType())),
        Rule.named("expand-to-same")
            .matching(op("Expand", any("x"), any("shape")))
            .provided("the result is like x", match -> Conditions.isLike(match, "x"))
            .replacedBy((match, ops) -> match.value("x")),
        Rule.named("negated-twice")
            .matching(op("Neg", op("Neg", any("x"))))
            .replacedBy((match, ops) -> match.value("x")),
        addNothing(),
        Rule.named("subtract-nothing")
            .matching(op("Sub", any("x"), constant(0)))
            .provided("the result is like x", match -> Conditions.isLike(match, "x"))
            .replacedBy((match, ops) -> match.value("x")),
        Rule.named("times-one")
            .matching(op("Mul", any("x"), any("one")))
            .provided(
                "all factors are 1",
                match ->
                    match.indexFunctions().constant(match.value("one")).equals(Optional.of(1d)))
            .provided("the result is like x", match -> Conditions.isLike(match, "x"))
            .replacedBy((match, ops) -> match.value("x")),
        Rule.named("divided-by-one")
            .matching(op("Div", any("x"), constant(1)))
            .provided("the result is like x", match -> Conditions.isLike(match, "x"))
            .replacedBy((match, ops) -> match.value("x")),
        Rule.named("to-the-first-power")
            .matching(op("Pow", any("x"), constant(1)))
            .provided("the result is like x", match -> Conditions.isLike(match, "x"))
            .replacedBy((match, ops) -> match.value("x")),
        whereAlways(),
        defaultAttributes(),
        axis());
  }

  private static Rule dropout() {
    return Rule.named("dropout")
        .matching(op("Dropout", any("x")).andMore().as("dropout"))
        .provided(
            "it is not for training",
            match -> {
              Node node = match.node("dropout");
              return !node.hasInput(2)
                  || match.number(node.input(2)).map(training -> training == 0).orElse(false);
            })
        .provided("the mask is not read", match -> match.root().presentOutputs().size() == 1)
        .replacedBy((match, ops) -> match.value("x"));
  }

  private static Rule addNothing() {
    return Rule.named("add-nothing")
        .matching(op("Add", any("x"), any("zero")))
        .provided(
            "all summands are 0",
            match -> match.indexFunctions().constant(match.value("zero")).equals(Optional.of(0d)))
        .provided("the result is like x", match -> Conditions.isLike(match, "x"))
        .replacedBy((match, ops) -> match.value("x"));
  }

  private static Rule whereAlways() {
    return Rule.named("where-always")
        .matching(op("Where", any("condition"), any("x"), any("y")))
        .provided(
            "the condition always holds",
            match ->
                match
                    .indexFunctions()
                    .of(match.value("condition"))
                    .equals(Optional.of(Truth.EVERYWHERE)))
        .provided("the result is like x", match -> Conditions.isLike(match, "x"))
        .replacedBy((match, ops) -> match.value("x"));
  }

  private static Rule defaultAttributes() {
    return Rule.named("default-attributes")
        .matching(opOf(DEFAULTS.keySet()).andMore().as("node"))
        .replacedIfPossible(
            (match, ops) -> {
              Node node = match.node("node");
              Map<String, Attribute> kept = new LinkedHashMap<>(node.attributes().values());
              DEFAULTS.get(node.op().name()).forEach((name, value) -> kept.remove(name, value));
              return kept.size() == node.attributes().values().size()
                  ? Optional.empty()
                  : Optional.of(again(node, Attributes.of(kept), ops));
            });
  }

  private static Rule axis() {
    return Rule.named("axis")
        .matching(
            opOf(
                    ImmutableSet.<String>builder().addAll(LAST_AXIS).addAll(FIRST_AXIS).build(),
                    any("x"))
                .andMore()
                .as("node")
                .where(
                    "the axis is written and the rank known",
                    (match, node) ->
                        node.attributes().has("axis") && node.input(0).shape().isRanked()))
        .replacedIfPossible(
            (match, ops) -> {
              Node node = match.node("node");
              long axis = node.attributes().intValue("axis", 0);
              int rank = node.input(0).shape().rank();
              long written =
                  LAST_AXIS.contains(node.op().name())
                      ? axis < 0 ? axis : axis - rank
                      : axis < 0 ? axis + rank : axis;
              return written == axis
                  ? Optional.empty()
                  : Optional.of(again(node, node.attributes().with("axis", written), ops));
            });
  }

  /** The node with other attributes. */
  static List<Value> again(Node node, Attributes attributes, Ops ops) {
    List<Value> results =
        ops.editor()
            .add(node.op(), node.op().name(), attributes, node.inputs(), node.outputs().size());
    return IntStream.range(0, results.size())
        .filter(node::hasOutput)
        .mapToObj(results::get)
        .toList();
  }

  private static boolean widens(ElementType from, ElementType to) {
    if (from == to) {
      return true;
    }
    return switch (from) {
      case BOOL -> to.isFloating() || to.isInteger();
      case FLOAT16, BFLOAT16 -> to == ElementType.FLOAT32 || to == ElementType.FLOAT64;
      case FLOAT32 -> to == ElementType.FLOAT64;
      case INT8, UINT8, INT16, UINT16 ->
          to == ElementType.INT32 || to == ElementType.INT64 || to == ElementType.FLOAT64;
      case INT32, UINT32 -> to == ElementType.INT64 || to == ElementType.FLOAT64;
      default -> false;
    };
  }
}
