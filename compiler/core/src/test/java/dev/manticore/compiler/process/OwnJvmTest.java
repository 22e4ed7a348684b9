package dev.manticore.compiler.process;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.compiler.progress.Cancellation;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

final class OwnJvmTest {

  /** Says what it is started with. */
  static final class Echo {
    private Echo() {}

    public static void main(String[] args) {
      System.out.println(
          String.join(
              " ",
              System.getProperty("given"),
              System.getProperty("java.home"),
              System.getProperty("org.bytedeco.javacpp.maxbytes"),
              String.join("+", args)));
    }
  }

  /** Says the command that it would start another with. */
  static final class Command {
    private Command() {}

    public static void main(String[] args) {
      System.out.println(OwnJvm.command(List.of(args), "Main", List.of()));
    }
  }

  @Test
  void anotherCollectorTakesThePlaceOfThisOne() throws IOException {
    assertThat(commandUnder("-XX:+UseParallelGC", "-XX:+UseSerialGC"))
        .contains("-XX:+UseSerialGC")
        .doesNotContain("-XX:+UseParallelGC");
    assertThat(commandUnder("-XX:+UseParallelGC", "-Dother")).contains("-XX:+UseParallelGC");
  }

  /** The command of a virtual machine with one option for another one with another. */
  private static String commandUnder(String option, String other) throws IOException {
    Subprocess.Outcome outcome =
        new Subprocess(
                OwnJvm.command(List.of(option), Command.class.getName(), List.of(other)),
                Path.of("").toAbsolutePath(),
                Duration.ofMinutes(1))
            .run(new Cancellation());
    assertThat(outcome.status()).as(outcome.errors()).hasValue(0);
    return outcome.output();
  }

  @Test
  void anotherJvmHasTheJavaTheOptionsAndTheClassesOfThisOne() throws IOException {
    Subprocess process =
        new Subprocess(
            OwnJvm.command(List.of("-Dgiven=yes"), Echo.class.getName(), List.of("a b", "c")),
            Path.of("").toAbsolutePath(),
            Duration.ofMinutes(1));

    Subprocess.Outcome outcome = process.run(new Cancellation());

    assertThat(outcome.status()).as(outcome.errors()).hasValue(0);
    // The option is given to the tests' own virtual machine.
    assertThat(outcome.output().strip())
        .isEqualTo("yes " + System.getProperty("java.home") + " 0 a b+c");
  }
}
