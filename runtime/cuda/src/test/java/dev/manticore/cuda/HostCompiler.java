package dev.manticore.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.common.io.Resources;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Compiles the kernels' source for this machine's processor, where there is a compiler of C++. */
final class HostCompiler {

  private final Path directory;
  private final Map<Launcher.Program, Path> programs = new HashMap<>();

  /** Skips the test where there is no compiler. */
  HostCompiler(Path directory) {
    this.directory = directory;
    boolean present =
        Arrays.stream(System.getenv("PATH").split(File.pathSeparator))
            .anyMatch(place -> Files.isExecutable(Path.of(place, "g++")));
    assumeTrue(present, "the kernels' arithmetic is not tested: there is no g++");
  }

  Path program(Launcher.Program program) throws IOException, InterruptedException {
    if (!programs.containsKey(program)) {
      Files.writeString(directory.resolve("kernels.cu"), CudaCompiler.source());
      Path harness = directory.resolve("host.cpp");
      Files.writeString(
          harness,
          Resources.toString(
              Resources.getResource(HostCompiler.class, "host.cpp"), StandardCharsets.UTF_8));
      Path compiled = directory.resolve("host-" + programs.size());
      List<String> command = new ArrayList<>(List.of("g++", "-std=c++17", "-O1", "-Wall"));
      if (!program.define().isEmpty()) {
        command.add("-D" + program.define() + "=" + program.size());
      }
      command.addAll(List.of("-o", compiled.toString(), harness.toString()));
      run(command);
      programs.put(program, compiled);
    }
    return programs.get(program);
  }

  static void run(List<String> command) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as("%s: %s", command, output).isZero();
    assertThat(output).isEmpty();
  }
}
