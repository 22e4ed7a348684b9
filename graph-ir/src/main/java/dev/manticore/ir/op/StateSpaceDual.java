package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.List;
import java.util.Optional;

/**
 * The state space of Mamba-2 ({@code paper.md} §3.5): x [B,L,H*P], delta [B,L,H], A [H], B, C
 * [B,L,G*N] -> y [B,L,H*P], with attributes {@code heads} H, {@code groups} G, which divides H, and
 * {@code chunk_size}. For each head, with the B and C of its group, s_t = exp(delta_t A) s_{t-1} +
 * delta_t B_t x_t^T and y_t = C_t s_t. No delta is negative and no A positive.
 *
 * <p>The reference is that recurrence. The body is its chunked dual, "Transformers are SSMs" §6: a
 * masked attention within chunks, and a state carried over them, all matrix products. A sequence is
 * cut into the fewest chunks that are no longer than {@code chunk_size}, all of one length, and
 * padded where the chunks are longer together than it is.
 */
final class StateSpaceDual implements Operator {

  /** x, delta, A, B, C, dy -> dx, ddelta, dA, dB, dC, in the chunked form too. */
  static final Operator GRADIENT =
      new BodyOperator(
          "StateSpaceDualGrad",
          ImmutableSet.of(),
          call -> {
            types(call);
            return List.of(call.type(0), call.type(1), call.type(2), call.type(3), call.type(4));
          },
          StateSpaceDual::gradient);

  /**
   * The same from a state on: x, delta, A, B, C, state [B,H,P,N] -> y, state; with the same
   * attributes. A single token is a step of the recurrence, more are done in chunks; where that is
   * not known before, and attribute {@code parallel} is not 1, the graph decides when it runs.
   */
  static final Operator WITH_STATE =
      new BodyOperator(
          "StateSpaceDualWithState",
          ImmutableSet.of(),
          call -> {
            types(call);
            Inference.requireRank(call, 5, 4);
            return List.of(call.type(0), call.type(5));
          },
          StateSpaceDual::withState);

  private static final BodyOperator CHUNKED =
      new BodyOperator(
          "StateSpaceDual", ImmutableSet.of(), StateSpaceDual::types, StateSpaceDual::forward);

  @Override
  public ImmutableList<TensorType> infer(Call call) {
    return CHUNKED.infer(call);
  }

  @Override
  public boolean hasBody() {
    return true;
  }

  @Override
  public Optional<Graph> body(Call call) {
    return CHUNKED.body(call);
  }

  @Override
  public List<NdArray> evaluate(Evaluation evaluation) {
    NdArray x = evaluation.input(0);
    NdArray delta = evaluation.input(1);
    NdArray a = evaluation.input(2);
    NdArray b = evaluation.input(3);
    NdArray c = evaluation.input(4);
    int heads = a.size();
    int groups = (int) evaluation.attributes().intValue("groups", 1);
    int width = x.dim(2) / heads;
    int states = b.dim(2) / groups;
    NdArray y = NdArray.zeros(x.elementType(), x.shape());
    for (int sequence = 0; sequence < x.dim(0); sequence++) {
      for (int head = 0; head < heads; head++) {
        int group = head / (heads / groups);
        double[] state = new double[states * width];
        for (int t = 0; t < x.dim(1); t++) {
          int row = sequence * x.dim(1) + t;
          double step = delta.data()[row * heads + head];
          double decay = Math.exp(step * a.data()[head]);
          for (int n = 0; n < states; n++) {
            double in = step * b.data()[(row * groups + group) * states + n];
            double out = c.data()[(row * groups + group) * states + n];
            for (int p = 0; p < width; p++) {
              int at = (row * heads + head) * width + p;
              int cell = n * width + p;
              state[cell] = decay * state[cell] + in * x.data()[at];
              y.data()[at] += out * state[cell];
            }
          }
        }
      }
    }
    return List.of(y);
  }

  private static List<TensorType> types(Call call) {
    long heads = attribute(call.attributes(), "heads");
    long groups = attribute(call.attributes(), "groups");
    attribute(call.attributes(), "chunk_size");
    if (heads % groups != 0) {
      throw new IrException(heads + " heads are not shared out to " + groups + " groups");
    }
    for (int i = 0; i < 5; i++) {
      Inference.requireRank(call, i, i == 2 ? 1 : 3);
    }
    requireLast(call, 0, heads, 0);
    requireLast(call, 1, heads, heads);
    requireLast(call, 2, heads, heads);
    requireLast(call, 3, groups, 0);
    requireLast(call, 4, groups, 0);
    return List.of(call.type(0));
  }

