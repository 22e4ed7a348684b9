package dev.manticore.compiler.hybrid;

import static com.google.common.base.Preconditions.checkArgument;

import dev.manticore.compiler.component.Component;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.Origin;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.build.Ops;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** The logit ensemble: whole models side by side, of whose logits the mean is taken. */
public final class Ensemble {

  private Ensemble() {}

  /**
   * A model that takes part.
   *
   * @param parameters values of its parameters, by name; those not named here are the model's own
   */
  public record Member(Component model, Map<String, Tensor> parameters) {
    int vocabulary() {
      return model.vocabulary();
    }
  }

  /**
   * One model of several, in which all have equal weights.
   *
   * @param members ids mean the same to all of them; of logits of ids that not all have, which only
   *     pad a vocabulary, there are none
   * @return input {@code input_ids} i64[batch,length], output {@code logits}
   *     f32[batch,length,vocabulary] of the smallest vocabulary; the parameters of member k are
   *     {@code components.k.*}
   */
  public static Graph of(List<Member> members) {
    checkArgument(!members.isEmpty(), "an ensemble of no models");
    GraphEditor editor = new GraphEditor("ensemble");
    Ops ops = new Ops(editor);
    Value ids =
        editor.input(
            "input_ids",
            new TensorType(ElementType.INT64, Shape.of(Dim.of("batch"), Dim.of("length"))));
    int common = members.stream().mapToInt(Member::vocabulary).min().orElseThrow();
    List<Value> logits = new ArrayList<>();
    for (int k = 0; k < members.size(); k++) {
      Member member = members.get(k);
      Region region =
          new Region(
              member.model(),
              editor,
              Hybrid.component(k),
              ids,
              (value, tensor) -> member.parameters().getOrDefault(value.name(), tensor));
      Value own = region.copy(member.model().logits());
      editor.withOrigin(Origin.NONE);
      logits.add(member.vocabulary() == common ? own : ops.slice(own, -1, 0, common));
    }
    editor.output(ops.named("logits", ops.onnx("Mean", logits.toArray(Value[]::new))));
    return editor.freezeLive();
  }
}
