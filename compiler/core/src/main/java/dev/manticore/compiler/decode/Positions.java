package dev.manticore.compiler.decode;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * What a model computes from positions alone: masks, rows of tables of positions, rotary angles. In
 * the model each is computed for all positions of a sequence, from ranges 0, 1, … up to its length;
 * a decoder needs it for the tokens of the run, or for all tokens read so far, depending on the
 * axis and on who reads it. So these values are not copied, but built anew for each such use.
 */
final class Positions {

  /** What an axis of a length runs over. */
  enum Axis {
    /** It is not one of a length. */
    OTHER,
    /** The tokens of this run. */
    NEW,
    /** All tokens so far. */
    ALL
  }

  /** How positions are counted. */
  enum Counting {
    /** From the front of the batch, whatever fills it up: what masks compare. */
    SLOTS,
    /**
     * From the first token of each sequence: what tables and angles are read at. Values have one
     * more axis than in the model, in front, of the batch.
     */
    SEQUENCES
  }

  private record Use(Value value, ImmutableList<Axis> axes, Counting counting) {}

  private final Graph model;
  private final Dim length;
  private final Ops ops;
  private final Map<Value, Value> values;
  private final Set<Value> positional = new HashSet<>();
  private final Set<Value> ofLength = new HashSet<>();
  private final Map<Use, Value> built = new HashMap<>();
  private final Value newSlots;
  private final Value allSlots;
  private final Value newPositions;
  private final Counting masks;

  /**
   * @param length the model's dimension that is a sequence's length
   * @param ops over the decoder
   * @param values what the model's values are in the decoder
   * @param data the model's values that depend on the token ids
   * @param newSlots the slots of the tokens of this run, i64[length]
   * @param allSlots 0, 1, …, i64[total_length]
   * @param newPositions the positions of the tokens of this run, i64[batch,length]
   * @param masks how masks count: by sequence where slots are positions
   */
  Positions(
      Graph model,
      Dim length,
      Ops ops,
      Map<Value, Value> values,
      Set<Value> data,
      Value newSlots,
      Value allSlots,
      Value newPositions,
      Counting masks) {
    this.model = model;
    this.length = length;
    this.ops = ops;
    this.values = values;
    this.newSlots = newSlots;
    this.allSlots = allSlots;
    this.newPositions = newPositions;
    this.masks = masks;
    for (Node node : model.nodes()) {
      boolean follows = node.reads().stream().anyMatch(positional::contains);
      boolean begins = node.op().isOnnx("Range") && node.output().shape().dim(0).equals(length);
      boolean apart = node.presentOutputs().stream().noneMatch(data::contains);
      boolean shape = node.op().isOnnx("Shape") || node.op().isOnnx("Size");
      if ((follows || begins) && apart) {
        positional.addAll(node.presentOutputs());
      } else if (apart
          && (shape ? isOpen(node) : node.reads().stream().anyMatch(ofLength::contains))) {
        ofLength.addAll(node.presentOutputs());
      }
    }
  }

  /** Whether what a shape says is not known before the model is run. */
  private boolean isOpen(Node shape) {
    return ops.editor().constantOf(shape.output()).isEmpty();
  }

  /** Whether a value depends on positions, and not on token ids. */
  boolean contains(Value value) {
    return positional.contains(value);
  }

  /**
   * A value as a mask of attention reads it.
   *
   * @param rank of the weights that it is applied to, whose last two axes are queries and keys
   */
  Value forWeights(Value value, int rank) {
    int own = value.shape().rank();
    List<Axis> axes = new ArrayList<>();
    for (int axis = 0; axis < own; axis++) {
      int place = rank - own + axis;
      axes.add(isLength(value, axis) ? (place == rank - 1 ? Axis.ALL : Axis.NEW) : Axis.OTHER);
    }
    Value mask = build(value, axes, masks);
    return masks == Counting.SLOTS ? mask : aligned(mask, own, rank);
  }

  /**
   * A value as everything else reads it: for the tokens of this run.
   *
   * @param rank of what it is applied to, whose first axis is the batch
   */
  Value forTokens(Value value, int rank) {
    Value batched = build(value, newAxes(value), Counting.SEQUENCES);
    return aligned(batched, value.shape().rank(), rank);
  }

  /** A value with an axis of the batch in front, for what has so many axes with that. */
  private Value aligned(Value batched, int own, int rank) {
    if (own < rank) {
      return spread(batched, own, rank - 1);
    }
    // The model's own axis of the batch, of extent 1.
    return ops.squeeze(batched, 1);
  }

