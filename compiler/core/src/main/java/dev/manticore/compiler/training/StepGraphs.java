package dev.manticore.compiler.training;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.lower.FuseAttention;
import dev.manticore.compiler.lower.FuseSilu;
import dev.manticore.compiler.lower.Simplify;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Origin;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.autodiff.Differentiate;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.lift.Lift;
import dev.manticore.ir.pass.FoldConstants;
import dev.manticore.ir.pass.PassPipeline;
import dev.manticore.ir.pass.Specialise;
import dev.manticore.ir.state.StateBinding;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Builds the graphs of a training run from a model: one step is one graph and one run. Every
 * parameter of the model is an input of these graphs under its own name; moments are {@code
 * m.<parameter>} and {@code v.<parameter>}, accumulated gradients {@code g.<parameter>}. Graphs are
 * specialised to one batch and length.
 *
 * <p>Inputs besides state: {@code input_ids} and {@code labels}, i64[batch,length], and for each
 * group {@code settings.<group>}, f32[7]: learning rate, beta1, beta2, epsilon, weight decay, 1 -
 * beta1^t, 1 - beta2^t. Outputs besides state: {@code loss}, f32[], the mean over the labels that
 * are not -100, and {@code norm.<group>}, f32[], before clipping.
 *
 * <p>Mixture weights that are searched are inputs, {@code mixture.<parameter>}, and the gradient of
 * the loss by them is an output, {@code gradient.<parameter>}, both f32[components].
 *
 * <p>Graphs that are run on one part of a step's sequences after another take {@code share}, f32[]:
 * the part's share of the labels that count, by which its gradients are multiplied. Its loss is
 * not.
 */
public final class StepGraphs {

  /** The output that is the mean loss, in nats a token. */
  static final String LOSS = "loss";

  /** The output that is the most probable class at each place. */
  static final String ANSWERS = "answers";

  /** The input that is the share of a part of a step. */
  static final String SHARE = "share";

  /** Elements of {@code settings.<group>}. */
  public static final int SETTINGS = 7;

  private static final int DECAY = 4;

  /**
   * Logits that are held at a time, 256 MiB: of half as many a step is a tenth slower at a width of
   * 256, since the gradient of the head's weight is then added up in more pieces.
   */
  private static final long HELD_LOGITS = 64L << 20;

  /** Logits, log-probabilities and their gradient, which a step holds that makes them in turn. */
  private static final int COPIES = 3;

  private final Graph forward;
  private final ImmutableList<String> mixtures;
  private final long heldLogits;

  private StepGraphs(Graph forward, ImmutableList<String> mixtures, long heldLogits) {
    this.forward = forward;
    this.mixtures = mixtures;
    this.heldLogits = heldLogits;
  }

  /**
   * A graph with state that it updates in place.
   *
   * @param bindings which output overwrites which input
   */
  public record Step(Graph graph, ImmutableList<StateBinding> bindings) {}

  /**
   * Prepares a model with input {@code input_ids} [batch,length] and output {@code logits}.
   *
   * @param batch sequences in a step
   * @param length tokens in a sequence
   * @throws dev.manticore.ir.ManticoreException {@code MNT-LIFT}, naming the node, if the model is
   *     of another opset and cannot be lifted
   */
  public static StepGraphs of(Graph model, int batch, int length) {
    return of(model, batch, length, ImmutableList.of());
  }

  /**
   * The same, for mixture weights that are searched.
   *
   * @param mixtures parameters whose softmax they are
   */
  public static StepGraphs of(Graph model, int batch, int length, ImmutableList<String> mixtures) {
    Value ids = model.inputs().get(0);
    Map<String, Long> extents = new LinkedHashMap<>();
    bind(extents, ids.shape().dim(0), batch);
    bind(extents, ids.shape().dim(1), length);
    Graph specialised =
        PassPipeline.of(
                new Lift(),
                Specialise.of(extents),
                Differentiate.preparation(),
                FuseSilu.pass(),
                // Before masks are folded into tables of the length squared; and after, for
                // attention
                // that shows only then.
                new FuseAttention(),
                new FoldConstants(),
                new Simplify(),
                new FuseAttention())
            .run(withInputs(model, mixtures));
    return new StepGraphs(specialised, mixtures, HELD_LOGITS);
  }

  /** The same, of which steps hold no more logits than this at a time. */
  public StepGraphs holding(long logits) {
    return new StepGraphs(forward, mixtures, logits);
  }