  private static long attribute(Attributes attributes, String name) {
    long value = attributes.intValue(name, 1);
    if (value < 1) {
      throw new IrException("attribute '" + name + "' is " + value + ", but should be at least 1");
    }
    return value;
  }

  /** Checks that a last axis is a multiple of one extent, and another one if that is not 0. */
  private static void requireLast(Call call, int index, long divisor, long extent) {
    if (!call.shape(index).isRanked()) {
      return;
    }
    Dim last = call.shape(index).dim(-1);
    if (last.isKnown()
        && (last.extent() % divisor != 0 || (extent != 0 && last.extent() != extent))) {
      throw new IrException(
          "the last axis of input "
              + index
              + ", "
              + call.type(index)
              + ", should be "
              + (extent == 0 ? "a multiple of " : "")
              + divisor);
    }
  }

  private static List<Value> withState(Ops ops, Call call, List<Value> in) {
    Dim length = call.shape(0).isRanked() ? call.shape(0).dim(1) : Dim.UNKNOWN;
    if (Ops.isOne(length)) {
      return step(ops, call, in);
    }
    if (length.isKnown() || call.attributes().intValue("parallel", 0) == 1) {
      return chunked(ops, call, in);
    }
    Value one =
        ops.onnx(
            "Equal",
            ops.squeeze(ops.shapeOf(in.get(0), 1, 2), 0),
            ops.scalar(ElementType.INT64, 1));
    Attributes branches =
        Attributes.of("then_branch", Attribute.of(branch(ops, call, in, StateSpaceDual::step)))
            .with("else_branch", Attribute.of(branch(ops, call, in, StateSpaceDual::chunked)));
    return ops.editor().add(OpId.onnx("If"), "If", branches, List.of(Optional.of(one)), 2);
  }

  private static Graph branch(
      Ops ops, Call call, List<Value> in, BodyOperator.Definition definition) {
    GraphEditor body = ops.editor().subgraph("branch");
    definition.build(new Ops(body), call, in).forEach(body::output);
    return body.freeze();
  }

  /** One token, with axes batch, group, head of the group, channel P and state N. */
  private static List<Value> step(Ops ops, Call call, List<Value> in) {
    long heads = call.attributes().intValue("heads", 1);
    long groups = call.attributes().intValue("groups", 1);
    long each = heads / groups;
    Value state = in.get(5);
    Value grouped =
        ops.onnx(
            "Reshape",
            state,
            ops.concat(
                0, ops.shapeOf(state, 0, 1), ops.ints(groups, each), ops.shapeOf(state, 2, 4)));
    Value delta = in.get(1);
    Value decay = ops.reshape(ops.exp(ops.mul(delta, in.get(2))), 0, groups, each, 1, 1);
    Value input =
        ops.mul(
            ops.reshape(delta, 0, groups, each, 1, 1),
            ops.reshape(in.get(0), 0, groups, each, -1, 1));
    Value drive = ops.mul(input, ops.reshape(in.get(3), 0, groups, 1, 1, -1));
    Value next = ops.add(ops.mul(decay, grouped), drive);
    Value y = ops.reduceSum(ops.mul(next, ops.reshape(in.get(4), 0, groups, 1, 1, -1)), 4);
    return List.of(ops.reshape(y, 0, 1, -1), ops.onnx("Reshape", next, ops.onnx("Shape", state)));
  }

  private static List<Value> chunked(Ops ops, Call call, List<Value> in) {
    Chunks chunks = new Chunks(ops, call, in, Optional.of(in.get(5)));
    return List.of(chunks.joinHeads(chunks.y), chunks.joinState(chunks.after()));
  }

  private static List<Value> forward(Ops ops, Call call, List<Value> in) {
    Chunks chunks = new Chunks(ops, call, in);
    return List.of(chunks.joinHeads(chunks.y));
  }

