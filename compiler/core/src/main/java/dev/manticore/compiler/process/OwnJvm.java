package dev.manticore.compiler.process;

import com.google.common.collect.ImmutableList;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.List;

/** Another virtual machine like this one. */
public final class OwnJvm {

  private OwnJvm() {}

  /**
   * The command that starts a class with the Java, the options and the class path of this process.
   *
   * @param options more options, which win over those of this process
   * @param main the class
   */
  public static ImmutableList<String> command(
      List<String> options, String main, List<String> arguments) {
    ImmutableList.Builder<String> command = ImmutableList.builder();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        // A debugger waits for one process.
        .filter(option -> !option.startsWith("-agentlib:jdwp"))
        // Two are refused.
        .filter(option -> !isCollector(option) || options.stream().noneMatch(OwnJvm::isCollector))
        .forEach(command::add);
    command.addAll(options);
    command.add("-cp", System.getProperty("java.class.path"), main);
    return command.addAll(arguments).build();
  }

  private static boolean isCollector(String option) {
    return option.matches("-XX:\\+Use\\w+GC");
  }
}