  /** The softmax of each of these parameters becomes an input. */
  private static Graph withInputs(Graph model, List<String> mixtures) {
    if (mixtures.isEmpty()) {
      return model;
    }
    GraphEditor editor = model.edit();
    Map<Value, Value> replaced = new LinkedHashMap<>();
    for (String name : mixtures) {
      Value weights =
          model.nodes().stream()
              .filter(node -> node.op().isOnnx("Softmax"))
              .filter(node -> node.input(0).name().equals(name))
              .map(Node::output)
              .findFirst()
              .orElseThrow(() -> new IrException("nothing is the softmax of '" + name + "'"));
      replaced.put(weights, editor.input(mixture(name), weights.type()));
    }
    editor.replaceUses(replaced);
    return editor.freezeLive();
  }

  static String mixture(String parameter) {
    return "mixture." + parameter;
  }

  static String gradient(String parameter) {
    return "gradient." + parameter;
  }

  private static void bind(Map<String, Long> extents, Dim dim, long extent) {
    if (dim instanceof Dim.Symbolic symbolic) {
      extents.put(symbolic.name(), extent);
    } else if (!dim.equals(Dim.of(extent))) {
      throw new IrException("the model takes " + dim + " where " + extent + " is wanted");
    }
  }

  /** The loss alone, for evaluation; no state is written. */
  public Graph evaluation() {
    GraphEditor editor = editor();
    Value loss = loss(editor, ImmutableList.of());
    editor.clearOutputs();
    editor.output(loss);
    return asInputs(editor.freezeLive());
  }

  /** The loss and, as {@code answers} i64[batch,length], the most probable class at each place. */
  public Graph answers() {
    GraphEditor editor = editor();
    Ops ops = new Ops(editor);
    Value loss = loss(editor, ImmutableList.of());
    Value answers =
        ops.onnx("ArgMax", Attributes.of("axis", -1).with("keepdims", 0), forward.outputs().get(0));
    editor.clearOutputs();
    editor.output(loss);
    editor.output(ops.named(ANSWERS, answers));
    return asInputs(editor.freezeLive());
  }

  /** The logits alone, of this batch and length. */
  public Graph logits() {
    return asInputs(editor().freezeLive());
  }

  /**
   * One whole step: forward, backward, clip, AdamW.
   *
   * @param clip the largest norm of a group's gradient; 0 for no limit
   */
  public Step step(List<ParameterGroup> groups, float clip) {
    GraphEditor editor = editor();
    Value loss = loss(editor, groups);
    Map<String, Value> parameters = parameters(editor, groups);
    ImmutableMap<Value, Value> gradients = gradients(editor, loss, loss, parameters.values());
    ImmutableList<StateBinding> bindings = update(editor, groups, gradients, clip);
    return new Step(asInputs(editor.freezeLive()), bindings);
  }

  /** The loss of a part, and its share of the gradient by the mixture weights. */
  public Graph mixtureGradient() {
    GraphEditor editor = editor();
    Value loss = loss(editor, ImmutableList.of());
    gradients(editor, loss, share(editor, loss), List.of());
    return asInputs(editor.freezeLive());
  }

  private static Value share(GraphEditor editor, Value loss) {
    return new Ops(editor).mul(loss, editor.input(SHARE, loss.type()));
  }

  /**
   * Gradients of {@code of} by parameters and by mixture weights; outputs are the loss and the
   * latter.
   */
  private ImmutableMap<Value, Value> gradients(
      GraphEditor editor, Value loss, Value of, Collection<Value> parameters) {
    Set<Value> wanted = new LinkedHashSet<>(parameters);
    Map<String, Value> weights = new LinkedHashMap<>();
    for (String name : mixtures) {
      Value input =
          forward.inputs().stream()
              .filter(value -> value.name().equals(mixture(name)))
              .findFirst()
              .orElseThrow();
      weights.put(name, input);
      wanted.add(input);
    }
    ImmutableMap<Value, Value> gradients = Differentiate.gradients(editor, of, wanted);
    editor.clearOutputs();
    editor.output(loss);
    Ops ops = new Ops(editor);
    weights.forEach(
        (name, input) -> editor.output(ops.named(gradient(name), gradients.get(input))));
    return gradients;
  }

