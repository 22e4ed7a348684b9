package dev.manticore.compiler.lower;

import com.google.common.collect.ImmutableSet;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.pass.GraphProperty;
import dev.manticore.ir.pass.Pass;
import java.util.List;
import java.util.Optional;

/**
 * Writes the state space of Mamba-1 for devices on which a step at a time is slow: all steps of a
 * chunk at once, by doubling (Hillis and Steele, "Data Parallel Algorithms", 1986), and then the
 * states of the chunks in the same way. Where the length is not known, a {@code Scan} carries the
 * state over the chunks. Decays are multiplied as sums of their logarithms, none of which is
 * positive, so nothing overflows. Where the length is known to be 1 it is a single step, without a
 * loop. The gradient, of a known length, is the same with time running backwards. The state space
 * of Mamba-2 is in chunks by itself; it is told not to look for single tokens when it runs.
 */
public final class ParallelScan implements Pass {

  /** Tokens of a chunk: as many doublings as its logarithm, as many steps as there are chunks. */
  private static final int CHUNK = 32;

  private static final int TOKENS = 1;

  /** The axes of values cut into chunks: batch, chunk, token of the chunk, channel, state. */
  private static final int CHUNKS = 1;

  private static final int IN_CHUNK = 2;

  private static final int CHANNELS = 3;

  private static final int STATES = 4;

  @Override
  public String name() {
    return "parallel-scan";
  }

  @Override
  public ImmutableSet<GraphProperty> preserves() {
    return ImmutableSet.of();
  }

  @Override
  public Graph run(Graph graph) {
    GraphEditor editor = graph.edit();
    boolean changed = false;
    for (Node node : graph.nodes()) {
      if (node.op().equals(OpId.manticore("StateSpaceDualWithState"))) {
        editor.replaceNode(
            node,
            new Node(
                node.op(),
                node.name(),
                node.attributes().with("parallel", 1),
                node.inputs(),
                node.outputs(),
                node.origin()));
        changed = true;
        continue;
      }
      boolean carries = node.op().equals(OpId.manticore("SelectiveScanWithState"));
      boolean isGradient = node.op().equals(OpId.manticore("SelectiveScanGrad"));
      if (!carries && !isGradient && !node.op().equals(OpId.manticore("SelectiveScan"))
          || !node.input(2).shape().isRanked()
          || !node.input(2).shape().isStatic()
          || isGradient && !hasKnownLength(node)) {
        continue;
      }
      editor.withOrigin(node.origin().by(name()));
      Scanning scanning = new Scanning(new Ops(editor), node);
      Optional<Value> state = carries ? Optional.of(node.input(5)) : Optional.empty();
      List<Value> results =
          isGradient
              ? scanning.gradient(node.input(5))
              : scanning.isStep() ? scanning.step(state) : scanning.chunks(state);
      editor.removeNode(node);
      for (int i = 0; i < node.outputs().size(); i++) {
        if (node.hasOutput(i)) {
          // Under the same value, which may be an output of the graph.
          editor.addNode(
              Node.of(
                  OpId.onnx("Identity"),
                  node.output(i).name(),
                  Attributes.NONE,
                  List.of(results.get(i)),
                  List.of(node.output(i))));
        }
      }
      changed = true;
    }
    return changed ? editor.freezeLive() : graph;
  }

  private static boolean hasKnownLength(Node node) {
    Shape shape = node.input(0).shape();
    return shape.isRanked() && shape.dim(TOKENS).isKnown() && shape.dim(TOKENS).extent() > 0;
  }

  /** Which way time runs. */
  private enum Direction {
    FORWARDS,
    BACKWARDS
  }

  /** x and delta [B,L,D], A [D,N], B and C [B,L,N]. */
  private static final class Scanning {
    private final Ops ops;
    private final Value x;
    private final Value delta;
    private final Value a;
    private final Value b;
    private final Value c;
    private final ElementType type;
    private final long channels;
    private final long states;

    /** Chunks, where the length is known. */
    private final Optional<Long> known;

    Scanning(Ops ops, Node node) {
      this.ops = ops;
      this.x = node.input(0);
      this.delta = node.input(1);
      this.a = node.input(2);
      this.b = node.input(3);
      this.c = node.input(4);
      this.type = x.elementType();
      this.channels = a.shape().dim(0).extent();
      this.states = a.shape().dim(1).extent();
      this.known =
          hasKnownLength(node)
              ? Optional.of((x.shape().dim(TOKENS).extent() + CHUNK - 1) / CHUNK)
              : Optional.empty();
    }

    boolean isStep() {
      return x.shape().isRanked() && Ops.isOne(x.shape().dim(TOKENS));
    }

