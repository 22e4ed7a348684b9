package dev.manticore.compiler.artifact;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectWriter;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.google.common.hash.Hashing;
import com.google.common.hash.HashingOutputStream;
import com.google.common.io.ByteStreams;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.HybridFiles;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/**
 * A finished hybrid as a directory:
 *
 * <ul>
 *   <li>{@code model.onnx}: the hybrid, its projectors and mixtures as model-local functions;
 *   <li>{@code deploy/model.onnx}: the same in plain {@code ai.onnx} of opset 23, for any runtime;
 *   <li>{@code decoder/}: the decoder, {@code model.onnx}, which reads on from a state; and what
 *       ONNX Runtime GenAI needs to run it from there, {@code genai_config.json} and the tokenizer,
 *       unless GenAI cannot;
 *   <li>{@code tokenizer.json};
 *   <li>{@code hybrid.json}, {@code hybrid.safetensors}, {@code components/<name>/}: what the
 *       hybrid is made of, the tuned components as checkpoints of the formats they came from;
 *   <li>{@code discrepancy.json}: how far the exported models are from the hybrid;
 *   <li>{@code manifest.json}.
 * </ul>
 *
 * <p>The first two models read {@code input_ids} i64[batch,length] and give {@code logits}
 * f32[batch,length,vocabulary] for any batch and length. Weights of more than 64 MiB are beside
 * them, in {@code model.onnx.data}.
 */
public record Artifact(Path directory, Manifest manifest) {

  static final String MODEL = "model.onnx";
  static final String DEPLOYED = "deploy/model.onnx";
  static final String DECODER = "decoder/model.onnx";
  static final String TOKENIZER = "tokenizer.json";
  static final String DISCREPANCY = "discrepancy.json";

  private static final int LARGEST_MANIFEST = 16 << 20;

  static final JsonMapper JSON =
      JsonMapper.builder().disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES).build();

  static {
    JSON.getFactory()
        .setStreamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(32).build());
  }

  /** Whether a directory holds an artifact. */
  public static boolean isArtifact(Path directory) {
    return Files.isRegularFile(directory.resolve(Manifest.FILE))
        && Files.isRegularFile(directory.resolve(HybridFiles.DESCRIPTION));
  }

  /**
   * Reads an artifact's manifest. Its files are not looked at; {@link #check} does that.
   *
   * @throws ManticoreException {@code MNT-ARTIFACT} if there is none, or it is not well formed
   */
  public static Artifact open(Path directory) {
    Path file = directory.resolve(Manifest.FILE);
    try (InputStream in = Files.newInputStream(file)) {
      JsonNode json = JSON.readTree(in.readNBytes(LARGEST_MANIFEST));
      if (json == null || json.path("format").asInt() != Manifest.FORMAT) {
        throw failure(
            file
                + " is not the manifest of an artifact of format "
                + Manifest.FORMAT
                + ": compile the recipe again");
      }
      return new Artifact(directory, JSON.treeToValue(json, Manifest.class));
    } catch (JsonProcessingException e) {
      throw new ManticoreException(
          "MNT-ARTIFACT", file + " is not a manifest: " + e.getOriginalMessage(), e);
    } catch (IOException e) {
      throw new ManticoreException("MNT-ARTIFACT", file + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** The hybrid's own file. */
  public Path model() {
    return directory.resolve(MODEL);
  }

  /** The file in plain {@code ai.onnx}. */
  public Path deployed() {
    return directory.resolve(DEPLOYED);
  }

  /** The decoder, in plain {@code ai.onnx} too; artifacts of models that have none are without. */
  public Optional<Path> decoder() {
    return Optional.of(directory.resolve(DECODER)).filter(Files::isRegularFile);
  }

  public Path tokenizer() {
    return directory.resolve(TOKENIZER);
  }

  /** The hybrid, as it was when the artifact was written. */
  public Hybrid hybrid() {
    return HybridFiles.read(
        directory.resolve(HybridFiles.DESCRIPTION), directory.resolve(HybridFiles.COMPONENTS));
  }

  /**
   * Compares every file with the manifest.
   *
   * @throws ManticoreException {@code MNT-ARTIFACT} if one is missing or has changed
   */
  public void check() {
    for (Map.Entry<String, Manifest.FileEntry> entry : manifest.files().entrySet()) {
      Path file = directory.resolve(entry.getKey()).normalize();
      if (!file.startsWith(directory.normalize())) {
        throw failure("the manifest of " + directory + " names a file outside: " + entry.getKey());
      }
      try {
        if (!describe(file).equals(entry.getValue())) {
          throw failure(
              file + " is not the file that the manifest describes: it has been changed or cut");
        }
      } catch (IOException e) {
        throw new ManticoreException(
            "MNT-ARTIFACT", file + " cannot be read: " + e.getMessage(), e);
      }
    }
  }

  /** The size and the hash of a file. */
  static Manifest.FileEntry describe(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file);
        HashingOutputStream hash =
            new HashingOutputStream(Hashing.sha256(), ByteStreams.nullOutputStream())) {
      long bytes = in.transferTo(hash);
      return new Manifest.FileEntry(bytes, hash.hash().toString());
    }
  }

  /** JSON with indented lists and line ends that are the same on every system. */
  static String toText(Object value) {
    DefaultIndenter indenter = new DefaultIndenter("  ", "\n");
    ObjectWriter writer = JSON.writer(new DefaultPrettyPrinter().withObjectIndenter(indenter));
    try {
      return writer.writeValueAsString(value) + "\n";
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a record that cannot be written as JSON", e);
    }
  }

  static ManticoreException failure(String message) {
    return new ManticoreException("MNT-ARTIFACT", message);
  }
}
