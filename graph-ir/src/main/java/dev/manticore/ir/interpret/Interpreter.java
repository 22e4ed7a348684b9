package dev.manticore.ir.interpret;

import dev.manticore.ir.Graph;
import dev.manticore.ir.IrException;
import dev.manticore.ir.Node;
import dev.manticore.ir.NotCoveredException;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import dev.manticore.ir.op.Catalogue;
import dev.manticore.ir.op.Evaluation;
import dev.manticore.ir.op.NdArray;
import dev.manticore.ir.op.Operator;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Runs any graph of the catalogue in double precision, node by node: the oracle for everything that
 * is faster. An operator of our kernels' domain is evaluated as the operator of the same name in
 * our own domain.
 */
public final class Interpreter {

  private final Catalogue catalogue = Catalogue.standard();
  private final boolean rounds;

  public Interpreter() {
    this(false);
  }

  private Interpreter(boolean rounds) {
    this.rounds = rounds;
  }

  /**
   * One that computes each node as exactly, but rounds what is of 16 bits to what these hold, as a
   * runtime does that computes such operators in a wider type.
   */
  public static Interpreter rounding() {
    return new Interpreter(true);
  }

  /**
   * Runs a graph on its own parameters.
   *
   * @param inputs a value for every input of the graph, by name
   * @return the outputs, by name and in order
   * @throws IrException if an input is missing, an operator is outside the catalogue or its
   *     operands do not fit
   */
  public Map<String, NdArray> run(Graph graph, Map<String, NdArray> inputs) {
    return run(graph, inputs, Map.of());
  }

  /**
   * Runs a graph with other values for some parameters.
   *
   * @param parameters values by name that replace those of the graph
   */
  public Map<String, NdArray> run(
      Graph graph, Map<String, NdArray> inputs, Map<String, NdArray> parameters) {
    Map<Value, NdArray> values = new HashMap<>();
    for (Value input : graph.inputs()) {
      NdArray value = inputs.get(input.name());
      if (value == null) {
        throw new IrException("no value for input '" + input.name() + "' of " + graph);
      }
      values.put(input, value);
    }
    for (Map.Entry<Value, Tensor> parameter : graph.parameters().entrySet()) {
      NdArray replaced = parameters.get(parameter.getKey().name());
      values.put(
          parameter.getKey(), replaced != null ? replaced : NdArray.of(parameter.getValue()));
    }
    execute(graph, values);
    Map<String, NdArray> outputs = new LinkedHashMap<>();
    graph.outputs().forEach(output -> outputs.put(output.name(), values.get(output)));
    return outputs;
  }

  /**
   * Runs a body on positional operands; an operand that is absent belongs to no input of the body.
   */
  public List<NdArray> runBody(Graph body, List<NdArray> operands) {
    Map<Value, NdArray> values = new HashMap<>();
    bind(body, operands, values);
    execute(body, values);
    return body.outputs().stream().map(values::get).toList();
  }

  private void execute(Graph graph, Map<Value, NdArray> values) {
    for (Node node : graph.nodes()) {
      evaluate(node, values);
    }
  }

  private void evaluate(Node node, Map<Value, NdArray> values) {
    Operator operator =
        catalogue
            .find(node.op())
            .orElseThrow(
                () -> new IrException(node + " cannot be interpreted: it is not in the catalogue"));
    List<Optional<NdArray>> operands = new ArrayList<>();
    for (Optional<Value> input : node.inputs()) {
      operands.add(input.map(values::get));
    }
    List<NdArray> results;
    try {
      results =
          operator.evaluate(
              new Evaluation(
                  node.op(),
                  node.attributes(),
                  operands,
                  node.outputs().size(),
                  (subgraph, arguments) -> runSubgraph(subgraph, arguments, values)));
    } catch (NotCoveredException e) {
      throw new NotCoveredException(node + ": " + e.getMessage(), e);
    } catch (IrException | IndexOutOfBoundsException | NullPointerException e) {
      throw new IrException(
          node + " cannot be evaluated on " + operands + ": " + e.getMessage(), e);
    }
    for (int i = 0; i < node.outputs().size(); i++) {
      if (node.hasOutput(i)) {
        NdArray result = results.get(i);
        values.put(node.output(i), rounds ? result.rounded() : result);
      }
    }
  }

  private List<NdArray> runSubgraph(
      Graph subgraph, List<NdArray> arguments, Map<Value, NdArray> around) {
    Map<Value, NdArray> values = new HashMap<>(around);
    bind(subgraph, arguments, values);
    execute(subgraph, values);
    return subgraph.outputs().stream().map(values::get).toList();
  }

  private static void bind(Graph graph, List<NdArray> arguments, Map<Value, NdArray> values) {
    if (arguments.size() != graph.inputs().size()) {
      throw new IrException(
          graph + " takes " + graph.inputs().size() + " inputs, not " + arguments.size());
    }
    for (int i = 0; i < arguments.size(); i++) {
      values.put(graph.inputs().get(i), arguments.get(i));
    }
    graph.parameters().forEach((value, tensor) -> values.put(value, NdArray.of(tensor)));
  }
}