  /**
   * With E_ij the gradient of the exponent s_i - s_j, all products below being over one chunk: the
   * rows of E and what the carried state adds sum to dy_t . y_t, its columns and what goes into the
   * state to dinput_t . input_t, so that E itself is never made.
   */
  private static List<Value> gradient(Ops ops, Call call, List<Value> in) {
    Chunks f = new Chunks(ops, call, in);
    Value dy = f.splitHeads(in.get(5), f.heads);

    // What the chunk's own tokens give.
    Value dMixing = ops.matMul(dy, ops.transposeLast(f.input));
    Value dScores = f.sumHeads(ops.mul(dMixing, f.decays));
    Value dc = ops.matMul(dScores, f.b);
    Value db = ops.matMul(ops.transposeLast(dScores), f.c);
    Value dInput = ops.matMul(ops.transposeLast(f.mixing), dy);

    // What the state before the chunk gives.
    Value dyDecayed = ops.mul(dy, f.fromStart);
    dc = ops.add(dc, f.sumHeads(ops.matMul(dyDecayed, ops.transposeLast(f.before))));
    Value dBefore = f.flat(ops.matMul(ops.transposeLast(f.c), dyDecayed));
    Value dCarrying = ops.mul(ops.matMul(dBefore, ops.transposeLast(f.flat(f.states))), f.carrying);
    Value dTotals =
        ops.reduceSum(
            ops.mul(ops.matMul(ops.transposeLast(f.later), dCarrying), f.later), Chunks.LAST - 1);

    // What the chunk adds to the state.
    Value dStates = f.unflat(ops.matMul(ops.transposeLast(f.carrying), dBefore), f.states);
    Value dKept = ops.matMul(f.b, dStates);
    db = ops.add(db, f.sumHeads(ops.matMul(f.kept, ops.transposeLast(dStates))));
    dInput = ops.add(dInput, ops.mul(dKept, f.toEnd));

    // The exponents: sums of delta A up to each token, and up to the chunk's end.
    Value inputSlope = ops.reduceSum(ops.mul(dInput, f.x), Chunks.LAST);
    Value dSums =
        ops.sub(ops.reduceSum(ops.mul(dy, f.y), Chunks.LAST), ops.mul(inputSlope, f.delta));
    Value dEnd =
        ops.add(dTotals, ops.reduceSum(ops.mul(dStates, f.states), Chunks.LAST - 1, Chunks.LAST));
    Value dLogDecay =
        ops.add(ops.matMul(dSums, ops.transposeLast(f.upTo)), ops.unsqueeze(dEnd, Chunks.LAST - 1));

    Value dDelta = ops.add(ops.mul(dLogDecay, f.a), inputSlope);
    Value dA = ops.reduceSum(ops.mul(dLogDecay, f.delta), 0, 3, 4);
    return List.of(
        f.joinHeads(ops.mul(dInput, ops.unsqueeze(f.delta, Chunks.LAST))),
        f.joinSteps(dDelta),
        ops.reshape(dA, -1),
        f.joinGroups(db),
        f.joinGroups(dc));
  }

  /**
   * The forward pass in chunks. Axes are batch, group, head of the group, chunk, token of the chunk
   * and what remains: width P of a head or size N of the state; b and c have one head a group.
   */
  private static final class Chunks {

    static final int LAST = 5;

    /**
     * A difference of sums loses what the sums round off, and after one long step they are large.
     * So what each step contributes is split into a multiple of this, whose sums are exact, and a
     * small rest.
     */
    static final double GRID = 1.0 / 64;

    final Ops ops;
    final long heads;
    final long groups;
    final Value length;

    /** Number of chunks, tokens of each, and their product: vectors of one element. */
    final Value count;

    final Value size;
    final Value padded;

    final Value x;
    final Value delta;
    final Value a;
    final Value b;
    final Value c;

    /** Over i [size,size]: 1 where j is not before i; so a product with it sums up to a token. */
    final Value upTo;

    /** Over chunks [count,count]: 1 where the row is later than the column. */
    final Value later;

    /** delta x. */
    final Value input;

    /** exp(sum of delta A after token j up to token i), 0 where j is later than i. */
    final Value decays;

    /** C_i . B_j, decayed. */
    final Value mixing;

    /** The decay from a token to the end of its chunk, and the input so decayed. */
    final Value toEnd;

    final Value kept;

    /** What each chunk adds to the state [.., N,P]. */
    final Value states;

