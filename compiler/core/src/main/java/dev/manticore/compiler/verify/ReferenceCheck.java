package dev.manticore.compiler.verify;

import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.autodiff.Differentiate;
import dev.manticore.ir.build.Ops;
import dev.manticore.ir.lift.Lift;
import dev.manticore.ir.pass.PassPipeline;
import dev.manticore.ir.pass.Specialise;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Runs a model through ONNX Runtime on the token ids of a reference and compares: logits, hidden
 * states, loss, and the gradient of every parameter that the reference has one for.
 */
public final class ReferenceCheck {

  /** Whether gradients are compared. */
  public enum Gradients {
    COMPARE,
    SKIP
  }

  private final Subject subject;
  private final ImmutableMap<String, Tensor> reference;
  private final Device device;

  /**
   * @param reference a safetensors file with {@code input_ids}, {@code logits}, {@code loss},
   *     {@code hidden_states.i}, {@code grad.<parameter>}
   */
  public ReferenceCheck(Subject subject, Path reference, Device device) {
    this.subject = subject;
    this.reference = SafetensorsFile.open(reference).tensors();
    this.device = device;
  }

  /**
   * @param details what each compared tensor is told to, a line each
   * @throws ManticoreException if the reference lacks a tensor, or shapes do not match
   */
  public Discrepancy run(Gradients gradients, Consumer<String> details) {
    Tensor ids = required("input_ids");
    Graph graph = graph(ids.shape().extents(), gradients);
    ImmutableMap<String, Tensor> outputs;
    try (ModelSession session =
        ModelSession.open(device, OnnxExporter.toBytes(graph), SessionConfig.defaults())) {
      Map<String, Tensor> inputs = new LinkedHashMap<>();
      inputs.put(graph.inputs().get(0).name(), cast(ids, graph.inputs().get(0)));
      if (session.inputs().containsKey("labels")) {
        inputs.put("labels", shifted(ids));
      }
      outputs = session.run(inputs);
    }
    double logits = maxAbs(outputs.get("compare.logits"), required("logits"), "logits");
    details.accept(line("logits", logits));
    double hidden = 0;
    for (String name : subject.inner().keySet()) {
      if (reference.containsKey(name)) {
        double difference = maxAbs(outputs.get("compare." + name), reference.get(name), name);
        details.accept(line(name, difference));
        hidden = Math.max(hidden, difference);
      }
    }
    double loss = Math.abs(loss(outputs, ids) - required("loss").toDoubles()[0]);
    details.accept(line("loss", loss));
    Double gradient = null;
    if (gradients == Gradients.COMPARE) {
      gradient = gradients(outputs, details);
    }
    boolean passed =
        logits <= Discrepancy.TOLERANCE
            && hidden <= Discrepancy.TOLERANCE
            && loss <= Discrepancy.LOSS_TOLERANCE
            && (gradient == null || gradient <= Discrepancy.TOLERANCE);
    return new Discrepancy(logits, hidden, loss, gradient, passed);
  }

