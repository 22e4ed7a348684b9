package dev.manticore.compiler.stages;

import java.io.IOException;
import java.nio.file.Path;

/**
 * A tuned model.
 *
 * @param parameters its parameters, a safetensors file
 * @param metrics the losses along the way, JSON lines
 */
record Tuned(Path parameters, Path metrics, Scored scored) {

  static final String PARAMETERS = "parameters.safetensors";

  static Tuned read(Path directory) throws IOException {
    return new Tuned(
        directory.resolve(PARAMETERS), directory.resolve(Stages.METRICS), Scored.read(directory));
  }
}