    private Value zeroState() {
      Value shape = ops.concat(0, ops.shapeOf(x, 0, 1), ops.ints(channels, states));
      return ops.expand(ops.scalar(type, 0), shape);
    }

    /** y and the state after the one token. */
    List<Value> step(Optional<Value> state) {
      Value step = ops.reshape(delta, 0, channels, 1);
      Value drive =
          ops.mul(ops.mul(step, ops.reshape(x, 0, channels, 1)), ops.reshape(b, 0, 1, states));
      Value next = drive;
      if (state.isPresent()) {
        next = ops.add(ops.mul(ops.exp(ops.mul(step, a)), state.get()), drive);
      }
      Value y = ops.reduceSum(ops.mul(next, ops.reshape(c, 0, 1, states)), 2);
      return List.of(ops.reshape(y, 0, 1, channels), next);
    }

    /** y and the state after the last token. */
    List<Value> chunks(Optional<Value> state) {
      Value length = ops.shapeOf(x, TOKENS, TOKENS + 1);
      Value size = ops.ints(CHUNK);
      Value count = ops.div(ops.add(length, ops.ints(CHUNK - 1)), size);
      Value missing = ops.sub(ops.mul(count, size), length);
      // What is filled up with has no time and drives nothing: the state stays as it is.
      Value step = cut(delta, missing, channels);
      Value logs = ops.mul(ops.unsqueeze(step, STATES), a);
      Value drive =
          ops.mul(
              ops.unsqueeze(ops.mul(step, cut(x, missing, channels)), STATES),
              ops.unsqueeze(cut(b, missing, states), STATES - 1));
      Recurrence within = doubled(new Recurrence(logs, drive), IN_CHUNK, CHUNK, Direction.FORWARDS);
      List<Value> carried =
          known.isPresent()
              ? carryKnown(within, state)
              : carry(last(within.logs()), last(within.drive()), state.orElseGet(this::zeroState));
      Value before = ops.unsqueeze(carried.get(1), IN_CHUNK);
      Value h = ops.add(within.drive(), ops.mul(ops.exp(within.logs()), before));
      Value out = ops.unsqueeze(cut(c, missing, states), STATES - 1);
      Value y = ops.reshape(ops.reduceSum(ops.mul(h, out), STATES), 0, -1, channels);
      return List.of(ops.onnx("Slice", y, ops.ints(0), length, ops.ints(TOKENS)), carried.get(0));
    }

    /**
     * h[i] = exp(logs[i]) h[i-1] + drive[i]; doubled, what each position makes of the state before
     * the first, and what it is if that is zero.
     */
    private record Recurrence(Value logs, Value drive) {}

    /** All positions of an axis at once. */
    private Recurrence doubled(Recurrence steps, int axis, long extent, Direction direction) {
      Value logs = steps.logs();
      Value drive = steps.drive();
      for (long by = 1; by < extent; by *= 2) {
        drive = ops.add(drive, ops.mul(ops.exp(logs), moved(drive, axis, extent, by, direction)));
        logs = ops.add(logs, moved(logs, axis, extent, by, direction));
      }
      return new Recurrence(logs, drive);
    }

    /** What is so many places before, as time runs; zero where there is nothing. */
    private Value moved(Value value, int axis, long extent, long by, Direction direction) {
      return direction == Direction.FORWARDS
          ? ops.pad(ops.slice(value, axis, 0, extent - by), axis, by, 0)
          : ops.pad(ops.slice(value, axis, by, extent), axis, 0, by);
    }

    /** The state after the last chunk, and those before each. */
    private List<Value> carryKnown(Recurrence within, Optional<Value> state) {
      Recurrence ends =
          doubled(
              new Recurrence(last(within.logs()), last(within.drive())),
              CHUNKS,
              known.get(),
              Direction.FORWARDS);
      Value first = ops.unsqueeze(state.orElseGet(this::zeroState), CHUNKS);
      Value after = ends.drive();
      if (state.isPresent()) {
        after = ops.add(after, ops.mul(ops.exp(ends.logs()), first));
      }
      long most = known.get();
      Value before =
          most == 1 ? first : ops.concat(CHUNKS, first, ops.slice(after, CHUNKS, 0, most - 1));
      return List.of(ops.squeeze(ops.slice(after, CHUNKS, most - 1, most), CHUNKS), before);
    }

