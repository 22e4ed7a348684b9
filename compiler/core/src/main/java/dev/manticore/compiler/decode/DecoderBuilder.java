package dev.manticore.compiler.decode;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.component.DataFlow;
import dev.manticore.compiler.decode.DecoderState.Kind;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Copies;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.lift.Lift;
import dev.manticore.ir.rewrite.Canonicalise;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * Makes a decoder of a model that reads whole sequences. What mixes tokens gets a state: attention
 * the keys and values of the tokens read before, a causal convolution its last inputs, a state
 * space its state. What depends on positions is computed for those of the run. All else is done to
 * each token alone and stays as it is.
 *
 * <p>Sequences of a batch that are shorter than others are filled up at their front, where the
 * attention mask is 0: such tokens are excluded from attention, do not count as positions, and
 * leave convolutions and state spaces as they begin, at zero.
 */
public final class DecoderBuilder {

  static final String NAME = "decode";

  private static final String CODE = "MNT-DECODE";

  /** What is added to the attention of what is not there; finite, so that no row is without sum. */
  private static final double EXCLUDED = -Float.MAX_VALUE;

  private final Graph model;
  private final GraphEditor editor;
  private final Ops ops;
  private final Map<Value, Value> values = new HashMap<>();
  private final Set<Value> data;
  private final Attentions attentions;
  private final Positions positions;
  private final TokenMixing mixing;
  private final OptionalInt capacity;
  private final Tokens tokens;
  private final List<DecoderState> states = new ArrayList<>();
  private final List<Value> presents = new ArrayList<>();
  private final Map<Node, Integer> layers = new HashMap<>();
  private int layer = -1;
  private boolean convolutionOpen;

  private DecoderBuilder(Graph model, OptionalInt capacity) {
    this.model = model;
    this.capacity = capacity;
    this.editor = new GraphEditor(model.name());
    this.ops = new Ops(editor);
    Value ids = model.inputs().get(0);
    Dim length = lengthOf(ids);
    this.data = DataFlow.from(model, ids);
    this.attentions = Attentions.find(model, data);
    this.mixing =
        new TokenMixing(
            length,
            data,
            value -> Optional.ofNullable(values.get(value)).flatMap(editor::constantOf));

    Shape run = Shape.of(Dim.of(Decoder.BATCH), Dim.of(Decoder.LENGTH));
    refuseOtherInputs();
    Value newIds = editor.input(Decoder.INPUT_IDS, new TensorType(ElementType.INT64, run));
    values.put(ids, ops.cast(newIds, ids.elementType()));
    model.parameters().forEach((parameter, tensor) -> editor.setParameter(parameter, tensor));
    model.parameters().keySet().forEach(parameter -> values.put(parameter, parameter));
    this.tokens = capacity.isPresent() ? new Counted(newIds) : new Masked(newIds);
    this.positions =
        new Positions(
            model,
            length,
            ops,
            values,
            data,
            tokens.newSlots,
            tokens.allSlots,
            tokens.newPositions,
            capacity.isPresent() ? Positions.Counting.SEQUENCES : Positions.Counting.SLOTS);
    CausalCheck.require(model, attentions, positions);
  }

  /** The tokens of a run, and those read before, as the inputs tell of them. */
  private abstract static class Tokens {
    /** The slots of the tokens of this run, and of all, as {@link Positions} has them. */
    Value newSlots;

    Value allSlots;
    Value newPositions;

    /** What is added to attention weights, [batch,1,1,all]: what is no token is excluded. */
    Value excluded;

    /** A value of each token, [batch,length,any], or 0 where it is no token. */
    abstract Value tokensOf(Value value);

    /** Logits [batch,length,vocabulary] as they are given. */
    Value logitsOf(Value logits) {
      return logits;
    }

    /** Keys or values [batch,heads,all,width] of all tokens, of those of before and of this run. */
    abstract Value all(Value before, Value these);