  /** Forward and backward of a part; its share of gradients is added to {@code g.<parameter>}. */
  public Step accumulate(List<ParameterGroup> groups) {
    GraphEditor editor = editor();
    Ops ops = new Ops(editor);
    Value loss = loss(editor, groups);
    Map<String, Value> parameters = parameters(editor, groups);
    ImmutableMap<Value, Value> gradients =
        gradients(editor, loss, share(editor, loss), parameters.values());
    ImmutableList.Builder<StateBinding> bindings = ImmutableList.builder();
    parameters.forEach(
        (name, parameter) -> {
          Value sum = editor.input("g." + name, parameter.type());
          Value next = ops.named("g." + name + ".next", ops.add(sum, gradients.get(parameter)));
          editor.output(next);
          bindings.add(new StateBinding(sum.name(), next.name()));
        });
    return new Step(asInputs(editor.freezeLive()), bindings.build());
  }

  /**
   * Clip and AdamW on accumulated gradients.
   *
   * @param types the parameters' types by name
   */
  public static Step apply(Map<String, TensorType> types, List<ParameterGroup> groups, float clip) {
    GraphEditor editor = new GraphEditor("apply");
    ImmutableMap.Builder<Value, Value> gradients = ImmutableMap.builder();
    for (ParameterGroup group : groups) {
      for (String name : group.parameters()) {
        Value parameter = editor.input(name, types.get(name));
        gradients.put(parameter, editor.input("g." + name, types.get(name)));
      }
    }
    ImmutableList<StateBinding> bindings = update(editor, groups, gradients.buildOrThrow(), clip);
    return new Step(editor.freezeLive(), bindings);
  }

  /**
   * Adds {@code shift} f32[] times the accumulated gradients to the parameters.
   *
   * @param types the parameters' types by name
   */
  public static Step shift(Map<String, TensorType> types, List<ParameterGroup> groups) {
    GraphEditor editor = new GraphEditor("shift");
    Ops ops = new Ops(editor);
    Value factor = editor.input("shift", TensorType.of(ElementType.FLOAT32));
    ImmutableList.Builder<StateBinding> bindings = ImmutableList.builder();
    for (ParameterGroup group : groups) {
      for (String name : group.parameters()) {
        Value parameter = editor.input(name, types.get(name));
        Value sum = editor.input("g." + name, types.get(name));
        Value next = ops.named(name + ".next", ops.add(parameter, ops.mul(sum, factor)));
        editor.output(next);
        bindings.add(new StateBinding(name, next.name()));
      }
    }
    return new Step(editor.freezeLive(), bindings.build());
  }

  private GraphEditor editor() {
    return forward.edit();
  }

  /**
   * The mean cross-entropy of the logits. Where they are many, and the product of trained weights,
   * one operator makes the loss and the gradients of them, which holds some of them at a time.
   */
  private Value loss(GraphEditor editor, List<ParameterGroup> groups) {
    Ops ops = new Ops(editor);
    Value logits = forward.outputs().get(0);
    Value labels =
        editor.input(
            "labels",
            new TensorType(
                ElementType.INT64, Shape.of(logits.shape().dim(0), logits.shape().dim(1))));
    Optional<ImmutableList<LinearHead>> heads =
        COPIES * logits.shape().elementCount() > heldLogits
            ? LinearHead.of(forward, logits)
            : Optional.empty();
    Value loss =
        heads
            .filter(all -> all.stream().allMatch(head -> isTrained(head.weight(), groups)))
            .map(
                all ->
                    LinearHead.crossEntropy(
                        ops, all, labels, heldLogits / logits.shape().dim(-1).extent()))
            .orElseGet(() -> ops.own("CrossEntropy", Attributes.NONE, 2, logits, labels).get(0));
    return ops.named(LOSS, loss);
  }

  private boolean isTrained(Value weight, List<ParameterGroup> groups) {
    return forward.parameters().containsKey(weight)
        && groups.stream().anyMatch(group -> group.parameters().contains(weight.name()));
  }

  private Map<String, Value> parameters(GraphEditor editor, List<ParameterGroup> groups) {
    Map<String, Value> parameters = new LinkedHashMap<>();
    for (ParameterGroup group : groups) {
      for (String name : group.parameters()) {
        Value parameter =
            forward
                .parameter(name)
                .orElseThrow(() -> new IrException(forward + " has no parameter '" + name + "'"));
        parameters.put(name, parameter);
      }
    }
    return parameters;
  }

  /** Parameters become inputs, under their names; those that are not read any more go. */
  private static Graph asInputs(Graph graph) {
    Set<Value> read = new LinkedHashSet<>();
    graph.nodes().forEach(node -> read.addAll(node.reads()));
    GraphEditor editor = graph.edit();
    for (Value parameter : graph.parameters().keySet()) {
      editor.parameterToInput(parameter);
      if (!read.contains(parameter)) {
        editor.removeInput(parameter);
      }
    }
    return editor.freeze();
  }

