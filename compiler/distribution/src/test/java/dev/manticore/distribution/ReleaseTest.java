package dev.manticore.distribution;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.net.URI;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Unpacks the archive that the build made, and uses it as one who has nothing else. */
class ReleaseTest {

  private static final Path ARCHIVE = Path.of(System.getProperty("manticore.release"));
  private static final String VERSION = System.getProperty("manticore.version");
  private static final Pattern LINK = Pattern.compile("]\\(([^)#]+)(#[^)]*)?\\)");

  /** A space in the way to a release must not matter. */
  @TempDir(factory = SpacedDirectories.class)
  static Path unpacked;

  private static Path home;

  @TempDir Path directory;

  private record Result(int status, String out, String err) {}

  @BeforeAll
  static void unpack() throws IOException {
    home = unpacked.resolve("manticore-" + VERSION);
    URI uri = URI.create("jar:" + ARCHIVE.toUri());
    try (FileSystem zip =
            FileSystems.newFileSystem(uri, ImmutableMap.of("enablePosixFileAttributes", true));
        Stream<Path> entries = Files.walk(zip.getPath("/"))) {
      for (Path entry : (Iterable<Path>) entries::iterator) {
        Path target = unpacked.resolve(entry.toString().substring(1));
        if (Files.isDirectory(entry)) {
          Files.createDirectories(target);
        } else {
          Files.copy(entry, target);
          Files.setPosixFilePermissions(target, Files.getPosixFilePermissions(entry));
        }
      }
    }
  }

  private Result run(int minutes, String... arguments) throws Exception {
    Path out = directory.resolve("out.txt");
    Path err = directory.resolve("err.txt");
    ProcessBuilder builder =
        new ProcessBuilder(
                ImmutableList.<String>builder()
                    .add(home.resolve("manticore").toString())
                    .add(arguments)
                    .build())
            .directory(Files.createDirectories(directory.resolve("work")).toFile())
            .redirectOutput(out.toFile())
            .redirectError(err.toFile());
    builder.environment().keySet().removeIf(name -> name.startsWith("MANTICORE_"));
    Process process = builder.start();
    process.getOutputStream().close();
    boolean ended = process.waitFor(minutes, TimeUnit.MINUTES);
    if (!ended) {
      process.destroyForcibly();
    }
    assertThat(ended).as("%s ends within %d minutes", List.of(arguments), minutes).isTrue();
    return new Result(process.exitValue(), Files.readString(out), Files.readString(err));
  }

  private Result succeed(String... arguments) throws Exception {
    Result result = run(2, arguments);
    assertThat(result.status()).as(result.err()).isZero();
    return result;
  }

  /** Native code runs only on the platform that the archive was made for. */
  private static void assumeItIsOfThisMachine() {
    String system = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    String processor = System.getProperty("os.arch");
    String platform =
        (system.startsWith("mac") ? "macosx" : "linux")
            + (processor.equals("aarch64") ? "-arm64" : "-x86_64");
    assumeThat(ARCHIVE.getFileName().toString()).endsWith(platform + ".zip");
  }

  /** All files but the archives of classes, which the launcher makes once for each JVM. */
  private static Set<String> content() throws IOException {
    try (Stream<Path> files = Files.walk(home)) {
      return files
          .map(file -> home.relativize(file).toString())
          .filter(file -> !file.endsWith(".jsa"))
          .collect(Collectors.toCollection(TreeSet::new));
    }
  }

  @Test
  void versionRunsFromTheLibrariesAndBuildsNothing() throws Exception {
    Set<String> before = content();

    assertThat(succeed("version").out()).startsWith("manticore " + VERSION + " ");
    assertThat(content()).isEqualTo(before).doesNotContain("pom.xml", "compiler");
  }

  @Test
  void doctorFindsNativeLibraries() throws Exception {
    assumeItIsOfThisMachine();

    assertThat(succeed("doctor").out())
        .containsPattern("ok +ONNX Runtime")
        .containsPattern("ok +Tokenizers");
  }

  @Test
  void quickstartCanBeCompiledFromWherever() throws Exception {
    String recipe = home.resolve("recipes/quickstart.yaml").toString();

    Result result = succeed("compile", recipe, "--dry-run");

    assertThat(result.out().lines()).allSatisfy(line -> assertThat(line).startsWith("run "));
    assertThat(result.out()).contains("search").contains("tune");
  }

  @Test
  void bundledCheckpointsCanBeInspected() throws Exception {
    for (String checkpoint : List.of("gpt-neo-small", "mamba-small")) {
      assertThat(succeed("inspect", home.resolve("checkpoints/" + checkpoint).toString()).out())
          .contains("parameters");
    }
  }

  @Test
  void checkpointsAreThoseOfTheSources() throws IOException {
    for (String file : List.of("gpt-neo-small/model.safetensors", "mamba-small/config.json")) {
      assertThat(home.resolve("checkpoints").resolve(file))
          .hasSameBinaryContentAs(Fixtures.testdata("checkpoints").resolve(file));
    }
  }

  @Test
  void pagesLinkToWhatIsThere() throws IOException {
    try (Stream<Path> files = Files.walk(home)) {
      List<Path> pages = files.filter(file -> file.toString().endsWith(".md")).toList();
      assertThat(pages).contains(home.resolve("README.md"), home.resolve("docs/lint.md"));
      for (Path page : pages) {
        LINK.matcher(Files.readString(page))
            .results()
            .map(match -> match.group(1))
            .filter(link -> !link.contains("://"))
            .forEach(link -> assertThat(page.resolveSibling(link)).as(page + "").exists());
      }
    }
  }

  @Test
  void everyLibraryIsListedUnderALicenceWithItsText() throws IOException {
    String list = Files.readString(home.resolve("licences/THIRD-PARTY.txt"));
    assertThat(list.lines().filter(line -> line.startsWith("     (")))
        .hasSizeGreaterThan(20)
        .allSatisfy(
            line ->
                assertThat(line)
                    .containsPattern("\\((Apache-2.0|MIT|BSD-2-Clause|BSD-3-Clause)\\)"));

    try (Stream<Path> libraries = Files.list(home.resolve("lib"))) {
      libraries
          .map(library -> library.getFileName().toString())
          .filter(library -> library.endsWith(".jar") && !library.startsWith("manticore-"))
          .forEach(
              library ->
                  assertThat(list).containsPattern(":" + library.replaceAll("-[0-9].*", "") + ":"));
    }
  }

  /**
   * Takes minutes, so only when asked for: {@code mvn -pl compiler/distribution -am verify
   * -Dtest=ReleaseTest -DexcludedGroups= -Dsurefire.failIfNoSpecifiedTests=false}.
   */
  @Test
  @Tag("slow")
  void quickstartRunsToItsEnd() throws Exception {
    assumeItIsOfThisMachine();

    Result result = run(30, "compile", home.resolve("recipes/quickstart.yaml").toString());

    assertThat(result.status()).as(result.err()).isZero();
    assertThat(result.out()).contains("hybrid");
    assertThat(directory.resolve("work/runs/quickstart/report.html")).exists();
  }
}