    /** The extent of the axis of tokens of keys and values. */
    abstract Dim cache();
  }

  /** Tokens that a mask tells, with keys and values that grow. */
  private final class Masked extends Tokens {
    private final Value newMask;

    Masked(Value newIds) {
      Shape all = Shape.of(Dim.of(Decoder.BATCH), Dim.of(Decoder.TOTAL_LENGTH));
      Value mask = editor.input(Decoder.ATTENTION_MASK, new TensorType(ElementType.INT64, all));
      editor.enter(NAME);
      Value total = ops.shapeOf(mask, 1, 2);
      Value past = ops.sub(total, ops.shapeOf(newIds, 1, 2));
      Value zero = ops.scalar(ElementType.INT64, 0);
      Value one = ops.scalar(ElementType.INT64, 1);
      this.allSlots = ops.onnx("Range", zero, ops.squeeze(total, 0), one);
      // Picked one by one, and not sliced, they are known to be as many as the new tokens.
      this.newSlots =
          ops.add(ops.onnx("Range", zero, ops.squeeze(ops.shapeOf(newIds, 1, 2), 0), one), past);
      this.newMask = ops.unsqueeze(ops.cast(ops.gather(mask, newSlots, 1), ElementType.FLOAT32), 2);
      Value counted = ops.onnx("Max", ops.sub(ops.onnx("CumSum", mask, one), one), zero);
      this.newPositions = ops.gather(counted, newSlots, 1);
      this.excluded = exclude(ops.unsqueeze(ops.cast(mask, ElementType.BOOL), 1, 2));
      editor.leave();
    }

    @Override
    Value tokensOf(Value value) {
      return ops.mul(value, newMask);
    }

    @Override
    Value all(Value before, Value these) {
      return ops.concat(2, before, these);
    }

    @Override
    Dim cache() {
      return Dim.of(Decoder.PAST_LENGTH);
    }
  }

  /** Tokens that are counted for each sequence, with keys and values of a capacity. */
  private final class Counted extends Tokens {
    /** Whether a slot is that of a token of this run, [batch,1,capacity,1], and of which. */
    private final Value written;

    private final Value source;

    /** Added to the logits: no number where a sequence has more tokens than there is room for. */
    private final Value overflow;

    Counted(Value newIds) {
      DecoderState counter =
          new DecoderState(
              0,
              Kind.LENGTH,
              new TensorType(ElementType.INT64, Shape.of(Dim.of(Decoder.BATCH), Dim.of(1))));
      Value past = state(counter);
      editor.enter(NAME);
      Value count = ops.shapeOf(newIds, 1, 2);
      Value zero = ops.scalar(ElementType.INT64, 0);
      Value one = ops.scalar(ElementType.INT64, 1);
      Value steps = ops.onnx("Range", zero, ops.squeeze(count, 0), one);
      long[] slots = new long[capacity.getAsInt()];
      Arrays.setAll(slots, slot -> slot);
      this.allSlots = ops.ints(slots);
      this.newPositions = ops.add(past, steps);
      this.newSlots = newPositions;
      Value total = ops.add(past, count);
      this.excluded = exclude(ops.unsqueeze(ops.onnx("Less", allSlots, total), 1, 2));
      Value after = ops.sub(allSlots, past);
      Value begun = ops.onnx("GreaterOrEqual", after, zero);
      Value within = ops.onnx("And", begun, ops.onnx("Less", after, count));
      this.written = ops.unsqueeze(within, 1, 3);
      Value chosen = ops.onnx("Equal", ops.unsqueeze(after, 2), steps);
      this.source = ops.unsqueeze(ops.cast(chosen, ElementType.FLOAT32), 1);
      Value full = ops.scalar(ElementType.INT64, capacity.getAsInt());
      this.overflow =
          ops.unsqueeze(
              ops.where(
                  ops.onnx("Greater", total, full),
                  ops.scalar(ElementType.FLOAT32, Double.NaN),
                  ops.scalar(ElementType.FLOAT32, 0)),
              2);
      present(counter, total);
      editor.leave();
    }

