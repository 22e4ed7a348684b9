package dev.manticore.maven;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import java.io.File;
import java.nio.file.Path;
import java.util.stream.Collectors;

/**
 * The command that starts Manticore in a JVM of its own, with the options that the launcher {@code
 * manticore} gives it.
 *
 * @param jdk what it runs on
 * @param jvmArguments more options for the JVM
 * @param classPath the jars of the command line and of all that it needs
 * @param arguments the verb and its arguments
 */
record JavaCommand(
    Jdk jdk,
    ImmutableList<String> jvmArguments,
    ImmutableList<Path> classPath,
    ImmutableList<String> arguments) {

  private static final String MAIN = "dev.manticore.cli.Main";

  JavaCommand {
    requireNonNull(jdk, "jdk");
    requireNonNull(jvmArguments, "jvmArguments");
    requireNonNull(classPath, "classPath");
    requireNonNull(arguments, "arguments");
  }

  /** The program and its arguments, as the operating system takes them. */
  ImmutableList<String> words() {
    ImmutableList.Builder<String> words = ImmutableList.builder();
    words.add(
        jdk.java().toString(),
        "-Dorg.bytedeco.javacpp.maxbytes=0",
        "-Dorg.bytedeco.javacpp.maxphysicalbytes=0",
        "-Dai.djl.offline=true",
        // The heap is small, tensors lie outside it: the collector with the least memory of its
        // own.
        "-XX:+UseSerialGC",
        // Its output is read as UTF-8 whatever the locale. Older JDKs know the last two only.
        "-Dstdout.encoding=UTF-8",
        "-Dstderr.encoding=UTF-8",
        "-Dsun.stdout.encoding=UTF-8",
        "-Dsun.stderr.encoding=UTF-8");
    if (jdk.hasVectorModule()) {
      words.add("--add-modules", "jdk.incubator.vector");
    }
    // Libraries load native code and use Unsafe; newer JDKs warn unless told that it is meant.
    if (jdk.version() >= 22) {
      words.add("--enable-native-access=ALL-UNNAMED");
    }
    if (jdk.version() >= 23) {
      words.add("--sun-misc-unsafe-memory-access=allow");
    }
    words.addAll(jvmArguments);
    words.add(
        "-cp",
        classPath.stream().map(Path::toString).collect(Collectors.joining(File.pathSeparator)),
        MAIN);
    return words.addAll(arguments).build();
  }
}
