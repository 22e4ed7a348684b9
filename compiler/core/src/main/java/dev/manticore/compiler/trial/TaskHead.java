package dev.manticore.compiler.trial;

import dev.manticore.compiler.hybrid.Initial;
import dev.manticore.compiler.task.Task;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.random.Draws;

/**
 * What a model says of a sequence, from its last hidden states: in place of the logits over the
 * next token where the task asks for something else. Parameters begin with {@code head.}.
 */
final class TaskHead {

  private static final float DEVIATION = 0.02f;
  private static final float EPSILON = 1e-5f;
  private static final double LONGEST_WAVE = 10_000;

  private final Task task;
  private final Ops ops;
  private final Draws draws;
  private final int width;

  private TaskHead(Task task, GraphEditor editor, int width, long seed) {
    this.task = task;
    this.ops = new Ops(editor);
    this.draws = new Draws(seed);
    this.width = width;
  }

  /**
   * Puts the task's head on a model.
   *
   * @param graph a language model
   * @param hidden its hidden states after the final norm, [batch,length,width]
   * @return the graph with the output {@code logits} [batch,length,classes]; the graph itself where
   *     the next token is asked
   */
  static Graph attach(Graph graph, Value hidden, Task task, long seed) {
    if (task.kind() == Task.Kind.TOKENS) {
      return graph;
    }
    GraphEditor editor = graph.edit();
    int width = Math.toIntExact(hidden.shape().dim(-1).extent());
    TaskHead head = new TaskHead(task, editor, width, seed);
    Value logits =
        task.kind() == Task.Kind.CLASS ? head.classify(hidden) : head.reconstruct(hidden);
    editor.clearOutputs();
    editor.output(head.ops.named("classes", logits));
    return editor.freezeLive();
  }

  /**
   * A linear layer without bias at every position, of which the task asks one (paper.md §2.10).
   * Pooling is the task's: it asks at the last token.
   */
  private Value classify(Value hidden) {
    return linear("head.classes", hidden, task.classes(), false);
  }

  /**
   * The decoder of an auto-encoder (paper.md §3.7): from the hidden state of the last token alone,
   * with sines and cosines of the position that is asked for.
   */
  private Value reconstruct(Value hidden) {
    Value pooled = ops.slice(hidden, 1, -1, Long.MAX_VALUE);
    Value x = ops.add(pooled, ops.editor().constant("positions", waves()));
    for (int layer = 0; layer < 2; layer++) {
      x = norm("head.norms." + layer, x);
      x = ops.onnx("Gelu", linear("head.layers." + layer, x, width, true));
    }
    return linear("head.tokens", norm("head.norms.2", x), task.classes(), true);
  }

  /** [length,width]: half sines, half cosines, of waves from 1 to 10,000. */
  private Tensor waves() {
    int half = width / 2;
    float[] values = new float[task.longest() * width];
    for (int p = 0; p < task.longest(); p++) {
      for (int j = 0; j < half; j++) {
        double angle =
            p * StrictMath.exp(-j * StrictMath.log(LONGEST_WAVE) / Math.max(1, half - 1));
        values[p * width + j] = (float) StrictMath.sin(angle);
        values[p * width + half + j] = (float) StrictMath.cos(angle);
      }
    }
    return Tensor.ofFloats(Shape.of(task.longest(), width), values);
  }

  private Value norm(String name, Value x) {
    Value scale = ops.editor().parameter(name + ".weight", Initial.constant(1, width));
    return ops.onnx(
        "RMSNormalization",
        Attributes.of("axis", -1).with("epsilon", Attribute.of(EPSILON)),
        x,
        scale);
  }

  private Value linear(String name, Value x, int outputs, boolean bias) {
    Value weight =
        ops.editor()
            .parameter(
                name + ".weight",
                Initial.normal(draws, DEVIATION, outputs, x.shape().dim(-1).extent()));
    Value product = ops.matMul(x, ops.transpose(weight, 1, 0));
    return bias
        ? ops.add(product, ops.editor().parameter(name + ".bias", Initial.constant(0, outputs)))
        : product;
  }
}