    @Override
    Value tokensOf(Value value) {
      return value;
    }

    @Override
    Value logitsOf(Value logits) {
      return ops.add(logits, overflow);
    }

    @Override
    Value all(Value before, Value these) {
      // A product with ones and zeros: it copies, and every runtime has it.
      return ops.where(written, ops.matMul(source, these), before);
    }

    @Override
    Dim cache() {
      return Dim.of(capacity.getAsInt());
    }
  }

  private Value exclude(Value there) {
    return ops.where(
        there, ops.scalar(ElementType.FLOAT32, 0), ops.scalar(ElementType.FLOAT32, EXCLUDED));
  }

  /**
   * Makes the decoder of a model.
   *
   * @param model its first input is token ids [batch,length] of any batch and length, its first
   *     output logits [batch,length,vocabulary] in float32
   * @throws ManticoreException {@code MNT-DECODE}, naming the node, if the model does something
   *     that is not understood where tokens come in pieces; {@code MNT-LIFT} if it is of another
   *     opset and cannot be lifted
   */
  public static Decoder build(Graph model) {
    return build(model, OptionalInt.empty());
  }

  /**
   * Makes a decoder whose keys and values have a capacity.
   *
   * @param capacity the most tokens of a sequence; of one that has more, no logit is a number
   * @throws ManticoreException as {@link #build(Graph)} does
   */
  public static Decoder withCapacity(Graph model, int capacity) {
    if (capacity < 1) {
      throw new ManticoreException(CODE, "a cache of " + capacity + " tokens holds none");
    }
    return build(model, OptionalInt.of(capacity));
  }

  private static Decoder build(Graph model, OptionalInt capacity) {
    return new DecoderBuilder(new Canonicalise().run(new Lift().run(model)), capacity).build();
  }

  static ManticoreException failure(Node node, String what) {
    return new ManticoreException(CODE, node + " " + what);
  }

  private static Dim lengthOf(Value ids) {
    Shape shape = ids.isTensor() ? ids.shape() : Shape.unranked();
    boolean fits =
        ids.isTensor()
            && ids.elementType().isInteger()
            && shape.isRanked()
            && shape.rank() == 2
            && shape.dim(1) instanceof Dim.Symbolic
            && !shape.dim(0).equals(shape.dim(1));
    if (!fits) {
      throw new ManticoreException(
          CODE,
          "the model's first input is "
              + ids
              + ", but a decoder is made of a model that reads token ids [batch,length] of any"
              + " length");
    }
    return shape.dim(1);
  }

  private void refuseOtherInputs() {
    if (model.inputs().size() > 1) {
      throw new ManticoreException(
          CODE,
          "the model reads "
              + model.inputs().get(1)
              + " beside token ids, and it is not known what that is where tokens come in pieces");
    }
    for (Value parameter : model.parameters().keySet()) {
      String name = parameter.name();
      boolean taken =
          name.equals(Decoder.INPUT_IDS)
              || name.equals(Decoder.ATTENTION_MASK)
              || DecoderState.of(name, parameter.type()).isPresent();
      if (taken) {
        throw new ManticoreException(
            CODE, "the model has a parameter called " + name + ", as an input of decoders is");
      }
    }
  }

  private Decoder build() {
    for (Node node : model.nodes()) {
      boolean positional = node.presentOutputs().stream().anyMatch(positions::contains);
      if (!positional) {
        editor.withOrigin(node.origin());
        add(node);
      }
    }
    Value logits = values.get(model.outputs().get(0));
    if (logits == null || logits.elementType() != ElementType.FLOAT32) {
      throw new ManticoreException(
          CODE,
          "the model's first output is " + model.outputs().get(0) + ", not logits in float32");
    }
    editor.output(ops.named(Decoder.LOGITS, tokens.logitsOf(logits)));
    presents.forEach(editor::output);
    model.metadata().forEach(editor::metadata);
    Graph decoder = editor.freezeLive();
    return new Decoder(decoder, ImmutableList.copyOf(states));
  }

