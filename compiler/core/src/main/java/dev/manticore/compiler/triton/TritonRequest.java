package dev.manticore.compiler.triton;

import dev.manticore.compiler.lower.Deployment;
import dev.manticore.ir.ManticoreException;
import java.util.regex.Pattern;

/**
 * What a repository is made for.
 *
 * @param name of the model; the decoder is called {@code <name>-decoder}
 * @param batch the most requests that are run together
 * @param capacity the most tokens of a sequence that is decoded
 * @param deployment what the models are lowered for, where ONNX Runtime runs them
 */
public record TritonRequest(String name, int batch, int capacity, Deployment deployment) {

  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,99}");

  public TritonRequest {
    if (!NAME.matcher(name).matches()) {
      throw new ManticoreException(
          "MNT-TRITON",
          "a model on a server cannot be called '"
              + name
              + "': its name is made of letters, digits, dots, dashes and underscores");
    }
    if (batch < 1 || capacity < 1) {
      throw new ManticoreException(
          "MNT-TRITON",
          "batch and capacity should be 1 or more, but are " + batch + " and " + capacity);
    }
  }

  String decoder() {
    return name + "-decoder";
  }
}
