package dev.manticore.testdata;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Locates files that tests and benchmarks read: those of this project under {@code testdata/}, and
 * the shared fixtures beside the project, which may be absent.
 */
public final class Fixtures {

  private Fixtures() {}

  /**
   * The root of the source tree, from the system property {@code manticore.root} or the working
   * directory.
   */
  public static Path projectRoot() {
    String configured = System.getProperty("manticore.root");
    Path start = Path.of(configured == null ? "" : configured).toAbsolutePath().normalize();
    for (Path directory = start; directory != null; directory = directory.getParent()) {
      if (Files.isDirectory(directory.resolve("graph-ir"))
          && Files.isDirectory(directory.resolve("testdata"))) {
        return directory;
      }
    }
    throw new IllegalStateException("no source tree of Manticore at or above " + start);
  }

  /** A path under {@code testdata/} of the source tree. */
  public static Path testdata(String relative) {
    return projectRoot().resolve("testdata").resolve(relative);
  }

  /** A path under the shared folder beside the project, if it is there. */
  public static Optional<Path> shared(String relative) {
    Path path = projectRoot().resolveSibling("shared").resolve(relative);
    return Files.exists(path) ? Optional.of(path) : Optional.empty();
  }
}