  private void add(Node node) {
    if (attentions.isScores(node)) {
      scores(node);
    } else if (attentions.isMix(node)) {
      mix(node);
    } else if (isOurs(node, "CausalConv")) {
      convolve(node);
    } else if (isOurs(node, "SelectiveScan")) {
      scan(node, "SelectiveScanWithState", Attributes.NONE, scanState(node));
    } else if (isOurs(node, "StateSpaceDual")) {
      scan(node, "StateSpaceDualWithState", node.attributes(), dualState(node));
    } else if (node.reads().stream().anyMatch(positions::contains)) {
      withPositions(node);
    } else {
      copy(node);
    }
  }

  private static boolean isOurs(Node node, String name) {
    return node.op().equals(OpId.manticore(name));
  }

  private void copy(Node node) {
    if (attentions.isSoftmax(node)) {
      values.put(node.input(0), ops.add(values.get(node.input(0)), tokens.excluded));
    } else {
      mixing
          .objection(node)
          .ifPresent(
              objection -> {
                throw failure(node, objection);
              });
      refuseLengths(node);
    }
    Copies.copy(editor, node, values);
  }

  /** Where the length of a run is anything but a shape, tokens of other runs are missed. */
  private void refuseLengths(Node node) {
    boolean shapes = node.op().isOnnx("Reshape") || node.op().isOnnx("Expand");
    for (int i = 0; i < node.inputs().size(); i++) {
      boolean read = node.hasInput(i) && positions.isOfLength(node.input(i));
      if (read && data.contains(node.presentOutputs().get(0)) && !(shapes && i == 1)) {
        throw failure(
            node, "depends on the length of the whole sequence, which a decoder does not know");
      }
    }
  }

  /** A node that reads values that depend on positions beside those that depend on tokens. */
  private void withPositions(Node node) {
    refuseLengths(node);
    if (!Attentions.isElementwise(node)) {
      throw failure(node, "joins tokens with positions, which is not understood");
    }
    int rank = node.output().shape().rank();
    List<Optional<Value>> operands = new ArrayList<>();
    for (Value operand : node.presentInputs()) {
      if (!positions.contains(operand)) {
        operands.add(Optional.of(values.get(operand)));
      } else if (attentions.isWeights(node.output())) {
        operands.add(Optional.of(positions.forWeights(operand, rank)));
      } else {
        operands.add(Optional.of(positions.forTokens(operand, rank)));
      }
    }
    editor.withOrigin(node.origin());
    List<Value> results = editor.add(node.op(), node.op().name(), node.attributes(), operands, 1);
    values.put(node.output(), results.get(0));
  }

  /** The product of queries with the keys of all tokens. */
  private void scores(Node node) {
    Value queries = values.get(node.input(0));
    Value keys = newKeys(node);
    layer++;
    convolutionOpen = false;
    layers.put(node, layer);
    Value all = extend(Kind.KEY, layer, keys, node);
    values.put(node.output(), ops.matMul(queries, ops.transposeLast(all)));
  }

  /** The keys of the tokens of this run, [batch,heads,length,width]. */
  private Value newKeys(Node node) {
    Value turned = node.input(1);
    Optional<Node> made =
        model.producer(turned).filter(transpose -> transpose.op().isOnnx("Transpose"));
    if (made.isEmpty()) {
      return ops.transposeLast(values.get(turned));
    }
    int rank = turned.shape().rank();
    long[] reversed = new long[rank];
    Arrays.setAll(reversed, axis -> rank - 1 - axis);
    long[] permutation = made.get().attributes().intValues("perm", reversed).clone();
    long last = permutation[rank - 1];
    permutation[rank - 1] = permutation[rank - 2];
    permutation[rank - 2] = last;
    Value source = values.get(made.get().input(0));
    long[] same = new long[rank];
    Arrays.setAll(same, axis -> axis);
    return Arrays.equals(permutation, same) ? source : ops.transpose(source, permutation);
  }

