package dev.manticore.ir.text;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import dev.manticore.ir.TensorType;
import java.nio.ByteBuffer;

/** Supplies the tensors whose values a text leaves out. */
@FunctionalInterface
public interface TensorResolver {

  /**
   * The tensor, of the type asked for.
   *
   * @throws ManticoreException if there is none
   */
  Tensor resolve(Elided elided);

  /**
   * What a text says of a tensor that it leaves out.
   *
   * @param name the parameter's name; for an attribute its node's first output and its own, {@code
   *     constant_3:value}
   * @param sha256 of the tensor's bytes, in hexadecimal; empty if the text does not tell
   */
  record Elided(String name, TensorType type, String sha256) {}

  /**
   * Gives tensors that have a type but no values: reading them is an error. Printed, they are
   * elided as before.
   */
  static TensorResolver withoutValues() {
    return elided -> new Tensor(elided.type(), new NoData(elided));
  }

  /** Data that is not there. */
  record NoData(Elided elided) implements TensorData {
    @Override
    public long byteSize() {
      return elided.type().elementType() == ElementType.STRING ? 0 : elided.type().byteSize();
    }

    @Override
    public void read(long offset, ByteBuffer target) {
      throw new ManticoreException(
          "MNT-HIR",
          "the values of '"
              + elided.name()
              + "' ("
              + elided.type()
              + ") were left out of the text that it was parsed from; parse it with a resolver"
              + " that supplies them");
    }
  }
}