  private static ImmutableList<StateBinding> update(
      GraphEditor editor,
      List<ParameterGroup> groups,
      ImmutableMap<Value, Value> gradients,
      float clip) {
    Ops ops = new Ops(editor);
    Map<String, Value> byName = new LinkedHashMap<>();
    gradients.keySet().forEach(parameter -> byName.put(parameter.name(), parameter));
    List<Value> squares = new ArrayList<>();
    Set<String> byGroup = new LinkedHashSet<>();
    groups.forEach(group -> byGroup.addAll(group.parameters()));
    for (ParameterGroup group : groups) {
      List<Value> parts = new ArrayList<>();
      for (String name : group.parameters()) {
        Value gradient = gradients.get(byName.get(name));
        parts.add(ops.onnx("ReduceSumSquare", Attributes.of("keepdims", 0), gradient));
      }
      squares.add(parts.size() == 1 ? parts.get(0) : ops.onnx("Sum", parts.toArray(Value[]::new)));
    }
    // No group may be written before another has read it, so that all updates wait for all norms,
    // and for what else reads parameters: min(0, sum) is 0.
    List<Value> awaited = new ArrayList<>(squares);
    gradients.forEach(
        (value, gradient) -> {
          if (!byGroup.contains(value.name())) {
            awaited.add(ops.onnx("ReduceSumSquare", Attributes.of("keepdims", 0), gradient));
          }
        });
    Value all =
        awaited.size() == 1 ? awaited.get(0) : ops.onnx("Sum", awaited.toArray(Value[]::new));
    Value after = ops.onnx("Min", all, ops.scalar(ElementType.FLOAT32, 0));
    ImmutableList.Builder<StateBinding> bindings = ImmutableList.builder();
    for (int i = 0; i < groups.size(); i++) {
      ParameterGroup group = groups.get(i);
      Value norm = ops.named("norm." + group.name(), ops.sqrt(squares.get(i)));
      editor.output(norm);
      Value one = ops.scalar(ElementType.FLOAT32, 1);
      Value scale =
          clip == 0
              ? one
              : ops.onnx(
                  "Min", one, ops.div(ops.scalar(ElementType.FLOAT32, clip), ops.add(norm, 1e-6)));
      Value settings =
          editor.input("settings." + group.name(), TensorType.of(ElementType.FLOAT32, SETTINGS));
      Value ordered = ops.reshape(ops.add(scale, after), 1);
      Value decayed = ops.concat(0, settings, ordered);
      Value plain = ops.concat(0, ops.mul(settings, withoutDecay(editor)), ordered);
      for (String name : group.parameters()) {
        Value parameter = byName.get(name);
        Value first = editor.input("m." + name, parameter.type());
        Value second = editor.input("v." + name, parameter.type());
        List<Value> next =
            adamW(
                editor,
                parameter,
                first,
                second,
                gradients.get(parameter),
                group.decayed().contains(name) ? decayed : plain);
        List<Value> before = List.of(parameter, first, second);
        for (int j = 0; j < 3; j++) {
          editor.output(next.get(j));
          bindings.add(new StateBinding(before.get(j).name(), next.get(j).name()));
        }
      }
    }
    return bindings.build();
  }

  private static Value withoutDecay(GraphEditor editor) {
    float[] mask = new float[SETTINGS];
    Arrays.fill(mask, 1);
    mask[DECAY] = 0;
    return editor.constant("without_decay", Tensor.ofFloats(Shape.of(SETTINGS), mask));
  }

  private static List<Value> adamW(
      GraphEditor editor,
      Value parameter,
      Value first,
      Value second,
      Value gradient,
      Value settings) {
    List<Value> outputs = new ArrayList<>();
    for (Value state : List.of(parameter, first, second)) {
      outputs.add(new Value(editor.freshName(state.name() + ".next"), state.type()));
    }
    editor.addNode(
        new Node(
            OpId.manticore("AdamW"),
            "update/" + parameter.name(),
            Attributes.NONE,
            ImmutableList.of(
                Optional.of(parameter),
                Optional.of(first),
                Optional.of(second),
                Optional.of(gradient),
                Optional.of(settings)),
            outputs.stream().map(Optional::of).collect(ImmutableList.toImmutableList()),
            Origin.NONE));
    return outputs;
  }
}
