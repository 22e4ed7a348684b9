package dev.manticore.compiler.artifact;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.lower.DecodeLimits;
import dev.manticore.compiler.lower.Deployment;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.lower.Target;
import dev.manticore.ir.ManticoreException;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;

/**
 * What an artifact says of itself, in {@code manifest.json}.
 *
 * @param format the version of the directory's form
 * @param manticore the version that wrote it
 * @param maxLength the longest sequence that the models take, in tokens; 0 for any
 * @param mixtureWeights for each block the weight of each component; positive, of sum 1
 * @param partition for each component the layers of each block, the end exclusive
 * @param target the runtime that the deployed models are for; absent in artifacts of before
 * @param precision what the deployed models compute their products in
 * @param decode what decoders with a capacity are made for; absent in artifacts of before
 * @param opset the version of {@code ai.onnx} that the models need at least
 * @param threads of a training step, on which results depend; 0 where nothing was trained, or the
 *     artifact is of before
 * @param genAi {@code supported}, or why ONNX Runtime GenAI cannot run the decoder
 * @param files every file but this one, by path
 */
@JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
@JsonInclude(JsonInclude.Include.ALWAYS)
@JsonPropertyOrder({"format", "name", "manticore"})
public record Manifest(
    int format,
    String name,
    String manticore,
    List<Component> components,
    int blocks,
    int width,
    int vocabulary,
    long maxLength,
    String gates,
    String embeddings,
    List<List<List<Integer>>> partition,
    List<List<Float>> mixtureWeights,
    String target,
    String precision,
    DecodeLimits decode,
    int opset,
    Map<String, Long> seeds,
    int threads,
    String genAi,
    SortedMap<String, FileEntry> files) {

  /** The form that this version writes and reads. */
  public static final int FORMAT = 1;

  /** The name of the file. */
  public static final String FILE = "manifest.json";

  /**
   * A component.
   *
   * @param directory its checkpoint, relative to the artifact
   * @param parameters the number of elements of those that it has in the hybrid
   */
  public record Component(String name, String directory, long parameters) {}

  /** The size and the SHA-256 of a file, in hexadecimal. */
  public record FileEntry(long bytes, String sha256) {}

  /**
   * What the deployed models are for.
   *
   * @throws ManticoreException {@code MNT-TARGET} or {@code MNT-PRECISION} if that is not known
   */
  public Deployment deployment() {
    return new Deployment(
        target == null ? Deployment.DEFAULT.target() : Target.of(target), Precision.of(precision));
  }

  /** What decoders with a capacity are made for. */
  public DecodeLimits limits() {
    return (decode == null ? DecodeLimits.DEFAULT : decode).within(maxLength);
  }

  /** The components' names, in the order of the mixture weights. */
  public ImmutableList<String> componentNames() {
    return components.stream().map(Component::name).collect(ImmutableList.toImmutableList());
  }
}
