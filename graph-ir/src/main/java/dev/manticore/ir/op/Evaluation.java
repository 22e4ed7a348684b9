package dev.manticore.ir.op;

import dev.manticore.ir.Attributes;
import dev.manticore.ir.Graph;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import java.util.List;
import java.util.Optional;

/** A use of an operator, as reference evaluation sees it. */
public final class Evaluation {

  /**
   * Runs a subgraph on the values of its inputs; what it captures is known to whoever made this.
   */
  @FunctionalInterface
  public interface SubgraphRunner {
    List<NdArray> run(Graph subgraph, List<NdArray> inputs);
  }

  private final OpId op;
  private final Attributes attributes;
  private final List<Optional<NdArray>> inputs;
  private final int outputCount;
  private final SubgraphRunner subgraphs;

  public Evaluation(
      OpId op,
      Attributes attributes,
      List<Optional<NdArray>> inputs,
      int outputCount,
      SubgraphRunner subgraphs) {
    this.op = op;
    this.attributes = attributes;
    this.inputs = inputs;
    this.outputCount = outputCount;
    this.subgraphs = subgraphs;
  }

  public Evaluation(
      OpId op, Attributes attributes, List<Optional<NdArray>> inputs, int outputCount) {
    this(
        op,
        attributes,
        inputs,
        outputCount,
        (subgraph, values) -> {
          throw new IrException("no subgraph can be run here");
        });
  }

  public OpId op() {
    return op;
  }

  public Attributes attributes() {
    return attributes;
  }

  public boolean hasInput(int index) {
    return index < inputs.size() && inputs.get(index).isPresent();
  }

  public int inputCount() {
    return inputs.size();
  }

  public NdArray input(int index) {
    if (!hasInput(index)) {
      throw new IrException("input " + index + " of " + op + " is missing");
    }
    return inputs.get(index).orElseThrow();
  }

  public int outputCount() {
    return outputCount;
  }

  public List<NdArray> runSubgraph(Graph subgraph, List<NdArray> values) {
    return subgraphs.run(subgraph, values);
  }
}
