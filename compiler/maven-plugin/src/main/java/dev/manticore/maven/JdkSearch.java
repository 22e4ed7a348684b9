package dev.manticore.maven;

import static java.util.Objects.requireNonNull;

import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import java.io.File;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Finds the newest JDK where the launcher {@code manticore} looks for one: {@code JAVA_HOME}, the
 * {@code java} on the path, and where packages and version managers put JDKs. The Java that Maven
 * runs on is one of the candidates.
 */
final class JdkSearch {

  /** The oldest version that Manticore runs on. */
  static final int OLDEST = 17;

  private final ImmutableList<Path> candidates;

  /**
   * @param candidates directories that may hold a JDK; of two of one version the first is taken
   */
  JdkSearch(ImmutableList<Path> candidates) {
    this.candidates = requireNonNull(candidates, "candidates");
  }

  /** Searches this machine. */
  static JdkSearch ofThisMachine() {
    return of(
        Path.of(System.getProperty("java.home")).toAbsolutePath().getRoot(),
        ImmutableMap.<String, String>builder()
            .putAll(System.getenv())
            .put("java.home", System.getProperty("java.home"))
            .buildKeepingLast());
  }

  /**
   * Searches a file system.
   *
   * @param root of the file system
   * @param environment the environment variables, and the property {@code java.home}
   */
  static JdkSearch of(Path root, ImmutableMap<String, String> environment) {
    ImmutableList.Builder<Path> candidates = ImmutableList.builder();
    Optional.ofNullable(environment.get("JAVA_HOME"))
        .filter(home -> !home.isBlank())
        .ifPresent(home -> candidates.add(Path.of(home)));
    Optional.ofNullable(environment.get("java.home"))
        .ifPresent(home -> candidates.add(Path.of(home)));
    onPath(environment.getOrDefault("PATH", "")).ifPresent(candidates::add);
    candidates.addAll(children(root.resolve("usr/lib/jvm"), "*"));
    candidates.addAll(children(root.resolve("usr/java"), "*"));
    candidates.addAll(children(root.resolve("opt/java"), "*"));
    candidates.addAll(children(root.resolve("opt"), "jdk*"));
    Optional.ofNullable(environment.get("HOME"))
        .filter(home -> !home.isBlank())
        .map(Path::of)
        .ifPresent(
            home -> {
              candidates.addAll(children(home.resolve(".sdkman/candidates/java"), "*"));
              candidates.addAll(children(home.resolve(".jdks"), "*"));
            });
    for (Path bundle : children(root.resolve("Library/Java/JavaVirtualMachines"), "*")) {
      candidates.add(bundle.resolve("Contents/Home"));
    }
    for (Path formula : children(root.resolve("opt/homebrew/opt"), "openjdk*")) {
      candidates.add(formula.resolve("libexec/openjdk.jdk/Contents/Home"));
    }
    return new JdkSearch(candidates.build());
  }

  /** The newest JDK found that Manticore runs on. */
  Optional<Jdk> newest() {
    Jdk newest = null;
    for (Path candidate : candidates) {
      Optional<Jdk> found = Jdk.at(candidate);
      if (found.isPresent() && (newest == null || found.get().version() > newest.version())) {
        newest = found.get();
      }
    }
    return Optional.ofNullable(newest).filter(jdk -> jdk.version() >= OLDEST);
  }

  private static Optional<Path> onPath(String path) {
    for (String directory : Splitter.on(File.pathSeparatorChar).omitEmptyStrings().split(path)) {
      Path java = Path.of(directory, "java");
      if (Files.isExecutable(java) && !Files.isDirectory(java)) {
        try {
          // Usually a link into the installation.
          Path bin = java.toRealPath().getParent();
          return Optional.ofNullable(bin).map(Path::getParent);
        } catch (IOException e) {
          return Optional.empty();
        }
      }
    }
    return Optional.empty();
  }

  /** In the order of their names, since the order of a directory is nobody's choice. */
  private static List<Path> children(Path directory, String glob) {
    List<Path> children = new ArrayList<>();
    if (Files.isDirectory(directory)) {
      try (DirectoryStream<Path> found = Files.newDirectoryStream(directory, glob)) {
        found.forEach(children::add);
      } catch (IOException e) {
        // What cannot be listed holds no JDK that could be used.
        return List.of();
      }
    }
    children.sort(null);
    return children;
  }
}