    /** The decay from the end of an earlier chunk (column) to the start of a chunk (row). */
    final Value carrying;

    /** The state before each chunk [.., N,P]. */
    final Value before;

    /** The decay from the start of the chunk to a token. */
    final Value fromStart;

    final Value y;

    /** The sum of the exponents of a chunk, [..,1]. */
    private final Value totals;

    Chunks(Ops ops, Call call, List<Value> in) {
      this(ops, call, in, Optional.empty());
    }

    /**
     * @param initial the state before the first token, [B,H,P,N]; zero if there is none
     */
    Chunks(Ops ops, Call call, List<Value> in, Optional<Value> initial) {
      this.ops = ops;
      this.heads = call.attributes().intValue("heads", 1);
      this.groups = call.attributes().intValue("groups", 1);
      Value longest = ops.ints(call.attributes().intValue("chunk_size", 1));
      this.length = ops.shapeOf(in.get(0), 1, 2);
      this.count = shares(length, longest);
      this.size = shares(length, count);
      this.padded = ops.mul(count, size);
      this.x = splitHeads(in.get(0), heads);
      this.delta = splitSteps(in.get(1));
      this.a = ops.reshape(in.get(2), groups, heads / groups, 1, 1);
      this.b = splitHeads(in.get(3), groups);
      this.c = splitHeads(in.get(4), groups);

      ElementType type = call.type(0).elementType();
      this.upTo = ops.cast(compare("LessOrEqual", size), type);
      Value seen = ops.where(compare("GreaterOrEqual", size), zero(type), never(type));
      Value steps = ops.mul(delta, a);
      Value coarse = ops.mul(ops.onnx("Round", ops.mul(steps, 1 / GRID)), GRID);
      Value coarseSums = ops.matMul(coarse, upTo);
      Value fineSums = ops.matMul(ops.sub(steps, coarse), upTo);
      this.decays = ops.exp(ops.add(differences(coarseSums), ops.add(differences(fineSums), seen)));
      this.input = ops.mul(x, ops.unsqueeze(delta, LAST));
      this.mixing = ops.mul(decays, ops.matMul(c, ops.transposeLast(b)));

      Value coarseTotal = last(coarseSums);
      Value fineTotal = last(fineSums);
      Value rest = ops.add(ops.sub(coarseTotal, coarseSums), ops.sub(fineTotal, fineSums));
      this.toEnd = ops.unsqueeze(ops.exp(rest), LAST);
      this.kept = ops.mul(input, toEnd);
      this.states = ops.matMul(ops.transposeLast(b), kept);
      Value isLater = compare("Greater", count);
      this.later = ops.cast(isLater, type);
      // Each sum of totals is of its own terms: a difference of long sums would lose precision.
      this.totals = ops.add(coarseTotal, fineTotal);
      Value between = ops.matMul(later, ops.mul(totals, later));
      Value carried = ops.where(isLater, zero(type), never(type));
      this.carrying = ops.exp(ops.add(between, carried));
      Value own = unflat(ops.matMul(carrying, flat(states)), states);
      this.before = initial.map(state -> ops.add(own, remaining(state))).orElse(own);
      this.fromStart = ops.unsqueeze(ops.exp(ops.add(coarseSums, fineSums)), LAST);
      Value remembered = ops.mul(ops.matMul(c, before), fromStart);
      this.y = ops.add(ops.matMul(mixing, input), remembered);
    }

    /** What is left of the state before the first token at the start of each chunk. */
    private Value remaining(Value state) {
      Value turned = ops.transpose(state, 0, 1, 3, 2);
      Value extents = ops.onnx("Shape", Attributes.of("start", -2), turned);
      Value shape = ops.concat(0, ops.ints(0, groups, heads / groups, 1), extents);
      Value split = ops.onnx("Reshape", turned, shape);
      return ops.mul(split, decay(ops.matMul(later, totals)));
    }

    /** The state after the last token, [..,1,N,P]. */
    Value after() {
      Value rest = ops.mul(lastChunk(before), decay(lastChunk(totals)));
      return ops.add(rest, lastChunk(states));
    }

    private Value lastChunk(Value value) {
      return ops.slice(value, 3, -1, Long.MAX_VALUE);
    }

    private Value decay(Value sums) {
      return ops.unsqueeze(ops.exp(sums), LAST);
    }