  /** The mean next-token cross-entropy that the graph gives, or else that of its logits. */
  private static double loss(Map<String, Tensor> outputs, Tensor ids) {
    Tensor computed = outputs.get("compare.loss");
    if (computed != null) {
      return computed.toDoubles()[0];
    }
    Tensor logits = outputs.get("compare.logits");
    int vocabulary = Math.toIntExact(logits.shape().dim(-1).extent());
    double[] values = logits.toDoubles();
    long[] labels = shifted(ids).toLongs();
    double sum = 0;
    int counted = 0;
    for (int row = 0; row < labels.length; row++) {
      if (labels[row] >= 0) {
        double most = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < vocabulary; i++) {
          most = Math.max(most, values[row * vocabulary + i]);
        }
        double total = 0;
        for (int i = 0; i < vocabulary; i++) {
          total += Math.exp(values[row * vocabulary + i] - most);
        }
        sum += most + Math.log(total) - values[row * vocabulary + (int) labels[row]];
        counted++;
      }
    }
    return sum / counted;
  }

  private double gradients(Map<String, Tensor> outputs, Consumer<String> details) {
    double largest = 0;
    int compared = 0;
    for (Map.Entry<String, Tensor> entry : reference.entrySet()) {
      if (!entry.getKey().startsWith("grad.")) {
        continue;
      }
      Tensor computed = outputs.get(entry.getKey());
      if (computed == null) {
        throw new ManticoreException(
            "MNT-VERIFY",
            "the reference has '" + entry.getKey() + "', but the model has no such parameter");
      }
      double difference = relative(computed, entry.getValue(), entry.getKey());
      details.accept(line(entry.getKey(), difference));
      largest = Math.max(largest, difference);
      compared++;
    }
    if (compared == 0) {
      throw new ManticoreException("MNT-VERIFY", "the reference has no gradients to compare with");
    }
    return largest;
  }

  /** The model with all that is compared as outputs. */
  private Graph graph(long[] shape, Gradients gradients) {
    Lift.Result lifted = Lift.attempt(subject.graph());
    if (lifted.obstacle().isPresent() && gradients == Gradients.COMPARE) {
      throw new ManticoreException(
          "MNT-LIFT",
          lifted.obstacle().get()
              + "; only lifted graphs are differentiated: leave out --gradients, or export the model"
              + " with opset "
              + OpId.OPSET);
    }
    GraphEditor named = lifted.graph().edit();
    int opset = lifted.graph().opsets().getOrDefault(OpId.ONNX, OpId.OPSET);
    Value logits = lifted.graph().outputs().get(0);
    named.clearOutputs();
    rename(named, "compare.logits", logits, opset);
    subject
        .inner()
        .forEach(
            (name, value) -> {
              if (reference.containsKey(name)) {
                rename(named, "compare." + name, value, opset);
              }
            });
    if (lifted.obstacle().isPresent()) {
      // What cannot be lifted is run as it is.
      return named.freezeLive();
    }
    Map<String, Long> extents = new LinkedHashMap<>();
    List<Dim> dims = subject.graph().inputs().get(0).shape().dims();
    for (int axis = 0; axis < 2; axis++) {
      if (dims.get(axis) instanceof Dim.Symbolic symbol) {
        extents.put(symbol.name(), shape[axis]);
      }
    }
    Graph prepared =
        PassPipeline.of(Specialise.of(extents), Differentiate.preparation())
            .run(named.freezeLive());
    GraphEditor editor = prepared.edit();
    Ops ops = new Ops(editor);
    Value labels = editor.input("labels", TensorType.of(ElementType.INT64, shape));
    Value loss =
        ops.own("CrossEntropy", Attributes.NONE, 2, prepared.output("compare.logits"), labels)
            .get(0);
    rename(editor, "compare.loss", loss, OpId.OPSET);
    if (gradients == Gradients.COMPARE) {
      Map<String, Value> wanted = new LinkedHashMap<>();
      for (Value parameter : prepared.parameters().keySet()) {
        if (reference.containsKey("grad." + parameter.name())) {
          wanted.put(parameter.name(), parameter);
        }
      }
      Map<Value, Value> computed = Differentiate.gradients(editor, loss, wanted.values());
      wanted.forEach(
          (name, value) -> rename(editor, "grad." + name, computed.get(value), OpId.OPSET));
    }
    return Lowering.forDevice(editor.freezeLive(), device);
  }

  private static void rename(GraphEditor editor, String name, Value value, int opset) {
    Value output = new Value(editor.freshName(name), value.type());
    editor.addNode(
        Node.of(
            new OpId(OpId.ONNX, "Identity", opset),
            output.name(),
            Attributes.NONE,
            List.of(value),
            List.of(output)));
    editor.output(output);
  }

  private Tensor required(String name) {
    Tensor tensor = reference.get(name);
    if (tensor == null) {
      throw new ManticoreException("MNT-VERIFY", "the reference has no tensor '" + name + "'");
    }
    return tensor;
  }

  private static Tensor cast(Tensor ids, Value input) {
    return ids.elementType() == input.elementType()
        ? ids
        : Tensor.ofDoubles(input.elementType(), ids.shape(), ids.toDoubles());
  }

  /** The next token of each; none for the last. */
  private static Tensor shifted(Tensor ids) {
    long[] values = ids.toLongs();
    int length = Math.toIntExact(ids.shape().dim(1).extent());
    long[] labels = new long[values.length];
    for (int i = 0; i < labels.length; i++) {
      labels[i] = i % length == length - 1 ? -100 : values[i + 1];
    }
    return Tensor.ofLongs(ids.shape(), labels);
  }

  private static double maxAbs(Tensor computed, Tensor expected, String name) {
    double[] a = computed.toDoubles();
    double[] b = comparable(computed, expected, name);
    double largest = 0;
    for (int i = 0; i < a.length; i++) {
      double difference = Math.abs(a[i] - b[i]);
      largest = Double.isNaN(difference) ? Double.POSITIVE_INFINITY : Math.max(largest, difference);
    }
    return largest;
  }

  private static double relative(Tensor computed, Tensor expected, String name) {
    double[] a = computed.toDoubles();
    double[] b = comparable(computed, expected, name);
    double difference = 0;
    double norm = 0;
    for (int i = 0; i < a.length; i++) {
      difference += (a[i] - b[i]) * (a[i] - b[i]);
      norm += b[i] * b[i];
    }
    if (norm == 0) {
      return Math.sqrt(difference);
    }
    double relative = Math.sqrt(difference / norm);
    return Double.isNaN(relative) ? Double.POSITIVE_INFINITY : relative;
  }

  private static double[] comparable(Tensor computed, Tensor expected, String name) {
    Shape shape = expected.shape();
    if (!computed.shape().equals(shape)) {
      throw new ManticoreException(
          "MNT-VERIFY",
          "'"
              + name
              + "' is "
              + computed.shape()
              + " in the model but "
              + shape
              + " in the reference");
    }
    return expected.toDoubles();
  }

  private static String line(String name, double difference) {
    return String.format(Locale.ROOT, "%-60s %.3e", name, difference);
  }
}