  private ImmutableList<Axis> newAxes(Value value) {
    ImmutableList.Builder<Axis> axes = ImmutableList.builder();
    for (int axis = 0; axis < value.shape().rank(); axis++) {
      axes.add(isLength(value, axis) ? Axis.NEW : Axis.OTHER);
    }
    return axes.build();
  }

  private boolean isLength(Value value, int axis) {
    return value.shape().dim(axis).equals(length);
  }

  private Value build(Value value, List<Axis> axes, Counting counting) {
    Use use = new Use(value, ImmutableList.copyOf(axes), counting);
    Value done = built.get(use);
    if (done == null) {
      Node node = model.producer(value).orElseThrow();
      ops.editor().withOrigin(node.origin().by(DecoderBuilder.NAME));
      done = build(node, use);
      built.put(use, done);
    }
    return done;
  }

  private Value build(Node node, Use use) {
    if (Attentions.isElementwise(node)) {
      return elementwise(node, use);
    }
    if (!node.op().domain().isEmpty()) {
      throw notUnderstood(node);
    }
    return switch (node.op().name()) {
      case "Range" -> range(node, use);
      case "Unsqueeze" -> unsqueeze(node, use);
      case "Squeeze" -> squeeze(node, use);
      case "Transpose" -> transpose(node, use);
      case "Gather" -> gather(node, use);
      case "Concat" -> concat(node, use);
      case "Expand" -> expand(node, use);
      default -> throw notUnderstood(node);
    };
  }

  private Value range(Node node, Use use) {
    boolean counts =
        isConstant(node.input(0), 0)
            && isConstant(node.input(2), 1)
            && node.output().shape().dim(0).equals(length);
    if (!counts) {
      throw notUnderstood(node);
    }
    Value range = newPositions;
    if (use.axes().get(0) == Axis.ALL) {
      range = use.counting() == Counting.SLOTS ? allSlots : ops.unsqueeze(allSlots, 0);
    } else if (use.counting() == Counting.SLOTS) {
      range = newSlots;
    }
    return ops.cast(range, node.output().elementType());
  }

  private boolean isConstant(Value value, double number) {
    return constant(value).filter(tensor -> tensor.toDoubles()[0] == number).isPresent();
  }

  private Optional<Tensor> constant(Value value) {
    return Optional.ofNullable(values.get(value)).flatMap(ops.editor()::constantOf);
  }

  private Value elementwise(Node node, Use use) {
    int rank = use.axes().size();
    List<Optional<Value>> operands = new ArrayList<>();
    for (Value operand : node.presentInputs()) {
      if (!positional.contains(operand)) {
        operands.add(Optional.of(plain(node, operand)));
        continue;
      }
      int own = operand.shape().rank();
      List<Axis> axes = new ArrayList<>();
      for (int axis = 0; axis < own; axis++) {
        axes.add(isLength(operand, axis) ? use.axes().get(rank - own + axis) : Axis.OTHER);
      }
      Value part = build(operand, axes, use.counting());
      boolean aside = use.counting() == Counting.SEQUENCES && own < rank;
      operands.add(Optional.of(aside ? spread(part, own, rank) : part));
    }
    return ops.editor().add(node.op(), node.op().name(), node.attributes(), operands, 1).get(0);
  }

  /** Puts axes between that of the batch and a value's own, so that there are so many of those. */
  private Value spread(Value batched, int own, int rank) {
    long[] axes = new long[rank - own];
    Arrays.setAll(axes, i -> i + 1);
    return axes.length == 0 ? batched : ops.unsqueeze(batched, axes);
  }

  private Value unsqueeze(Node node, Use use) {
    long[] axes = axes(node, 1, use.axes().size());
    List<Axis> inner = new ArrayList<>();
    for (int axis = 0; axis < use.axes().size(); axis++) {
      int place = axis;
      if (Arrays.stream(axes).noneMatch(inserted -> inserted == place)) {
        inner.add(use.axes().get(axis));
      }
    }
    return ops.unsqueeze(build(node.input(0), inner, use.counting()), shifted(axes, use));
  }

