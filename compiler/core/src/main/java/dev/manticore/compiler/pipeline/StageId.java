package dev.manticore.compiler.pipeline;

import static com.google.common.base.Preconditions.checkArgument;

import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/**
 * The identity of a stage with its inputs, and the name of its directory: {@code
 * search-3f2a90c1d4e5}.
 *
 * @param hash twelve hexadecimal digits of a SHA-256 over name, version, inputs and the version of
 *     Manticore
 */
record StageId(String name, String hash) {

  private static final int DIGITS = 12;

  StageId {
    checkArgument(name.matches("[a-z0-9]+(-[a-z0-9]+)*"), "'%s' cannot name a stage", name);
  }

  static StageId of(Stage<?> stage) {
    Hasher hasher = Hashing.sha256().newHasher();
    put(hasher, ToolVersion.current());
    put(hasher, stage.name());
    put(hasher, Integer.toString(stage.version()));
    for (Map.Entry<String, String> input : stage.inputs().entries().entrySet()) {
      put(hasher, input.getKey());
      put(hasher, input.getValue());
    }
    return new StageId(stage.name(), hasher.hash().toString().substring(0, DIGITS));
  }

  /** Prefixed by its length, so that no two lists of texts give the same bytes. */
  private static void put(Hasher hasher, String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    hasher.putInt(bytes.length).putBytes(bytes);
  }

  @Override
  public String toString() {
    return name + "-" + hash;
  }
}
