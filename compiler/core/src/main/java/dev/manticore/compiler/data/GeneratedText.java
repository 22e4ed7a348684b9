package dev.manticore.compiler.data;

import com.google.common.hash.Hashing;
import java.nio.charset.StandardCharsets;
import java.util.function.Consumer;

/** The corpus of {@link CorpusGenerator}, at least {@code characters} long. */
public record GeneratedText(CorpusGenerator.Kind kind, long seed, long characters)
    implements TextSource {

  @Override
  public void read(Consumer<String> documents) {
    CorpusGenerator.generate(kind, seed, characters).forEach(documents);
  }

  @Override
  public String fingerprint() {
    return Hashing.sha256()
        .hashString(
            "generated " + CorpusGenerator.VERSION + " " + kind + " " + seed + " " + characters,
            StandardCharsets.UTF_8)
        .toString();
  }

  @Override
  public String description() {
    return "the generated corpus " + kind + " of " + characters + " characters, seed " + seed;
  }
}
