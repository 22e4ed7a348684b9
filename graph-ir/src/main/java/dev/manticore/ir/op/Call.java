package dev.manticore.ir.op;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Extent;
import dev.manticore.ir.IrException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import java.util.Optional;
import java.util.function.Function;

/**
 * A use of an operator, as shape inference sees it.
 *
 * @param constants what a value is known to be, if it is
 * @param extents the elements of an integer or a vector of integers, if they are known up to
 *     symbolic dimensions
 */
public record Call(
    OpId op,
    Attributes attributes,
    ImmutableList<Optional<Value>> inputs,
    int outputCount,
    Function<Value, Optional<Tensor>> constants,
    Function<Value, Optional<ImmutableList<Extent>>> extents) {

  /** A use of which nothing is known but constants. */
  public Call(
      OpId op,
      Attributes attributes,
      ImmutableList<Optional<Value>> inputs,
      int outputCount,
      Function<Value, Optional<Tensor>> constants) {
    this(op, attributes, inputs, outputCount, constants, value -> Optional.empty());
  }

  public boolean hasInput(int index) {
    return index < inputs.size() && inputs.get(index).isPresent();
  }

  /** The number of inputs listed, absent ones in the middle included. */
  public int inputCount() {
    return inputs.size();
  }

  /**
   * The type of an input.
   *
   * @throws IrException if it is not there
   */
  public TensorType type(int index) {
    if (!hasInput(index)) {
      throw new IrException("input " + index + " is missing");
    }
    return inputs.get(index).orElseThrow().type();
  }

  public Shape shape(int index) {
    return type(index).shape();
  }

  /** The elements of an input, an integer or a vector of them, known up to symbolic dimensions. */
  public Optional<ImmutableList<Extent>> extents(int index) {
    return hasInput(index) ? extents.apply(inputs.get(index).orElseThrow()) : Optional.empty();
  }

  /** What an input is known to be: a constant, or what follows from shapes. */
  public Optional<Tensor> constant(int index) {
    return hasInput(index) ? constants.apply(inputs.get(index).orElseThrow()) : Optional.empty();
  }
}
