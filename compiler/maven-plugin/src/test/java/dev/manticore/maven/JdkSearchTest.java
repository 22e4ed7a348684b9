package dev.manticore.maven;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JdkSearchTest {

  @TempDir private Path root;

  private Path jdk(String place, String release) throws IOException {
    Path home = root.resolve(place);
    Path java = Files.createDirectories(home.resolve("bin")).resolve("java");
    Files.writeString(java, "#!/bin/sh\necho 'openjdk version \"21.0.1\" 2023-10-17' >&2\n");
    assertThat(java.toFile().setExecutable(true)).isTrue();
    if (!release.isEmpty()) {
      Files.writeString(home.resolve("release"), release);
    }
    return home;
  }

  private static String version(String version) {
    return "IMPLEMENTOR=\"Somebody\"\nJAVA_VERSION=\"" + version + "\"\n";
  }

  @Test
  void theNewestIsTakenWhereverItIs() throws IOException {
    Path named = jdk("named", version("17.0.2"));
    jdk("usr/lib/jvm/java-21", version("21.0.1"));
    Path newest = jdk("home/.sdkman/candidates/java/25-tem", version("25.0.3"));
    jdk("opt/jdk-24", version("24"));
    jdk("opt/something-26", version("26"));

    JdkSearch search =
        JdkSearch.of(
            root,
            ImmutableMap.of(
                "JAVA_HOME", named.toString(), "HOME", root.resolve("home").toString()));

    assertThat(search.newest()).hasValue(new Jdk(newest, 25));
  }

  @Test
  void theJavaOnThePathIsFoundThroughLinks() throws IOException {
    Path home = jdk("somewhere/jdk", version("22.0.1")).toRealPath();
    Path bin = Files.createDirectories(root.resolve("bin"));
    Files.createSymbolicLink(bin.resolve("java"), home.resolve("bin/java"));

    assertThat(JdkSearch.of(root, ImmutableMap.of("PATH", bin.toString())).newest())
        .hasValue(new Jdk(home, 22));
  }

  @Test
  void ofTwoOfOneVersionTheFirstIsTaken() throws IOException {
    Path first = jdk("b", version("25"));
    Path second = jdk("a", version("25.0.3"));

    assertThat(new JdkSearch(ImmutableList.of(first, second)).newest())
        .hasValue(new Jdk(first, 25));
  }

  @Test
  void oldOnesAndDirectoriesWithoutJavaDoNotCount() throws IOException {
    Path old = jdk("old", version("11.0.20"));
    Path oldest = jdk("oldest", version("1.8.0_392"));
    Path empty = Files.createDirectories(root.resolve("empty"));

    assertThat(
            new JdkSearch(ImmutableList.of(old, oldest, empty, root.resolve("missing"))).newest())
        .isEmpty();
  }

  @Test
  void withoutAReleaseFileJavaIsAsked() throws IOException {
    Path home = jdk("jdk", "");

    assertThat(Jdk.at(home)).hasValue(new Jdk(home, 21));
  }

  @Test
  void theVectorModuleIsFoundByItsFileOrInTheRelease() throws IOException {
    Path without = jdk("without", version("25"));
    Path linked = jdk("linked", version("25") + "MODULES=\"java.base jdk.incubator.vector\"\n");
    Path packaged = jdk("packaged", version("25"));
    Files.createDirectories(packaged.resolve("jmods"));
    Files.createFile(packaged.resolve("jmods/jdk.incubator.vector.jmod"));

    assertThat(new Jdk(without, 25).hasVectorModule()).isFalse();
    assertThat(new Jdk(linked, 25).hasVectorModule()).isTrue();
    assertThat(new Jdk(packaged, 25).hasVectorModule()).isTrue();
  }

  @Test
  void thisMachineHasTheOneThatTheTestRunsOnAtLeast() {
    assertThat(JdkSearch.ofThisMachine().newest())
        .hasValueSatisfying(
            jdk -> assertThat(jdk.version()).isGreaterThanOrEqualTo(Runtime.version().feature()));
  }
}
