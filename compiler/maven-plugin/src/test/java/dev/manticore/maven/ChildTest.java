package dev.manticore.maven;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.maven.plugin.logging.SystemStreamLog;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ChildTest {

  @TempDir private Path directory;

  private final LinesLog log = new LinesLog();

  /** Keeps what it is told. */
  private static final class LinesLog extends SystemStreamLog {
    private final BlockingQueue<String> lines = new LinkedBlockingQueue<>();

    @Override
    public void info(CharSequence content) {
      lines.add("info " + content);
    }

    @Override
    public void warn(CharSequence content) {
      lines.add("warn " + content);
    }
  }

  private Child child(String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"));
    command.addAll(List.of("-Dstdout.encoding=UTF-8", "-Dsun.stdout.encoding=UTF-8"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Speaker.class.getName()));
    command.addAll(List.of(arguments));
    return new Child(command, directory, log);
  }

  @Test
  void whatItSaysIsLogged() throws Exception {
    Child.Outcome outcome = child("[1/3] tokenizer", "done", "!a remark", "0").run();

    assertThat(outcome.status()).isZero();
    assertThat(log.lines).containsExactly("info [1/3] tokenizer", "info done", "warn a remark");
  }

  @Test
  void whatWentWrongIsKeptForOneMessage() throws Exception {
    Child.Outcome outcome =
        child(
                "!WARNING: Using incubator modules: jdk.incubator.vector",
                "[1/3] tokenizer",
                "!WARN something of a library",
                "!recipe.yaml has 2 errors:",
                "!  a [MNT-RECIPE-INVALID]",
                "2")
            .run();

    assertThat(outcome.status()).isEqualTo(2);
    assertThat(outcome.message().lines())
        .containsExactly("recipe.yaml has 2 errors:", "  a [MNT-RECIPE-INVALID]");
    assertThat(log.lines)
        .containsExactlyInAnyOrder("info [1/3] tokenizer", "warn WARN something of a library");
  }

  @Test
  void anInterruptEndsIt() throws Exception {
    AtomicReference<Exception> thrown = new AtomicReference<>();
    Child child = child("ready", "wait");
    Thread thread =
        new Thread(
            () -> {
              try {
                child.run();
              } catch (IOException | InterruptedException e) {
                thrown.set(e);
              }
            });
    thread.start();
    assertThat(log.lines.poll(60, TimeUnit.SECONDS)).isEqualTo("info ready");

    thread.interrupt();
    thread.join();

    assertThat(thrown.get()).isInstanceOf(InterruptedException.class);
    assertThat(ProcessHandle.current().descendants())
        .noneMatch(
            process ->
                process.isAlive() && process.info().commandLine().orElse("").contains("Speaker"));
  }

  @Test
  void whatCannotBeStartedIsAnError() {
    Child child = new Child(List.of(directory.resolve("missing").toString()), directory, log);

    assertThatThrownBy(child::run).isInstanceOf(IOException.class);
  }
}