  private Value squeeze(Node node, Use use) {
    Shape before = node.input(0).shape();
    long[] axes = axes(node, 1, before.rank());
    List<Axis> inner = new ArrayList<>();
    int next = 0;
    for (int axis = 0; axis < before.rank(); axis++) {
      int place = axis;
      boolean gone = Arrays.stream(axes).anyMatch(removed -> removed == place);
      inner.add(gone ? Axis.OTHER : use.axes().get(next++));
    }
    return ops.squeeze(build(node.input(0), inner, use.counting()), shifted(axes, use));
  }

  /** The axes that a node names, none below 0. */
  private long[] axes(Node node, int input, int rank) {
    if (!node.hasInput(input)) {
      throw notUnderstood(node);
    }
    long[] axes = constant(node.input(input)).orElseThrow(() -> notUnderstood(node)).toLongs();
    return Arrays.stream(axes).map(axis -> axis < 0 ? axis + rank : axis).toArray();
  }

  private static long[] shifted(long[] axes, Use use) {
    long by = use.counting() == Counting.SEQUENCES ? 1 : 0;
    return Arrays.stream(axes).map(axis -> axis + by).toArray();
  }

  private Value transpose(Node node, Use use) {
    int rank = use.axes().size();
    long[] reversed = new long[rank];
    Arrays.setAll(reversed, axis -> rank - 1 - axis);
    long[] permutation = node.attributes().intValues("perm", reversed);
    Axis[] inner = new Axis[rank];
    for (int axis = 0; axis < rank; axis++) {
      inner[(int) permutation[axis]] = use.axes().get(axis);
    }
    Value source = build(node.input(0), List.of(inner), use.counting());
    if (use.counting() == Counting.SLOTS) {
      return ops.transpose(source, permutation);
    }
    long[] batched = new long[rank + 1];
    for (int axis = 0; axis < rank; axis++) {
      batched[axis + 1] = permutation[axis] + 1;
    }
    return ops.transpose(source, batched);
  }

  /** Rows of a table at positions. */
  private Value gather(Node node, Use use) {
    boolean rows =
        node.attributes().intValue("axis", 0) == 0
            && !positional.contains(node.input(0))
            && positional.contains(node.input(1));
    if (!rows) {
      throw notUnderstood(node);
    }
    int rank = node.input(1).shape().rank();
    Value indices = build(node.input(1), use.axes().subList(0, rank), use.counting());
    return ops.gather(plain(node, node.input(0)), indices, 0);
  }

  private Value concat(Node node, Use use) {
    int rank = use.axes().size();
    long axis = node.attributes().intValue("axis", 0);
    int joined = (int) (axis < 0 ? axis + rank : axis);
    List<Optional<Value>> parts = new ArrayList<>();
    for (Value part : node.presentInputs()) {
      if (!positional.contains(part)) {
        throw notUnderstood(node);
      }
      parts.add(Optional.of(build(part, use.axes(), use.counting())));
    }
    long place = use.counting() == Counting.SEQUENCES ? joined + 1 : joined;
    return ops.editor()
        .add(node.op(), "Concat", Attributes.of("axis", Attribute.of(place)), parts, 1)
        .get(0);
  }

  /** What reads it stretches it itself. */
  private Value expand(Node node, Use use) {
    Value source = node.input(0);
    int own = source.shape().rank();
    int rank = use.axes().size();
    List<Axis> axes = new ArrayList<>();
    for (int axis = 0; axis < own; axis++) {
      axes.add(isLength(source, axis) ? use.axes().get(rank - own + axis) : Axis.OTHER);
    }
    if (!positional.contains(source)) {
      throw notUnderstood(node);
    }
    Value part = build(source, axes, use.counting());
    if (own == rank) {
      return part;
    }
    if (use.counting() == Counting.SEQUENCES) {
      return spread(part, own, rank);
    }
    long[] front = new long[rank - own];
    Arrays.setAll(front, i -> i);
    return ops.unsqueeze(part, front);
  }

  /** A value that is the same for all positions, and for all lengths. */
  private Value plain(Node reader, Value value) {
    Value plain = values.get(value);
    if (plain == null || ofLength.contains(value)) {
      throw DecoderBuilder.failure(
          reader, "depends on the length of the whole sequence, which a decoder does not know");
    }
    return plain;
  }

  /** Whether a value depends on the length of what is read in one run, other than by positions. */
  boolean isOfLength(Value value) {
    return ofLength.contains(value);
  }

  private static ManticoreException notUnderstood(Node node) {
    return DecoderBuilder.failure(
        node,
        "computes from positions in a way that is not understood where tokens come in pieces");
  }
}
