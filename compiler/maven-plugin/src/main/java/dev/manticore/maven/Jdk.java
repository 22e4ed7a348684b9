package dev.manticore.maven;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.Objects.requireNonNull;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A Java installation.
 *
 * @param home the directory that holds {@code bin/java}
 * @param version its feature version, such as 17; 0 where it does not tell
 */
record Jdk(Path home, int version) {

  private static final String VECTOR_MODULE = "jdk.incubator.vector";
  private static final Pattern RELEASE =
      Pattern.compile("^JAVA_VERSION=\"(\\d{1,4})", Pattern.MULTILINE);
  private static final Pattern SPOKEN = Pattern.compile(" version \"(\\d{1,4})");

  Jdk {
    requireNonNull(home, "home");
  }

  /** The installation in a directory; empty when there is none. */
  static Optional<Jdk> at(Path home) {
    Path java = home.resolve("bin").resolve("java");
    if (!Files.isExecutable(java) || Files.isDirectory(java)) {
      return Optional.empty();
    }
    Optional<Integer> version = first(RELEASE, release(home));
    if (version.isEmpty()) {
      version = first(SPOKEN, spoken(java));
    }
    return Optional.of(new Jdk(home, version.orElse(0)));
  }

  Path java() {
    return home.resolve("bin").resolve("java");
  }

  /** Whether kernels can use the vector API on it. */
  boolean hasVectorModule() {
    return Files.exists(home.resolve("jmods").resolve(VECTOR_MODULE + ".jmod"))
        || release(home).contains(VECTOR_MODULE);
  }

  private static Optional<Integer> first(Pattern pattern, String text) {
    Matcher matcher = pattern.matcher(text);
    return matcher.find() ? Optional.of(Integer.valueOf(matcher.group(1))) : Optional.empty();
  }

  private static String release(Path home) {
    try {
      return Files.readString(home.resolve("release"), UTF_8);
    } catch (IOException e) {
      // Some distributions leave the file out.
      return "";
    }
  }

  private static String spoken(Path java) {
    try {
      Process process =
          new ProcessBuilder(java.toString(), "-version").redirectErrorStream(true).start();
      process.getOutputStream().close();
      return new String(process.getInputStream().readAllBytes(), UTF_8);
    } catch (IOException e) {
      // Not a program that runs here: none that could be used.
      return "";
    }
  }
}
