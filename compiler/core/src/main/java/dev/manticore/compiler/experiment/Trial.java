package dev.manticore.compiler.experiment;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * One run of an experiment.
 *
 * @param id its name, of letters, digits, {@code .}, {@code _} and {@code -}; unique in the
 *     experiment
 * @param spec all that its outcome depends on, but for the version of Manticore and the number of
 *     threads
 */
public record Trial(String id, ObjectNode spec) {

  public Trial {
    checkArgument(id.matches("[A-Za-z0-9][A-Za-z0-9._-]*"), "a trial cannot be named '%s'", id);
    spec = requireNonNull(spec, "spec").deepCopy();
  }
}
