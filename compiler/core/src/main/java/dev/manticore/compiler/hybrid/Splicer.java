package dev.manticore.compiler.hybrid;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.hybrid.SpliceOptions.Gates;
import dev.manticore.compiler.hybrid.SpliceOptions.LayerRange;
import dev.manticore.compiler.hybrid.SpliceOptions.ProjectorInitialisation;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Origin;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.random.Draws;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Splices K components into a hybrid, by the equations of the paper (§2.1, §2.2): K parallel blocks
 * between mixtures, each block with a gated projector before and behind it; the first mixture
 * weights mix embeddings and heads too. The common width is the largest one. The first block of a
 * component adds its positions, the last one holds its final norm. A block may mix some of the
 * components only; with one alone, nothing is mixed there.
 */
public final class Splicer {

  /** The logit of a gate of its own before training: a gate of 0.95, nearly the skip path. */
  private static final float OPEN_GATE = 3;

  private static final float FRESH_DEVIATION = 0.02f;

  private final List<Component> components;
  private final SpliceOptions options;
  private final ImmutableList<ImmutableList<Integer>> mixed;
  private final int width;

  /** Of the blocks that mix several components. */
  private final Map<Integer, Value> weights = new LinkedHashMap<>();

  private final GraphEditor editor = new GraphEditor("hybrid");
  private final Ops ops = new Ops(editor);
  private final Draws draws;

  private Splicer(List<Component> components, SpliceOptions options) {
    this.components = components;
    this.options = options;
    this.mixed = mixed(components.size(), options);
    int widest = components.stream().mapToInt(Component::width).max().orElseThrow();
    this.width = options.width() == 0 ? widest : options.width();
    if (width < widest) {
      throw new ManticoreException(
          "MNT-SPLICE", "a hybrid of width " + width + " has no room for one of " + widest);
    }
    this.draws = new Draws(options.seed());
  }

  /**
   * @throws ManticoreException if the options do not fit the components
   */
  public static Hybrid splice(List<Component> components, SpliceOptions options) {
    if (components.size() < 2 && options.mixed().isEmpty()) {
      throw new ManticoreException(
          "MNT-SPLICE", "a hybrid needs at least two components, not " + components.size());
    }
    return new Splicer(components, options).splice();
  }

  /** What each block mixes, written out. */
  private static ImmutableList<ImmutableList<Integer>> mixed(
      int components, SpliceOptions options) {
    ImmutableList<Integer> all =
        IntStream.range(0, components).boxed().collect(ImmutableList.toImmutableList());
    if (options.mixed().isEmpty()) {
      return IntStream.range(0, options.blocks())
          .mapToObj(block -> all)
          .collect(ImmutableList.toImmutableList());
    }
    boolean fits =
        options.mixed().size() == options.blocks()
            && options.mixed().stream()
                .allMatch(
                    block ->
                        !block.isEmpty()
                            && block.equals(all.stream().filter(block::contains).toList()));
    if (!fits
        || !all.stream().allMatch(k -> options.mixed().stream().anyMatch(b -> b.contains(k)))) {
      throw new ManticoreException(
          "MNT-SPLICE",
          options.mixed()
              + " does not say which of "
              + components
              + " components each of "
              + options.blocks()
              + " blocks mixes: each block needs one at least, each component a block, in order");
    }
    return options.mixed();
  }

  private Hybrid splice() {
    List<List<LayerRange>> cuts = cuts();
    Value ids =
        editor.input(
            "input_ids",
            new TensorType(ElementType.INT64, Shape.of(Dim.of("batch"), Dim.of("length"))));
    for (int i = 0; i < options.blocks(); i++) {
      if (mixed.get(i).size() > 1) {
        Value logits = editor.parameter(Hybrid.alpha(i), Initial.constant(0, mixed.get(i).size()));
        weights.put(i, ops.named("mixture_weights." + i, ops.softmax(logits, 0)));
      }
    }
    List<Region> regions = new ArrayList<>();
    Map<Integer, Value> tables = new LinkedHashMap<>();
    List<Value> embedded = new ArrayList<>();
    for (int k = 0; k < components.size(); k++) {
      Component component = components.get(k);
      regions.add(
          new Region(
              component,
              editor,
              Hybrid.component(k),
              ids,
              (value, tensor) -> withoutPaddedRows(component, value, tensor)));
      if (!mixed.get(0).contains(k)) {
        continue;
      }
      if (options.embeddings() == Embeddings.FRESH) {
        tables.put(
            k,
            editor.parameter(
                Hybrid.table(k),
                Initial.normal(draws, FRESH_DEVIATION, options.vocabulary(), component.width())));
        embedded.add(ops.gather(tables.get(k), ids, 0));
      } else {
        embedded.add(regions.get(k).copy(component.embedding()));
      }
    }
    editor.withOrigin(Origin.NONE);
    List<Value> hidden = new ArrayList<>();
    hidden.add(ops.named("hidden_states.0", widened(mix(0, embedded))));
    for (int i = 0; i < options.blocks(); i++) {
      Value h = hidden.get(i);
      List<Value> parts = new ArrayList<>();
      for (int k : mixed.get(i)) {
        parts.add(branch(i, k, cuts.get(k).get(i), regions.get(k), h));
      }
      hidden.add(ops.named("hidden_states." + (i + 1), mix(i, parts)));
    }
    List<Value> heads = new ArrayList<>();
    for (int k : mixed.get(0)) {
      Component component = components.get(k);
      Value read = narrowed(hidden.get(options.blocks()), component.width());
      heads.add(
          options.embeddings() == Embeddings.FRESH
              ? ops.matMul(read, ops.transpose(tables.get(k), 1, 0))
              : regions.get(k).copy(component.normed(), read, component.logits()));
      editor.withOrigin(Origin.NONE);
    }
    editor.output(ops.named("logits", mix(0, heads)));
    Graph graph = editor.freezeLive();
    return new Hybrid(
        graph,
        ImmutableList.copyOf(components),
        options.withPartition(cuts).withMixed(mixed, width),
        // Positions are added in a component's first block.
        mixed.get(0).stream()
            .flatMapToLong(k -> components.get(k).maxLength().stream())
            .min()
            .orElse(0),
        ImmutableList.copyOf(hidden),
        ImmutableMap.copyOf(weights));
  }

