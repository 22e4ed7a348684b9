package dev.manticore.compiler.artifact;

import static java.util.Objects.requireNonNull;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.runtime.Device;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Verifies an artifact from its own files: that each is the one that the manifest describes, and
 * that the exported models still compute what the hybrid does, within the limit that they were
 * written under. The data that they were compared on then is no part of an artifact, so the tokens
 * are drawn, always the same, in sequences of the same lengths.
 */
public final class ArtifactCheck {

  private static final long SEED = 1;
  private static final int SEQUENCES = 2;
  private static final long LONGEST = 1 << 16;
  private static final int MOST_LENGTHS = 16;
  private static final int LARGEST_FILE = 1 << 20;

  private final Device device;

  /**
   * @param device what the models are compared on
   */
  public ArtifactCheck(Device device) {
    this.device = requireNonNull(device, "device");
  }

  /**
   * Compares the exported models with the hybrid.
   *
   * @throws ManticoreException {@code MNT-ARTIFACT} if a file is missing, has changed or is not
   *     well formed, and what reading the hybrid throws
   */
  public ExportDiscrepancy run(Artifact artifact) {
    artifact.check();
    ExportDiscrepancy written = written(artifact);
    Hybrid hybrid = artifact.hybrid();
    try {
      Path scratch = Files.createTempDirectory("manticore-verify-");
      try {
        return new ExportCheck(device)
            .run(
                hybrid.graph(),
                files(artifact),
                inputs(written.lengths(), hybrid.options().vocabulary()),
                written.limit(),
                scratch);
      } finally {
        MoreFiles.deleteRecursively(scratch, RecursiveDeleteOption.ALLOW_INSECURE);
      }
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-WRITE",
          "cannot write the hybrid of "
              + artifact.directory()
              + " to compare with: "
              + e.getMessage()
              + "; make room in the directory for temporary files",
          e);
    }
  }

  private static ImmutableMap<String, ExportCheck.Exported> files(Artifact artifact) {
    Precision precision = artifact.manifest().deployment().precision();
    ImmutableMap.Builder<String, ExportCheck.Exported> files = ImmutableMap.builder();
    files.put(Artifact.MODEL, new ExportCheck.Exported(artifact.model(), Precision.FLOAT32));
    files.put(Artifact.DEPLOYED, new ExportCheck.Exported(artifact.deployed(), precision));
    artifact
        .decoder()
        .ifPresent(
            decoder -> files.put(Artifact.DECODER, new ExportCheck.Exported(decoder, precision)));
    return files.buildOrThrow();
  }

  private static ExportDiscrepancy written(Artifact artifact) {
    Path file = artifact.directory().resolve(Artifact.DISCREPANCY);
    try (InputStream in = Files.newInputStream(file)) {
      ExportDiscrepancy written =
          Artifact.JSON.readValue(in.readNBytes(LARGEST_FILE), ExportDiscrepancy.class);
      long longest = artifact.manifest().maxLength();
      if (written == null
          || !Double.isFinite(written.limit())
          || written.lengths() == null
          || written.lengths().isEmpty()
          || written.lengths().size() > MOST_LENGTHS
          || written.lengths().stream()
              .anyMatch(
                  length ->
                      length == null
                          || length < 1
                          || length > LONGEST
                          || (longest > 0 && length > longest))) {
        throw Artifact.failure(
            file + " names no limit, or no lengths that the models take: compile the recipe again");
      }
      return written;
    } catch (JsonProcessingException e) {
      throw new ManticoreException(
          "MNT-ARTIFACT", file + " is not well formed: " + e.getOriginalMessage(), e);
    } catch (IOException e) {
      throw new ManticoreException("MNT-ARTIFACT", file + " cannot be read: " + e.getMessage(), e);
    }
  }

  private static ImmutableList<Tensor> inputs(List<Long> lengths, int vocabulary) {
    SplittableRandom random = new SplittableRandom(SEED);
    return lengths.stream()
        .map(
            length ->
                Tensor.ofLongs(
                    Shape.of(SEQUENCES, length),
                    random.ints(SEQUENCES * length, 0, vocabulary).asLongStream().toArray()))
        .collect(ImmutableList.toImmutableList());
  }
}
