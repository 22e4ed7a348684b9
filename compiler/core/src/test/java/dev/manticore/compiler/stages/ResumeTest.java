package dev.manticore.compiler.stages;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import com.google.common.hash.Hashing;
import com.google.common.io.MoreFiles;
import dev.manticore.compiler.data.CorpusGenerator;
import dev.manticore.compiler.progress.Progress;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A whole compile of tiny models, killed at several moments, and run in two places. */
class ResumeTest {

  private static final long EVERY_STEP = 0;
  private static final long NEVER = 3_600_000;

  private static final String RECIPE =
      """
      name: tiny
      seeds: 1
      threads: 2
      components:
        - pretrain:
            steps: 6
            config: {model_type: mamba, hidden_size: 16, num_hidden_layers: 2, state_size: 4}
        - pretrain:
            steps: 2
            config:
              model_type: gpt_neo
              hidden_size: 16
              num_layers: 2
              num_heads: 2
              max_position_embeddings: 16
              window_size: 8
      splice: {blocks: 1}
      data:
        source: {text: text.txt}
        tokenizer: {train: {vocabulary: 280}}
        length: 16
      training: {batch: 4}
      projectors: {steps: 6}
      search: {steps: 6}
      tune: {steps: 8, accumulation: 2}
      evaluate: {every: 2, batches: 2}
      compare: {components: false}
      output: {verify_batches: 1}
      """;

  /** When a run is killed: at the first event that holds all of some words. */
  private record Kill(long checkpointMillis, ImmutableList<String> words) {
    Kill(long checkpointMillis, String... words) {
      this(checkpointMillis, ImmutableList.copyOf(words));
    }
  }

  static Path prepare(Path directory) throws IOException {
    Files.createDirectories(directory);
    Files.writeString(directory.resolve("recipe.yaml"), RECIPE);
    Files.writeString(
        directory.resolve("text.txt"),
        String.join("\n\n", CorpusGenerator.generate(CorpusGenerator.Kind.MIXED, 3, 8_000)));
    return directory;
  }

  /** SHA-256 of every file of a directory, host facts left out. */
  private static Map<String, String> contents(Path directory) throws IOException {
    Map<String, String> contents = new TreeMap<>();
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        if (!file.getFileName().toString().equals("host.json")) {
          contents.put(
              directory.relativize(file).toString(),
              MoreFiles.asByteSource(file).hash(Hashing.sha256()).toString());
        }
      }
    }
    return contents;
  }

  private static void runAndKill(Path directory, Kill kill) throws Exception {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Dorg.bytedeco.javacpp.maxbytes=0",
                "-Dorg.bytedeco.javacpp.maxphysicalbytes=0",
                "-cp",
                System.getProperty("java.class.path"),
                CompileInProcess.class.getName(),
                directory.toString(),
                Long.toString(kill.checkpointMillis()))
            .redirectErrorStream(true)
            .start();
    StringBuilder output = new StringBuilder();
    try (BufferedReader events =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      String line = events.readLine();
      while (line != null && !kill.words().stream().allMatch(line::contains)) {
        output.append(line).append('\n');
        line = events.readLine();
      }
      assertThat(line).as("the event of %s in%n%s", kill, output).isNotNull();
    } finally {
      process.destroyForcibly();
      process.waitFor();
    }
    assertThat(directory.resolve("output")).doesNotExist();
  }

  @Test
  void runsThatAreKilledEndWithTheBytesOfOneThatIsNot(@TempDir Path scratch) throws Exception {
    Path whole = prepare(scratch.resolve("whole"));
    Path killed = prepare(scratch.resolve("killed"));
    CompileInProcess.compile(whole, NEVER, Progress.quiet());

    runAndKill(killed, new Kill(EVERY_STEP, "\"step\"", "mamba", "\"step\":3"));
    runAndKill(killed, new Kill(EVERY_STEP, "\"step\"", "projectors", "\"step\":4"));
    runAndKill(killed, new Kill(NEVER, "\"step\"", "hybrid", "\"step\":5"));
    runAndKill(killed, new Kill(EVERY_STEP, "\"step\"", "hybrid", "\"step\":7"));
    runAndKill(killed, new Kill(EVERY_STEP, "stage-finished", "tune-hybrid"));
    CompileInProcess.compile(killed, NEVER, Progress.quiet());

    assertThat(contents(killed.resolve("output")))
        .containsKeys("metrics.jsonl", "results.json", "report.html", "manifest.json")
        .isEqualTo(contents(whole.resolve("output")));
    assertThat(contents(killed.resolve("work/stages")))
        .isEqualTo(contents(whole.resolve("work/stages")));
  }
}
