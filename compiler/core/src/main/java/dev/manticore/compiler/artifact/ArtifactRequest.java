package dev.manticore.compiler.artifact;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.hybrid.Hybrid;
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
 * @param threads of a training step, for the manifest; 0 if nothing was trained
 * @param tolerance the largest difference that a logit of an exported model may have from the
 *     hybrid's
 * @param deployment what the deployed models are for
 * @param placement where the models' weights go
 */
public record ArtifactRequest(
    String name,
    Hybrid hybrid,
    ImmutableList<Path> checkpoints,
    Path tokenizer,
    ImmutableList<Tensor> heldOut,
    ImmutableMap<String, Long> seeds,
    int threads,
    double tolerance,
    Deployment deployment,
    Placement placement) {

  /** The tolerance unless another is asked for. */
  public static final double TOLERANCE = 1e-4;

  public ArtifactRequest {
    requireNonNull(name, "name");
    requireNonNull(hybrid, "hybrid");
    requireNonNull(checkpoints, "checkpoints");
    requireNonNull(tokenizer, "tokenizer");
    requireNonNull(heldOut, "heldOut");
    requireNonNull(seeds, "seeds");
    requireNonNull(deployment, "deployment");
    requireNonNull(placement, "placement");
  }

  /**
   * With the usual tolerance, for any runtime in float32, and weights in files of their own where
   * they are large.
   */
  public static ArtifactRequest of(
      String name,
      Hybrid hybrid,
      ImmutableList<Path> checkpoints,
      Path tokenizer,
      ImmutableList<Tensor> heldOut,
      ImmutableMap<String, Long> seeds) {
    return new ArtifactRequest(
        name,
        hybrid,
        checkpoints,
        tokenizer,
        heldOut,
        seeds,
        0,
        TOLERANCE,
        Deployment.DEFAULT,
        Placement.AUTOMATIC);
  }

  public ArtifactRequest withTolerance(double changed) {
    return new ArtifactRequest(
        name,
        hybrid,
        checkpoints,
        tokenizer,
        heldOut,
        seeds,
        threads,
        changed,
        deployment,
        placement);
  }

  public ArtifactRequest withPlacement(Placement changed) {
    return new ArtifactRequest(
        name,
        hybrid,
        checkpoints,
        tokenizer,
        heldOut,
        seeds,
        threads,
        tolerance,
        deployment,
        changed);
  }

  public ArtifactRequest withDeployment(Deployment changed) {
    return new ArtifactRequest(
        name,
        hybrid,
        checkpoints,
        tokenizer,
        heldOut,
        seeds,
        threads,
        tolerance,
        changed,
        placement);
  }

  public ArtifactRequest withThreads(int changed) {
    return new ArtifactRequest(
        name,
        hybrid,
        checkpoints,
        tokenizer,
        heldOut,
        seeds,
        changed,
        tolerance,
        deployment,
        placement);
  }
}
