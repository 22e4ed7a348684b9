package dev.manticore.compiler.pipeline;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.collect.ImmutableMap;
import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * What a stage depends on: named values, contents of files, and other stages. File names and times
 * do not count, contents do.
 *
 * @param entries by name: a value's text, {@code sha256:...} of a file, or the identity of a stage
 */
public record StageInputs(ImmutableMap<String, String> entries) {

  public static Builder builder() {
    return new Builder();
  }

  /** Collects inputs; single use. */
  public static final class Builder {

    private final Map<String, String> entries = new TreeMap<>();

    private Builder() {}

    /** A value, such as a setting of the recipe. */
    public Builder value(String name, String value) {
      String earlier = entries.put(name, value);
      checkArgument(earlier == null, "the input '%s' is given twice", name);
      return this;
    }

    /** Several values, such as a section of the recipe. */
    public Builder values(Map<String, String> values) {
      values.forEach(this::value);
      return this;
    }

    /**
     * The content of a file.
     *
     * @throws ManticoreException {@code MNT-INPUT} when it cannot be read
     */
    public Builder file(String name, Path file) {
      return value(name, "sha256:" + Hashes.sha256(file));
    }

    /**
     * The contents and relative names of all regular files directly in a directory.
     *
     * @throws ManticoreException {@code MNT-INPUT} when it cannot be read
     */
    public Builder directory(String name, Path directory) {
      Hasher hasher = Hashing.sha256().newHasher();
      try (Stream<Path> files = Files.list(directory)) {
        List<Path> sorted = files.filter(Files::isRegularFile).sorted().toList();
        for (Path file : sorted) {
          hasher.putString(file.getFileName() + "\n", StandardCharsets.UTF_8);
          hasher.putString(Hashes.sha256(file) + "\n", StandardCharsets.UTF_8);
        }
      } catch (IOException e) {
        throw new ManticoreException(
            "MNT-INPUT", String.format("%s: cannot be read: %s", directory, e.getMessage()), e);
      }
      return value(name, "sha256:" + hasher.hash());
    }

    /**
     * The names, types and values of tensors.
     *
     * @throws ManticoreException when they cannot be read
     */
    public Builder tensors(String name, Map<String, Tensor> tensors) {
      return value(name, "sha256:" + Hashes.sha256(tensors));
    }

    /** The result of another stage, which must come earlier in the run. */
    public Builder stage(Stage<?> stage) {
      return value("stage." + stage.name(), StageId.of(stage).toString());
    }

    public StageInputs build() {
      return new StageInputs(ImmutableMap.copyOf(entries));
    }
  }
}
