package dev.manticore.onnx.conformance;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.IrException;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.NotCoveredException;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.interpret.Interpreter;
import dev.manticore.ir.lift.Lift;
import dev.manticore.ir.op.Catalogue;
import dev.manticore.ir.op.NdArray;
import dev.manticore.ir.pass.PassPipeline;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** A model as the interpreter runs it. */
public final class Interpretation {

  private final Graph graph;

  private Interpretation(Graph graph) {
    this.graph = graph;
  }

  /**
   * The model, lifted to the operator set that the catalogue is of if it can be lifted.
   *
   * @throws NotCoveredException if an operator is not in the catalogue, or a value is not a tensor
   *     of numbers, which the interpreter does not compute with
   */
  public static Interpretation of(Graph graph) {
    return new Interpretation(lifted(unlifted(graph).graph));
  }

  /** The model in the operator set that it came with. */
  public static Interpretation unlifted(Graph graph) {
    Optional<String> reason = notCovered(graph);
    if (reason.isPresent()) {
      throw new NotCoveredException(reason.get());
    }
    return new Interpretation(graph);
  }

  private static Graph lifted(Graph graph) {
    try {
      return PassPipeline.of(new Lift()).run(graph);
    } catch (ManticoreException e) {
      return graph;
    }
  }

  private static Optional<String> notCovered(Graph graph) {
    for (Value input : graph.inputs()) {
      if (!isComputed(input)) {
        return Optional.of(input + " is not a tensor of numbers");
      }
    }
    for (Tensor parameter : graph.parameters().values()) {
      if (!isComputed(parameter.elementType())) {
        return Optional.of("a parameter is " + parameter.type());
      }
    }
    for (Node node : graph.nodes()) {
      if (Catalogue.standard().find(node.op()).isEmpty()) {
        return Optional.of(node + " is not in the catalogue");
      }
      for (Value output : node.presentOutputs()) {
        if (!isComputed(output)) {
          return Optional.of(output + " is not a tensor of numbers");
        }
      }
      for (Attribute attribute : node.attributes().values().values()) {
        if (attribute instanceof Attribute.TensorValue tensor
            && !isComputed(tensor.value().elementType())) {
          return Optional.of(node + " has a " + tensor.value().type());
        }
      }
      for (Graph inner : node.attributes().graphs()) {
        Optional<String> reason = notCovered(inner);
        if (reason.isPresent()) {
          return reason;
        }
      }
    }
    return Optional.empty();
  }

  private static boolean isComputed(Value value) {
    return value.isTensor() && isComputed(value.elementType());
  }

  private static boolean isComputed(ElementType type) {
    return type.isFloating() || type.isInteger() || type == ElementType.BOOL;
  }

  /**
   * The outputs, in order.
   *
   * @throws NotCoveredException if the catalogue does not cover such a use of an operator
   * @throws IrException if the interpreter refuses it for another reason
   */
  public ImmutableList<Tensor> run(List<Tensor> inputs) {
    if (inputs.size() != graph.inputs().size()) {
      throw new IrException(graph + " has other inputs than the " + inputs.size() + " given");
    }
    Map<String, NdArray> named = new LinkedHashMap<>();
    for (int i = 0; i < inputs.size(); i++) {
      Value input = graph.inputs().get(i);
      named.put(input.name(), NdArray.of(ConformanceCase.as(input.elementType(), inputs.get(i))));
    }
    Map<String, NdArray> outputs = new Interpreter().run(graph, named);
    ImmutableList.Builder<Tensor> results = ImmutableList.builder();
    graph.outputs().forEach(output -> results.add(outputs.get(output.name()).toTensor()));
    return results.build();
  }

  /** The types that inference gives the outputs. */
  public ImmutableList<Value> outputs() {
    return graph.outputs();
  }
}
