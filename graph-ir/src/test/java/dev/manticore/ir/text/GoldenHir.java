package dev.manticore.ir.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.fail;

import dev.manticore.ir.Graph;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Golden files: graphs in the textual form under {@code src/test/resources/hir} of the module that
 * is tested. Where a graph differs from its file, what it is now is written to {@code target/},
 * under the file's name with {@code _actual}: review the difference, then copy it over.
 */
public final class GoldenHir {

  private static final Path EXPECTED = Path.of("src", "test", "resources", "hir");
  private static final Path ACTUAL = Path.of("target", "hir");

  private GoldenHir() {}

  /** The graph of a file, {@code fold.before.hir} for example. */
  public static Graph read(String name) {
    return HirParser.parse(text(EXPECTED.resolve(name)));
  }

  /** Fails if the graph is not printed as the file, {@code fold.after.hir} for example, has it. */
  public static void assertMatches(Graph graph, String name) {
    String actual = HirPrinter.print(graph);
    Path expected = EXPECTED.resolve(name);
    if (Files.exists(expected) && text(expected).equals(actual)) {
      return;
    }
    Path written = write(actual, name);
    if (!Files.exists(expected)) {
      fail("there is no %s; the graph was written to %s", expected, written);
    }
    assertThat(actual)
        .as("%s; the graph as it is now was written to %s", expected, written)
        .isEqualTo(text(expected));
  }

  private static Path write(String actual, String name) {
    try {
      Files.createDirectories(ACTUAL);
      return Files.writeString(ACTUAL.resolve(name + "_actual"), actual);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