  private List<List<LayerRange>> cuts() {
    List<List<LayerRange>> cuts = new ArrayList<>();
    for (int k = 0; k < components.size(); k++) {
      Component component = components.get(k);
      int layers = component.layers().size();
      List<LayerRange> ranges;
      if (options.partition().isEmpty()) {
        if (options.blocks() > layers) {
          throw new ManticoreException(
              "MNT-SPLICE",
              "component '"
                  + component.name()
                  + "' has "
                  + layers
                  + " layers, which cannot be cut into "
                  + options.blocks()
                  + " blocks: set splice.blocks to at most "
                  + layers);
        }
        ranges = SpliceOptions.evenCut(layers, options.blocks());
      } else {
        if (options.partition().size() != components.size()) {
          throw new ManticoreException(
              "MNT-SPLICE",
              "the partition names "
                  + options.partition().size()
                  + " components, but there are "
                  + components.size());
        }
        ranges = options.partition().get(k);
        SpliceOptions.check(component.name(), ranges, layers, options.blocks());
      }
      cuts.add(ranges);
    }
    return cuts;
  }

  /** One component's block between its two projectors, if there are any. */
  private Value branch(int block, int k, LayerRange layers, Region region, Value h) {
    Component component = components.get(k);
    String at = "blocks." + block;
    boolean projected = options.isProjected(mixed.get(block).size());
    Optional<Value> tied = Optional.empty();
    if (projected && options.gates() == Gates.TIED) {
      int place = mixed.get(block).indexOf(k);
      tied = Optional.of(ops.slice(weights.get(block), 0, place, place + 1));
    }
    Value in =
        projected
            ? projector(
                at + ".in." + k, component.width(), width, gate(at + ".gate_in." + k, tied), h)
            : narrowed(h, component.width());
    boolean last = layers.to() == component.layers().size();
    Value from =
        layers.from() == 0 ? component.embedding() : component.layers().get(layers.from() - 1);
    Value to = last ? component.normed() : component.layers().get(layers.to() - 1);
    Value y = region.copy(from, in, to);
    editor.withOrigin(Origin.NONE);
    return projected
        ? projector(
            at + ".out." + k, width, component.width(), gate(at + ".gate_out." + k, tied), y)
        : widened(y);
  }

  private Value narrowed(Value h, int wanted) {
    return wanted == width ? h : ops.slice(h, -1, 0, wanted);
  }

  private Value widened(Value y) {
    long missing = width - y.shape().dim(-1).extent();
    return missing == 0 ? y : ops.pad(y, -1, 0, missing);
  }

  private Value gate(String name, Optional<Value> tied) {
    return tied.orElseGet(
        () -> ops.sigmoid(editor.parameter(name, Initial.constant(OPEN_GATE, 1))));
  }

  private Value projector(String name, int outWidth, int inWidth, Value gate, Value x) {
    boolean identity = options.projectors() == ProjectorInitialisation.IDENTITY;
    double bound = 1 / Math.sqrt(inWidth);
    Value weight =
        editor.parameter(
            name + ".weight",
            identity
                ? Initial.identity(outWidth, inWidth)
                : Initial.uniform(draws, bound, outWidth, inWidth));
    Value bias =
        editor.parameter(
            name + ".bias",
            identity ? Initial.constant(0, outWidth) : Initial.uniform(draws, bound, outWidth));
    return ops.own("Projector", Attributes.NONE, 1, x, weight, bias, gate).get(0);
  }

  private Value mix(int block, List<Value> parts) {
    if (parts.size() == 1) {
      return parts.get(0);
    }
    List<Value> operands = new ArrayList<>(List.of(weights.get(block)));
    operands.addAll(parts);
    return ops.own("Mixture", Attributes.NONE, 1, operands.toArray(Value[]::new)).get(0);
  }

  /**
   * With pretrained tables the vocabulary is the tokenizer's ids: rows that only pad a table are
   * dropped.
   *
   * @throws ManticoreException if a table has fewer rows than the tokenizer has ids
   */
  private Tensor withoutPaddedRows(Component component, Value parameter, Tensor tensor) {
    int rows = component.vocabulary();
    if (options.embeddings() == Embeddings.FRESH || !component.isVocabularyTable(parameter)) {
      return tensor;
    }
    if (rows < options.vocabulary()) {
      throw new ManticoreException(
          "MNT-VOCABULARY",
          "the tokenizer does not fit the vocabulary of component '"
              + component.name()
              + "': it has "
              + options.vocabulary()
              + " ids, but '"
              + parameter.name()
              + "' has only "
              + rows
              + " rows; use the tokenizer that the component was trained with");
    }
    return Tables.truncate(tensor, rows, options.vocabulary());
  }
}
