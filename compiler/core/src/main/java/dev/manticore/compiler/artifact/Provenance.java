package dev.manticore.compiler.artifact;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.statistics.Sample;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Where a hybrid comes from and how good it is, for its model card and its bill of materials.
 *
 * @param summary how it was made, in a sentence
 * @param data what it was trained on
 * @param dataHash the SHA-256 of that
 * @param sources what each component was read from, and projectors that were trained before
 * @param part what results are measured on, such as {@code held-out}
 * @param results losses, the hybrid's first
 * @param recipe the resolved recipe
 */
public record Provenance(
    String summary,
    String data,
    String dataHash,
    ImmutableList<Source> sources,
    String part,
    ImmutableList<Result> results,
    String recipe) {

  /** The largest README or licence that is read. */
  private static final long LARGEST_TEXT = 1 << 20;

  private static final Pattern MODEL_FILE =
      Pattern.compile(
          "config\\.json|tokenizer\\.json|.*\\.safetensors(\\.index\\.json)?|.*\\.onnx(\\.data)?");
  private static final Pattern FRONT_MATTER =
      Pattern.compile("\\A---\\R(.*?)\\R---", Pattern.DOTALL);
  private static final Pattern LICENCE_KEY =
      Pattern.compile("^license:[ \\t]*[\"']?([A-Za-z0-9][A-Za-z0-9.+_ -]*)", Pattern.MULTILINE);

  public Provenance {
    requireNonNull(summary, "summary");
    requireNonNull(data, "data");
    requireNonNull(dataHash, "dataHash");
    requireNonNull(sources, "sources");
    requireNonNull(part, "part");
    requireNonNull(results, "results");
    requireNonNull(recipe, "recipe");
  }

  /**
   * A component's checkpoint, or projectors that were trained before.
   *
   * @param licence the name that its model card gives, empty if it gives none
   * @param files the SHA-256 of each file that was read
   */
  public record Source(String name, Optional<String> licence, ImmutableMap<String, String> files) {

    /**
     * Describes a checkpoint as it is now.
     *
     * @param place a directory or an {@code .onnx} file
     * @throws ManticoreException {@code MNT-INPUT} if it cannot be read
     */
    public static Source of(String name, Path place) {
      SortedMap<String, String> hashes = new TreeMap<>();
      Path directory = Files.isDirectory(place) ? place : place.toAbsolutePath().getParent();
      try (Stream<Path> entries = Files.list(directory)) {
        for (Path file : entries.filter(Files::isRegularFile).toList()) {
          boolean named = Files.isDirectory(place) || file.equals(place.toAbsolutePath());
          // Other files beside a model may tell of the run that made it, which no two have alike.
          if (named && MODEL_FILE.matcher(file.getFileName().toString()).matches()) {
            hashes.put(file.getFileName().toString(), Artifact.describe(file).sha256());
          }
        }
        return new Source(name, licence(directory), ImmutableMap.copyOf(hashes));
      } catch (IOException e) {
        throw new ManticoreException(
            "MNT-INPUT", "the files of " + place + " cannot be read: " + e.getMessage(), e);
      }
    }

    /** What the front matter of the model card says. */
    private static Optional<String> licence(Path directory) throws IOException {
      Path card = directory.resolve("README.md");
      if (!Files.isRegularFile(card) || Files.size(card) > LARGEST_TEXT) {
        return Optional.empty();
      }
      Matcher matter =
          FRONT_MATTER.matcher(new String(Files.readAllBytes(card), StandardCharsets.UTF_8));
      if (!matter.find()) {
        return Optional.empty();
      }
      Matcher key = LICENCE_KEY.matcher(matter.group(1));
      return key.find() ? Optional.of(key.group(1).strip()) : Optional.empty();
    }
  }

  /**
   * A model's loss, in nats a token.
   *
   * @param losses one a seed
   * @param slices the mean on each part of the data
   */
  public record Result(String model, Sample losses, ImmutableMap<String, Double> slices) {}

  /** Copies the texts of a checkpoint's licence to where its tuned weights go. */
  static void carryLicence(Path checkpoint, Path target) throws IOException {
    if (!Files.isDirectory(checkpoint)) {
      return;
    }
    try (Stream<Path> entries = Files.list(checkpoint)) {
      for (Path file : entries.filter(Files::isRegularFile).sorted().toList()) {
        String name = file.getFileName().toString();
        String upper = name.toUpperCase(Locale.ROOT);
        boolean licence =
            upper.startsWith("LICENSE")
                || upper.startsWith("LICENCE")
                || upper.startsWith("NOTICE");
        if (licence && Files.size(file) <= LARGEST_TEXT) {
          Files.write(target.resolve(name), Files.readAllBytes(file));
        }
      }
    }
  }
}
