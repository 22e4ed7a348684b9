package dev.manticore.maven;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JavaCommandTest {

  @TempDir private Path home;

  private ImmutableList<String> words(int version) {
    return new JavaCommand(
            new Jdk(home, version),
            ImmutableList.of("-Xmx8g"),
            ImmutableList.of(Path.of("cli.jar"), Path.of("a b.jar")),
            ImmutableList.of("compile", "--set=name=a b"))
        .words();
  }

  @Test
  void optionsComeBeforeTheProgramAndItsArgumentsAfter() {
    ImmutableList<String> words = words(17);

    assertThat(words.get(0)).isEqualTo(home.resolve("bin/java").toString());
    assertThat(words)
        .contains("-Dai.djl.offline=true", "-Dorg.bytedeco.javacpp.maxbytes=0")
        .endsWith(
            "-Xmx8g",
            "-cp",
            "cli.jar" + File.pathSeparator + "a b.jar",
            "dev.manticore.cli.Main",
            "compile",
            "--set=name=a b");
  }

  @Test
  void optionsThatAnOlderJdkDoesNotKnowAreLeftOut() {
    assertThat(words(21)).noneMatch(word -> word.startsWith("--enable-native-access"));
    assertThat(words(22))
        .contains("--enable-native-access=ALL-UNNAMED")
        .noneMatch(word -> word.startsWith("--sun-misc"));
    assertThat(words(23)).contains("--sun-misc-unsafe-memory-access=allow");
  }

  @Test
  void theVectorModuleIsAddedWhereItIs() throws Exception {
    assertThat(words(25)).doesNotContain("jdk.incubator.vector");
    Files.writeString(home.resolve("release"), "MODULES=\"jdk.incubator.vector\"");

    assertThat(words(25)).containsSequence("--add-modules", "jdk.incubator.vector");
  }

  /**
   * One of the two changed without the other would make the command line and builds differ.
   * Archives of classes are only for starts, of which a build has one.
   */
  @Test
  void theLauncherGivesNoOptionThatIsNotGivenHere() throws Exception {
    String launcher =
        Files.readString(Path.of(System.getProperty("manticore.root")).resolve("manticore"));
    Files.writeString(home.resolve("release"), "MODULES=\"jdk.incubator.vector\"");
    ImmutableList<String> words = words(25);

    Matcher option =
        Pattern.compile(
                "(?<=[\\s(])(-D[\\w.]+=\\d\\b|-D[\\w.]+=true|-XX:(?!\\w*Archive)\\S+|--\\w[\\w-]+=[\\w-]+)")
            .matcher(launcher.substring(launcher.indexOf("\noptions=(")));

    assertThat(option.results().map(result -> result.group(1))).hasSize(6).isSubsetOf(words);
  }
}
