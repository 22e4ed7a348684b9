package dev.manticore.ir.autodiff;

import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** Backward rules of operators that move elements about, by their place or by indices. */
final class MovementRules {

  private MovementRules() {}

  static List<Optional<Value>> slice(Backward b, Node node, List<Optional<Value>> dy) {
    Value x = node.input(0);
    int rank = x.shape().rank();
    long[] starts = BackwardRules.constant(b, node, 1);
    long[] axes =
        node.hasInput(3) ? BackwardRules.constant(b, node, 3) : BackwardRules.range(starts.length);
    long[] steps =
        node.hasInput(4)
            ? BackwardRules.constant(b, node, 4)
            : BackwardRules.filled(starts.length, 1);
    Value gradient = BackwardRules.only(dy);
    for (int i = 0; i < starts.length; i++) {
      int axis = (int) (axes[i] < 0 ? axes[i] + rank : axes[i]);
      long extent = x.shape().dim(axis).extent();
      long taken = node.output().shape().dim(axis).extent();
      long last = steps[i] > 0 ? extent : extent - 1;
      long start = Math.max(0, Math.min(last, starts[i] < 0 ? starts[i] + extent : starts[i]));
      if (steps[i] != 1) {
        gradient = spaced(b.ops(), gradient, axis, extent, start, steps[i], taken);
      } else if (taken != extent) {
        gradient = b.ops().pad(gradient, axis, start, extent - start - taken);
      }
    }
    return Backward.of(gradient);
  }

  /** Elements laid at a start and every so many further; between them zeros. */
  private static Value spaced(
      Ops o, Value value, int axis, long extent, long start, long step, long taken) {
    long[] sources = BackwardRules.filled((int) extent, taken);
    for (int i = 0; i < taken; i++) {
      sources[(int) (start + i * step)] = i;
    }
    return o.gather(o.pad(value, axis, 0, 1), o.ints(sources), axis);
  }

  /** Each axis is padded in turn, so that its gradient is taken off in the reverse order. */
  static List<Optional<Value>> pad(Backward b, Node node, List<Optional<Value>> dy) {
    Value x = node.input(0);
    int rank = x.shape().rank();
    long[] pads = BackwardRules.constant(b, node, 1);
    long[] axes =
        node.hasInput(3)
            ? BackwardRules.constant(b, node, 3)
            : BackwardRules.range(pads.length / 2);
    String mode = node.attributes().stringValue("mode", "constant");
    Value gradient = BackwardRules.only(dy);
    for (int i = axes.length - 1; i >= 0; i--) {
      int axis = (int) (axes[i] < 0 ? axes[i] + rank : axes[i]);
      long before = pads[i];
      long after = pads[i + axes.length];
      long extent = x.shape().dim(axis).extent();
      if (!mode.equals("constant") && (before > 0 || after > 0)) {
        gradient = folded(b.ops(), gradient, axis, extent, before, after, mode);
      } else if (before != 0 || after != 0) {
        gradient = unpadded(b.ops(), gradient, axis, extent, before, after);
      }
    }
    return Backward.of(gradient);
  }

  /** Without what was added; with zeros where something was taken away. */
  private static Value unpadded(
      Ops o, Value gradient, int axis, long extent, long before, long after) {
    long from = Math.max(0, before);
    long kept = extent + Math.min(0, before) + Math.min(0, after);
    Value inner = before > 0 || after > 0 ? o.slice(gradient, axis, from, from + kept) : gradient;
    return before < 0 || after < 0
        ? o.pad(inner, axis, Math.max(0, -before), Math.max(0, -after))
        : inner;
  }

  /** Every place of the padded axis repeats one of the axis: their gradients are summed. */
  private static Value folded(
      Ops o, Value gradient, int axis, long extent, long before, long after, String mode) {
    long[] sources = new long[(int) (before + extent + after)];
    long period = Math.max(1, 2 * (extent - 1));
    for (int i = 0; i < sources.length; i++) {
      long place = i - before;
      long turned = Math.floorMod(place, period);
      sources[i] =
          switch (mode) {
            case "edge" -> Math.max(0, Math.min(extent - 1, place));
            case "wrap" -> Math.floorMod(place, extent);
            case "reflect" -> turned < extent ? turned : period - turned;
            default -> throw new IrException("pad mode '" + mode + "' is not known");
          };
    }
    return BackwardRules.gatherGradient(o, gradient, o.ints(sources), axis, extent);
  }

  static List<Optional<Value>> tile(Backward b, Node node, List<Optional<Value>> dy) {
    long[] repeats = BackwardRules.constant(b, node, 1);
    long[] extents = node.input(0).shape().extents();
    long[] taken = new long[2 * repeats.length];
    long[] axes = new long[repeats.length];
    for (int axis = 0; axis < repeats.length; axis++) {
      taken[2 * axis] = repeats[axis];
      taken[2 * axis + 1] = extents[axis];
      axes[axis] = 2L * axis;
    }
    return Backward.of(b.ops().reduceSum(b.ops().reshape(BackwardRules.only(dy), taken), axes));
  }

  /** Operators that leave elements out, or exchange them, by place alone. */
  static List<Optional<Value>> itself(Backward b, Node node, List<Optional<Value>> dy) {
    List<Optional<Value>> operands = new ArrayList<>(node.inputs());
    operands.set(0, Optional.of(BackwardRules.only(dy)));
    return Backward.of(
        b.ops().editor().add(node.op(), node.op().name(), node.attributes(), operands, 1).get(0));
  }