    /** [..,1,N,P] -> [B,H,P,N]. */
    Value joinState(Value value) {
      Value shape =
          ops.concat(0, ops.ints(0, heads), ops.onnx("Shape", Attributes.of("start", -2), value));
      return ops.transpose(ops.onnx("Reshape", value, shape), 0, 1, 3, 2);
    }

    /** Of sums up to each token: those up to i less those up to j, over i and j. */
    private Value differences(Value sums) {
      return ops.sub(ops.unsqueeze(sums, LAST), ops.unsqueeze(sums, LAST - 1));
    }

    /** Of sums up to each token: that over the chunk, [..,1]. */
    private Value last(Value sums) {
      return ops.slice(sums, LAST - 1, -1, Long.MAX_VALUE);
    }

    /** The number of parts of at most such a size that make the whole; at least 1. */
    private Value shares(Value whole, Value part) {
      return ops.add(ops.div(ops.sub(whole, ops.ints(1)), part), ops.ints(1));
    }

    /** Row compared with column, over [n,n]. */
    private Value compare(String comparison, Value n) {
      ElementType type = ElementType.INT64;
      Value indices =
          ops.onnx("Range", ops.scalar(type, 0), ops.squeeze(n, 0), ops.scalar(type, 1));
      return ops.onnx(comparison, ops.unsqueeze(indices, 1), ops.unsqueeze(indices, 0));
    }

    private Value zero(ElementType type) {
      return ops.scalar(type, 0);
    }

    /** The exponent of 0. */
    private Value never(ElementType type) {
      return ops.scalar(type, Double.NEGATIVE_INFINITY);
    }

    /** [B,L,n*W] -> [B,G,n/G,chunk,token,W]. */
    Value splitHeads(Value value, long n) {
      Value rows = ops.reshape(pad(value), 0, 0, n, -1);
      Value ordered = n == 1 ? rows : ops.transpose(rows, 0, 2, 1, 3);
      Value shape = ops.concat(0, ops.ints(0, groups, n / groups), count, size, ops.ints(-1));
      return ops.onnx("Reshape", n == 1 ? merged(ordered) : ordered, shape);
    }

    /** [B,L',1,W] -> [B,1,L',W], whose elements have the same order. */
    private Value merged(Value rows) {
      return ops.onnx("Reshape", rows, ops.concat(0, ops.ints(0, 1), padded, ops.ints(-1)));
    }

    /** [B,L,H] -> [B,G,H/G,chunk,token]. */
    private Value splitSteps(Value value) {
      Value shape = ops.concat(0, ops.ints(0, groups, heads / groups), count, size);
      return ops.onnx("Reshape", ops.transpose(pad(value), 0, 2, 1), shape);
    }

    private Value pad(Value value) {
      Value pads = ops.concat(0, ops.ints(0), ops.sub(padded, length));
      return ops.onnx("Pad", value, pads, zero(value.elementType()), ops.ints(1));
    }

    /** The inverse of {@link #splitHeads} for x. */
    Value joinHeads(Value value) {
      return join(value, heads);
    }

    /** The inverse of {@link #splitHeads} for b and c. */
    Value joinGroups(Value value) {
      return join(value, groups);
    }

    private Value join(Value value, long n) {
      Value rows = ops.onnx("Reshape", value, ops.concat(0, ops.ints(0, n), padded, ops.ints(-1)));
      return unpad(ops.reshape(ops.transpose(rows, 0, 2, 1, 3), 0, 0, -1));
    }

    Value joinSteps(Value value) {
      Value rows = ops.onnx("Reshape", value, ops.concat(0, ops.ints(0, heads), padded));
      return unpad(ops.transpose(rows, 0, 2, 1));
    }

    private Value unpad(Value value) {
      return ops.onnx("Slice", value, ops.ints(0), length, ops.ints(1));
    }

    /** The sum over the heads of each group, whose axis stays. */
    Value sumHeads(Value value) {
      return heads == groups ? value : ops.reduceSumKeep(value, 2);
    }

    /** [.., N,P] -> [.., N*P]. */
    Value flat(Value value) {
      return ops.reshape(value, 0, 0, 0, 0, -1);
    }

    Value unflat(Value value, Value like) {
      return ops.onnx("Reshape", value, ops.onnx("Shape", like));
    }
  }
}
