package dev.manticore.compiler.memory;

import dev.manticore.ir.Attributes;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.autodiff.Differentiate;
import dev.manticore.ir.build.Ops;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/** Steps of few nodes: random networks with skips, a loss, and the gradients of their weights. */
final class SmallSteps {

  private SmallSteps() {}

  /**
   * @param layers products of matrices, each with an activation after it
   */
  static Graph random(int layers, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    GraphEditor editor = new GraphEditor("step");
    Ops ops = new Ops(editor);
    int rows = 64;
    int width = 32 << random.nextInt(3);
    Value now = editor.input("x", TensorType.of(ElementType.FLOAT32, rows, width));
    List<Value> weights = new ArrayList<>();
    List<Value> earlier = new ArrayList<>(List.of(now));
    for (int layer = 0; layer < layers; layer++) {
      int next = 32 << random.nextInt(3);
      Value weight = editor.input("w" + layer, TensorType.of(ElementType.FLOAT32, width, next));
      weights.add(weight);
      now = ops.onnx("MatMul", now, weight);
      now = ops.onnx(List.of("Tanh", "Sigmoid", "Exp").get(random.nextInt(3)), now);
      for (Value before : earlier) {
        if (before.shape().equals(now.shape()) && random.nextInt(2) == 0) {
          now = ops.add(now, before);
          break;
        }
      }
      earlier.add(now);
      width = next;
    }
    Value loss = ops.named("loss", ops.onnx("ReduceSumSquare", Attributes.of("keepdims", 0), now));
    var gradients = Differentiate.gradients(editor, loss, weights);
    editor.output(loss);
    weights.forEach(
        weight -> editor.output(ops.named("g." + weight.name(), gradients.get(weight))));
    return editor.freezeLive();
  }
}
