package dev.manticore.compiler.engine;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.manticore.ir.ManticoreException;

/** What builds and runs engines. */
public interface EngineTool {

  /**
   * Fulfils a request.
   *
   * @return the result, with what it was made on under {@code platform}
   * @throws ManticoreException {@code MNT-ENGINE} if there is no TensorRT or no device here, or it
   *     does not take the model
   */
  JsonNode call(ObjectNode request);

  /** The message for what goes wrong with engines. */
  static ManticoreException failure(String message) {
    return new ManticoreException("MNT-ENGINE", message);
  }
}
