package dev.manticore.compiler.engine;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.artifact.Manifest;
import dev.manticore.compiler.lower.DecodeLimits;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.lower.Target;
import dev.manticore.compiler.pipeline.Hashes;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.SortedMap;
import java.util.stream.Stream;

/**
 * What the engines in a directory are, {@code engine.json}: of which artifact, for what, bound to
 * what, and how far they are from it.
 *
 * @param format the version of the directory's form
 * @param artifact the SHA-256 of the manifest of the artifact that they were built of
 * @param capacity the most tokens of a sequence
 * @param platform what they were built on, and run on only
 * @param verified how far their logits are from the hybrid's
 * @param times how fast they were
 * @param files the SHA-256 of every file but this one
 */
@JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
public record EngineManifest(
    int format,
    String artifact,
    String target,
    String precision,
    int batch,
    int prompt,
    int capacity,
    Platform platform,
    Verified verified,
    Times times,
    SortedMap<String, String> files) {

  static final int FORMAT = 1;

  /** The name of the file. */
  public static final String FILE = "engine.json";

  private static final int LARGEST = 1 << 20;

  private static final JsonMapper JSON =
      JsonMapper.builder().disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES).build();

  /**
   * What a plan is bound to.
   *
   * @param tensorrt the version
   * @param cuda that of the runtime
   * @param driverCuda the newest CUDA that the driver runs
   * @param device its name
   * @param computeCapability {@code 9.0}
   */
  @JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
  public record Platform(
      String tensorrt,
      String cuda,
      String driverCuda,
      String device,
      String computeCapability,
      long memoryBytes) {

    static Platform of(JsonNode answer) {
      try {
        return JSON.treeToValue(answer.required("platform"), Platform.class);
      } catch (JsonProcessingException | IllegalArgumentException e) {
        throw EngineTool.failure("what the device is was not understood: " + answer);
      }
    }
  }

  /**
   * A comparison with the hybrid in float32 on the processor.
   *
   * @param tokens that were read, a prompt and then single tokens
   * @param logitsMaxAbs the largest difference of a logit
   * @param limit the largest that passes
   */
  @JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
  public record Verified(long tokens, double logitsMaxAbs, double limit) {}

  /**
   * The best of several runs.
   *
   * @param prefillTokensPerSecond a whole batch of the longest prompts
   * @param stepMilliseconds the median over single tokens of a whole batch after that
   */
  @JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
  public record Times(double prefillTokensPerSecond, double stepMilliseconds) {}

  /**
   * Reads the manifest of a directory.
   *
   * @throws ManticoreException {@code MNT-ENGINE} if there is none, or it is not well formed
   */
  public static EngineManifest read(Path directory) {
    Path file = directory.resolve(FILE);
    try (InputStream in = Files.newInputStream(file)) {
      EngineManifest manifest = JSON.readValue(in.readNBytes(LARGEST), EngineManifest.class);
      if (manifest == null || manifest.format() != FORMAT || !manifest.isWhole()) {
        throw EngineTool.failure(
            file + " is not whole, or not of this version: build the engines again");
      }
      return manifest;
    } catch (JsonProcessingException e) {
      throw EngineTool.failure(file + " is not well formed: " + e.getOriginalMessage());
    } catch (IOException e) {
      throw EngineTool.failure("there are no engines in " + directory);
    }
  }

  private boolean isWhole() {
    boolean told =
        Stream.of(artifact, target, precision, platform, verified, times, files)
            .noneMatch(Objects::isNull);
    return told
        && Stream.of(
                platform.tensorrt(),
                platform.cuda(),
                platform.driverCuda(),
                platform.device(),
                platform.computeCapability())
            .noneMatch(Objects::isNull)
        && files.keySet().containsAll(List.of(EngineBuilder.PREFILL, EngineBuilder.DECODE))
        && files.values().stream().noneMatch(Objects::isNull);
  }

  /**
   * The engines of an artifact, whole and of this one.
   *
   * @throws ManticoreException {@code MNT-ENGINE} if there are none, they are of another result, or
   *     a file has changed
   */
  public static EngineManifest of(Artifact artifact) {
    Path directory = artifact.directory().resolve(EngineBuilder.DIRECTORY);
    EngineManifest manifest = read(directory);
    if (!manifest.artifact().equals(Hashes.sha256(artifact.directory().resolve(Manifest.FILE)))) {
      throw EngineTool.failure(
          directory + " holds engines of another result: build them again, by manticore engine");
    }
    manifest.checkFiles(directory);
    return manifest;
  }

  /** What they were built for; the workspace does not matter any more. */
  public EngineOptions options() {
    return new EngineOptions(
        Target.of(target), Precision.of(precision), new DecodeLimits(batch, prompt, capacity), 1);
  }

  String json() throws IOException {
    return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(this) + "\n";
  }

  /**
   * Refuses what would not load, or not be what was verified, before anything is loaded.
   *
   * @throws ManticoreException {@code MNT-ENGINE}, naming what does not match
   */
  public void requireRunsOn(Platform here) {
    require("TensorRT", platform.tensorrt(), here.tensorrt());
    require("compute capability", platform.computeCapability(), here.computeCapability());
    if (newer(platform.cuda(), here.driverCuda())) {
      throw EngineTool.failure(
          "the engines need a driver for CUDA "
              + platform.cuda()
              + ", but the one here is for "
              + here.driverCuda()
              + ": update it, or build them here");
    }
  }

  private static void require(String what, String built, String here) {
    if (!built.equals(here)) {
      throw EngineTool.failure(
          "the engines were built for "
              + what
              + " "
              + built
              + ", but here is "
              + here
              + ": build them here, by manticore engine");
    }
  }

  private static boolean newer(String version, String other) {
    return number(version) > number(other);
  }

  /** {@code 13.1} as 13001. */
  private static long number(String version) {
    String[] parts = version.split("\\.", 3);
    try {
      return 1000L * Integer.parseInt(parts[0])
          + (parts.length > 1 ? Integer.parseInt(parts[1]) : 0);
    } catch (NumberFormatException e) {
      throw EngineTool.failure("'" + version + "' is no version of CUDA");
    }
  }

  private void checkFiles(Path directory) {
    files.forEach(
        (name, hash) -> {
          Path file = directory.resolve(name).normalize();
          if (!file.startsWith(directory.normalize())
              || !Files.isRegularFile(file)
              || !Hashes.sha256(file).equals(hash)) {
            throw EngineTool.failure(
                file + " is not the file that was built: build the engines again");
          }
        });
  }
}
