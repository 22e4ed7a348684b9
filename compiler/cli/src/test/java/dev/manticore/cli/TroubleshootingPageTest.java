package dev.manticore.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Keeps the codes of {@code docs/troubleshooting.md} those of the sources. */
class TroubleshootingPageTest {

  private static final Pattern IN_SOURCES = Pattern.compile("\"(MNT-[A-Z]+(-[A-Z]+)*)\"");
  private static final Pattern IN_TABLES = Pattern.compile("`(MNT-[A-Z]+(-[A-Z]+)*)`");

  private static Set<String> codes(Pattern pattern, String text) {
    return pattern
        .matcher(text)
        .results()
        .map(match -> match.group(1))
        .collect(Collectors.toCollection(TreeSet::new));
  }

  @Test
  void everyCodeIsExplainedAndNoOther() throws IOException {
    Path root = Fixtures.projectRoot();
    Set<String> thrown = new TreeSet<>();
    for (String module : List.of("graph-ir", "onnx-export", "runtime", "compiler")) {
      try (Stream<Path> files = Files.walk(root.resolve(module))) {
        List<Path> sources =
            files
                .filter(file -> file.toString().endsWith(".java"))
                .filter(file -> file.toString().contains("/src/main/"))
                .toList();
        for (Path source : sources) {
          thrown.addAll(codes(IN_SOURCES, Files.readString(source)));
        }
      }
    }
    Set<String> explained = new TreeSet<>();
    for (String line : Files.readAllLines(root.resolve("docs/troubleshooting.md"))) {
      if (line.startsWith("| `MNT-")) {
        explained.addAll(codes(IN_TABLES, line.substring(0, line.indexOf(" | "))));
      }
    }

    assertThat(thrown).hasSizeGreaterThan(40);
    assertThat(explained).isEqualTo(thrown);
  }
}