    /** The gradients of x, delta, A, B and C from that of y. */
    List<Value> gradient(Value dy) {
      long length = x.shape().dim(TOKENS).extent();
      long padded = CHUNK * known.get();
      Value missing = ops.ints(padded - length);
      Value step = cut(delta, missing, channels);
      Value value = cut(x, missing, channels);
      Value in = ops.unsqueeze(cut(b, missing, states), CHANNELS);
      Value out = ops.unsqueeze(cut(c, missing, states), CHANNELS);
      Value from = ops.unsqueeze(cut(dy, missing, channels), STATES);
      Value logs = ops.mul(ops.unsqueeze(step, STATES), a);
      Value drive = ops.unsqueeze(ops.mul(step, value), STATES);
      Value h = whole(new Recurrence(logs, ops.mul(drive, in)), Direction.FORWARDS);
      // What comes back to a state comes through the decay of the step after it.
      Value later = overAll(logs, padded, Direction.BACKWARDS);
      Value g = whole(new Recurrence(later, ops.mul(from, out)), Direction.BACKWARDS);
      Value kept = ops.mul(g, ops.mul(ops.exp(logs), overAll(h, padded, Direction.FORWARDS)));
      Value byDrive = ops.reduceSum(ops.mul(g, in), STATES);
      Value dx = ops.mul(step, byDrive);
      Value ddelta = ops.add(ops.mul(value, byDrive), ops.reduceSum(ops.mul(kept, a), STATES));
      Value da = ops.reduceSum(ops.mul(kept, ops.unsqueeze(step, STATES)), 0, CHUNKS, IN_CHUNK);
      Value db = ops.reduceSum(ops.mul(g, drive), CHANNELS);
      Value dc = ops.reduceSum(ops.mul(from, h), CHANNELS);
      return List.of(
          joined(dx, channels, length),
          joined(ddelta, channels, length),
          da,
          joined(db, states, length),
          joined(dc, states, length));
    }

    /** [B,chunks,CHUNK,W] as [B,L,W]. */
    private Value joined(Value value, long width, long length) {
      return ops.slice(ops.reshape(value, 0, -1, width), TOKENS, 0, length);
    }

    /** The states of a recurrence over all chunks, which begins with zeros. */
    private Value whole(Recurrence steps, Direction direction) {
      Recurrence within = doubled(steps, IN_CHUNK, CHUNK, direction);
      if (known.get() == 1) {
        return within.drive();
      }
      int end = direction == Direction.FORWARDS ? CHUNK - 1 : 0;
      Recurrence ends =
          doubled(
              new Recurrence(
                  ops.slice(within.logs(), IN_CHUNK, end, end + 1),
                  ops.slice(within.drive(), IN_CHUNK, end, end + 1)),
              CHUNKS,
              known.get(),
              direction);
      Value before = moved(ends.drive(), CHUNKS, known.get(), 1, direction);
      return ops.add(within.drive(), ops.mul(ops.exp(within.logs()), before));
    }

    /** What is one token before, as time runs, over the borders of chunks. */
    private Value overAll(Value value, long length, Direction direction) {
      Value flat = ops.reshape(value, 0, length, channels, states);
      return ops.reshape(
          moved(flat, TOKENS, length, 1, direction), 0, known.get(), CHUNK, channels, states);
    }

    /** [B,L,W] as [B,chunks,CHUNK,W]. */
    private Value cut(Value value, Value missing, long width) {
      Value pads = ops.concat(0, ops.ints(0), missing);
      Value whole = ops.onnx("Pad", value, pads, ops.scalar(type, 0), ops.ints(TOKENS));
      return ops.reshape(whole, 0, -1, CHUNK, width);
    }

    private Value last(Value value) {
      return ops.squeeze(ops.slice(value, IN_CHUNK, CHUNK - 1, CHUNK), IN_CHUNK);
    }

    /** The state after the last chunk, and those before each. */
    private List<Value> carry(Value logs, Value drive, Value state) {
      GraphEditor body = ops.editor().subgraph("chunk");
      Ops s = new Ops(body);
      TensorType each =
          new TensorType(type, Shape.of(Dim.UNKNOWN, Dim.of(channels), Dim.of(states)));
      Value h = body.freshInput("h", each);
      Value l = body.freshInput("log_decay", each);
      Value d = body.freshInput("drive", each);
      body.output(s.add(s.mul(s.exp(l), h), d));
      body.output(s.onnx("Identity", h));
      Attributes attributes =
          Attributes.of("body", Attribute.of(body.freeze()))
              .with("num_scan_inputs", 2)
              .with("scan_input_axes", Attribute.ofInts(1, 1))
              .with("scan_output_axes", Attribute.ofInts(1));
      return ops.editor()
          .add(
              OpId.onnx("Scan"),
              "Scan",
              attributes,
              List.of(Optional.of(state), Optional.of(logs), Optional.of(drive)),
              2);
    }
  }
}
