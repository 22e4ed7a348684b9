package dev.manticore.compiler.artifact;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.lower.DecodeLimits;
import dev.manticore.compiler.lower.Deployment;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.OnnxExporter.Placement;
import java.nio.file.Path;

/**
 * What an artifact is made of.
 *
 * @param name of the hybrid, as the recipe has it
 * @param hybrid with its final parameters
 * @param checkpoints the directories that the components came from, in order
 * @param tokenizer a {@code tokenizer.json} whose ids are the hybrid's vocabulary
 * @param heldOut token ids that were not trained on, i64[batch,length] each, of several lengths
 * @param seeds what was drawn from which seed; for the manifest
 */
public record ArtifactRequest(
    String name,
    Hybrid hybrid,
    ImmutableList<Path> checkpoints,
    Path tokenizer,
    ImmutableList<Tensor> heldOut,
    ImmutableMap<String, Long> seeds,
    Options options) {

  /** The tolerance unless another is asked for. */
  public static final double TOLERANCE = 1e-4;

  public ArtifactRequest {
    requireNonNull(name, "name");
    requireNonNull(hybrid, "hybrid");
    requireNonNull(checkpoints, "checkpoints");
    requireNonNull(tokenizer, "tokenizer");
    requireNonNull(heldOut, "heldOut");
    requireNonNull(seeds, "seeds");
    requireNonNull(options, "options");
  }

  /**
   * How it is made.
   *
   * @param threads of a training step, for the manifest; 0 if nothing was trained
   * @param tolerance the largest difference that a logit of an exported model in float32 may have
   *     from the hybrid's
   * @param deployment what the deployed models are for
   * @param limits what decoders with a capacity are to be made for, for the manifest
   * @param placement where the models' weights go
   */
  public record Options(
      int threads,
      double tolerance,
      Deployment deployment,
      DecodeLimits limits,
      Placement placement) {

    /**
     * The usual tolerance, for any runtime in float32, and weights in files of their own where they
     * are large.
     */
    public static final Options DEFAULT =
        new Options(0, TOLERANCE, Deployment.DEFAULT, DecodeLimits.DEFAULT, Placement.AUTOMATIC);

    public Options {
      requireNonNull(deployment, "deployment");
      requireNonNull(limits, "limits");
      requireNonNull(placement, "placement");
    }

    public Options withTolerance(double changed) {
      return new Options(threads, changed, deployment, limits, placement);
    }

    public Options withDeployment(Deployment changed) {
      return new Options(threads, tolerance, changed, limits, placement);
    }

    public Options withPlacement(Placement changed) {
      return new Options(threads, tolerance, deployment, limits, changed);
    }
  }

  /** The same, made in another way. */
  public ArtifactRequest with(Options changed) {
    return new ArtifactRequest(name, hybrid, checkpoints, tokenizer, heldOut, seeds, changed);
  }
}
