package dev.manticore.maven;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The plugin's descriptor, of which Maven makes its help, beside the page that people read. */
class DocumentationTest {

  private String descriptor;
  private String page;

  @BeforeEach
  void read() throws IOException {
    try (InputStream in = CompileMojo.class.getResourceAsStream("/META-INF/maven/plugin.xml")) {
      descriptor = new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
    Path root = Path.of(System.getProperty("manticore.root"));
    page = Files.readString(root.resolve("docs/maven-plugin.md"));
  }

  private static Set<String> all(String pattern, String text) {
    return Pattern.compile(pattern)
        .matcher(text)
        .results()
        .map((MatchResult result) -> result.group(1))
        .collect(Collectors.toSet());
  }

  @Test
  void thePageHasAllGoalsAndParameters() {
    assertThat(all("<goal>(\\w+)</goal>", descriptor))
        .containsExactlyInAnyOrder("compile", "verify", "package", "help")
        .isEqualTo(all("### `manticore:(\\w+)`", page));
    assertThat(all(">\\$\\{(manticore\\.\\w+)\\}<", descriptor))
        .hasSize(11)
        .isEqualTo(all("\\| `(manticore\\.\\w+)` \\|", page));
  }

  @Test
  void everyGoalMayRunInSeveralModulesAndWithoutANetwork() {
    assertThat(all("<threadSafe>(\\w+)<", descriptor)).containsExactly("true");
    assertThat(all("<requiresOnline>(\\w+)<", descriptor)).containsExactly("false");
  }
}