  private void mix(Node node) {
    Integer of = layers.remove(attentions.scoresOf(node.input(0)));
    if (of == null) {
      throw failure(node, "mixes other values with weights that have been used");
    }
    Value all = extend(Kind.VALUE, of, values.get(node.input(1)), node);
    values.put(node.output(), ops.matMul(values.get(node.input(0)), all));
  }

  /** What is kept of the tokens read before, and of those of this run. */
  private Value extend(Kind kind, int of, Value these, Node node) {
    Shape shape = these.shape();
    if (!shape.isRanked()
        || shape.rank() != 4
        || these.elementType() != ElementType.FLOAT32
        || !shape.dim(1).isKnown()
        || !shape.dim(3).isKnown()) {
      throw failure(
          node,
          "attends to " + these + ", but keys and values should be f32[batch,heads,length,width]");
    }
    Shape past = Shape.of(Dim.of(Decoder.BATCH), shape.dim(1), tokens.cache(), shape.dim(3));
    DecoderState state = new DecoderState(of, kind, new TensorType(these.elementType(), past));
    Value all = tokens.all(state(state), these);
    present(state, all);
    return all;
  }

  private Value state(DecoderState state) {
    states.add(state);
    return editor.input(state.past(), state.type());
  }

  private void present(DecoderState state, Value value) {
    presents.add(ops.named(state.present(), value));
  }

  private void convolve(Node node) {
    layer++;
    convolutionOpen = true;
    Shape weight = node.input(1).shape();
    Shape shape =
        Shape.of(Dim.of(Decoder.BATCH), weight.dim(0), Dim.of(weight.dim(2).extent() - 1));
    DecoderState state =
        new DecoderState(
            layer, Kind.CONVOLUTION, new TensorType(node.input(0).elementType(), shape));
    List<Value> operands = new ArrayList<>();
    operands.add(tokens.tokensOf(values.get(node.input(0))));
    operands.add(values.get(node.input(1)));
    operands.add(state(state));
    if (node.hasInput(2)) {
      operands.add(values.get(node.input(2)));
    }
    List<Value> results =
        ops.own("CausalConvWithState", Attributes.NONE, 2, operands.toArray(Value[]::new));
    values.put(node.output(), results.get(0));
    present(state, results.get(1));
  }

  /** A state space; where the mask is 0 no time passes, so that its state stays as it is. */
  private void scan(Node node, String operator, Attributes attributes, Shape shape) {
    // A convolution just before is of the same layer.
    if (!convolutionOpen) {
      layer++;
    }
    convolutionOpen = false;
    DecoderState state =
        new DecoderState(layer, Kind.RECURRENT, new TensorType(node.input(0).elementType(), shape));
    List<Value> operands = new ArrayList<>();
    node.presentInputs().forEach(operand -> operands.add(values.get(operand)));
    operands.set(1, tokens.tokensOf(operands.get(1)));
    operands.add(state(state));
    List<Value> results = ops.own(operator, attributes, 2, operands.toArray(Value[]::new));
    values.put(node.output(), results.get(0));
    present(state, results.get(1));
  }

  private static Shape scanState(Node node) {
    Shape decay = node.input(2).shape();
    return Shape.of(Dim.of(Decoder.BATCH), decay.dim(0), decay.dim(1));
  }

  private static Shape dualState(Node node) {
    long heads = node.attributes().intValue("heads", 1);
    long groups = node.attributes().intValue("groups", 1);
    long width = node.input(0).shape().dim(-1).extent() / heads;
    long states = node.input(3).shape().dim(-1).extent() / groups;
    return Shape.of(Dim.of(Decoder.BATCH), Dim.of(heads), Dim.of(width), Dim.of(states));
  }
}
