package dev.manticore.compiler.diff;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.compare.GraphComparison.Count;
import dev.manticore.ir.compare.GraphComparison.ParameterDifference;
import dev.manticore.ir.compare.GraphComparison.Place;

/**
 * What a comparison of two models found.
 *
 * @param verdict what holds
 * @param firstNodes nodes of the first model's normal form
 * @param secondNodes nodes of the second model's normal form
 * @param places where the normal forms part; empty if they are the same
 * @param parameters parameters in the same place that hold other numbers
 * @param operators operators that one normal form has more of
 * @param notes what kept a model from being brought to its normal form
 * @param samples on how many random inputs both were run; 0 if they were not
 * @param largestDifference of two elements of outputs, over all samples
 * @param largestValue the largest magnitude of an element of the first model's outputs
 */
public record DiffResult(
    Verdict verdict,
    int firstNodes,
    int secondNodes,
    ImmutableList<Place> places,
    ImmutableList<ParameterDifference> parameters,
    ImmutableList<Count> operators,
    ImmutableList<String> notes,
    int samples,
    double largestDifference,
    double largestValue) {

  /** What can be said of two models. */
  public enum Verdict {
    /** One normal form on equal parameters: they compute the same on every input. */
    SAME_NORMAL_FORM,
    /** Other normal forms, but the same results on the inputs that were tried. */
    EQUAL_ON_SAMPLES,
    /** Other results, or inputs and outputs that do not correspond. */
    DIFFERENT
  }

  public boolean isEqual() {
    return verdict != Verdict.DIFFERENT;
  }
}