  static List<Optional<Value>> depthToSpace(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    long block = node.attributes().intValue("blocksize", 1);
    Value gradient = BackwardRules.only(dy);
    if (node.attributes().stringValue("mode", "DCR").equals("DCR")) {
      return Backward.of(o.onnx("SpaceToDepth", Attributes.of("blocksize", block), gradient));
    }
    long[] extents = node.input(0).shape().extents();
    Value parts =
        o.reshape(
            gradient,
            extents[0],
            extents[1] / (block * block),
            extents[2],
            block,
            extents[3],
            block);
    return Backward.of(o.reshapeLike(o.transpose(parts, 0, 1, 3, 5, 2, 4), node.input(0)));
  }

  static List<Optional<Value>> spaceToDepth(Backward b, Node node, List<Optional<Value>> dy) {
    return Backward.of(
        b.ops()
            .onnx(
                "DepthToSpace",
                Attributes.of("blocksize", node.attributes().intValue("blocksize", 1)),
                BackwardRules.only(dy)));
  }

  // ---- By indices

  /**
   * Rows of a table of as many axes as an index has numbers; a batch has tables of its own. Summed
   * by the number of the row and not by {@code ScatterND}, whose sums are not safe everywhere.
   */
  static List<Optional<Value>> gatherNd(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Value table = node.input(0);
    Value indices = o.cast(node.input(1), ElementType.INT64);
    int batch = (int) node.attributes().intValue("batch_dims", 0);
    long[] extents = table.shape().extents();
    int numbers = (int) indices.shape().dim(-1).extent();
    long[] strides = new long[numbers];
    long[] sizes = Arrays.copyOfRange(extents, batch, batch + numbers);
    long rows = 1;
    for (int i = numbers - 1; i >= 0; i--) {
      strides[i] = rows;
      rows *= sizes[i];
    }
    Value fromFront =
        o.where(
            o.onnx("Less", indices, o.scalar(indices.elementType(), 0)),
            o.add(indices, o.ints(sizes)),
            indices);
    int last = indices.shape().rank() - 1;
    Value row = o.reduceSum(o.mul(fromFront, o.ints(strides)), last);
    long batches = 1;
    for (int i = 0; i < batch; i++) {
      batches *= extents[i];
    }
    if (batch > 0) {
      Value flat = o.reshape(row, batches, -1);
      long rowCount = rows;
      long[] offsets = new long[(int) batches];
      Arrays.setAll(offsets, i -> i * rowCount);
      row = o.add(flat, o.reshape(o.ints(offsets), batches, 1));
    }
    long width = 1;
    for (int i = batch + numbers; i < extents.length; i++) {
      width *= extents[i];
    }
    Value summed =
        o.own(
                "EmbeddingGrad",
                Attributes.of("rows", batches * rows),
                1,
                o.reshape(row, -1),
                o.reshape(BackwardRules.only(dy), -1, width))
            .get(0);
    return Backward.of(o.reshapeLike(summed, table));
  }

  private static boolean adds(Node node) {
    String reduction = node.attributes().stringValue("reduction", "none");
    if (!reduction.equals("none") && !reduction.equals("add")) {
      throw new IrException(node + ": reduction '" + reduction + "' is not differentiated");
    }
    return reduction.equals("add");
  }

  /** What is overwritten has no influence; no place may be written twice. */
  static List<Optional<Value>> scatterElements(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Attributes axis = Attributes.of("axis", node.attributes().intValue("axis", 0));
    Value gradient = BackwardRules.only(dy);
    Value data =
        adds(node)
            ? gradient
            : o.onnx(
                "ScatterElements",
                axis,
                gradient,
                node.input(1),
                BackwardRules.zerosLike(b, node.input(2)));
    return List.of(
        Optional.of(data),
        Optional.empty(),
        Optional.of(o.onnx("GatherElements", axis, gradient, node.input(1))));
  }

  static List<Optional<Value>> scatterNd(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Value gradient = BackwardRules.only(dy);
    Value data =
        adds(node)
            ? gradient
            : o.onnx(
                "ScatterND", gradient, node.input(1), BackwardRules.zerosLike(b, node.input(2)));
    return List.of(
        Optional.of(data),
        Optional.empty(),
        Optional.of(o.onnx("GatherND", gradient, node.input(1))));
  }

  /** The two values that stand for off and on. */
  static List<Optional<Value>> oneHot(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    Value gradient = BackwardRules.only(dy);
    Value bits =
        o.editor()
            .add(
                node.op(),
                "OneHot",
                node.attributes(),
                List.of(
                    Optional.of(node.input(0)),
                    Optional.of(node.input(1)),
                    Optional.of(
                        o.editor()
                            .constant(
                                Tensor.ofDoubles(gradient.elementType(), Shape.of(2), 0, 1)))),
                1)
            .get(0);
    Value on = total(o, o.mul(gradient, bits));
    Value off = o.sub(total(o, gradient), on);
    return List.of(
        Optional.empty(),
        Optional.empty(),
        Optional.of(o.concat(0, o.reshape(off, 1), o.reshape(on, 1))));
  }

  private static Value total(Ops o, Value value) {
    return o.onnx("ReduceSum", Attributes.of("keepdims", 0), value);
  }

  /** Pools that keep where their largest elements are; windows may share them. */
  static List<Optional<Value>> maxPool(Backward b, Node node, List<Optional<Value>> dy) {
    Ops o = b.ops();
    if (node.attributes().intValue("storage_order", 0) != 0) {
      throw new IrException(node + ": indices in column-major order are not differentiated");
    }
    Value x = node.input(0);
    Value zeros = o.expand(o.scalar(x.elementType(), 0), o.ints(x.shape().elementCount()));
    Value scattered =
        o.onnx(
            "ScatterElements",
            Attributes.of("axis", 0).with("reduction", Attribute.of("add")),
            zeros,
            o.reshape(node.output(1), -1),
            o.reshape(BackwardRules.only(dy), -1));
    return Backward.of(o.reshapeLike(scattered, x));
  }
}
