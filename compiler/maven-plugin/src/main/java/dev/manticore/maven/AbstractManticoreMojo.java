package dev.manticore.maven;

import com.google.common.collect.ImmutableList;
import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.apache.maven.artifact.Artifact;
import org.apache.maven.plugin.AbstractMojo;
import org.apache.maven.plugin.MojoExecutionException;
import org.apache.maven.plugin.MojoFailureException;
import org.apache.maven.plugins.annotations.Parameter;

/** A goal that runs a verb of the command line in a JVM of its own. */
abstract class AbstractManticoreMojo extends AbstractMojo {

  private static final int OK = 0;
  private static final int FAILED = 1;
  private static final int USAGE = 2;
  private static final int INTERRUPTED = 130;

  /** Whether to do nothing. */
  @Parameter(property = "manticore.skip", defaultValue = "false")
  private boolean skip;

  /**
   * The JDK to run Manticore on, 17 or later. By default the newest one found, since kernels are
   * faster on newer ones; Maven's own may be older.
   */
  @Parameter(property = "manticore.javaHome")
  private File javaHome;

  /** More options for the JVM that Manticore runs in, such as {@code -Xmx8g}. */
  @Parameter(property = "manticore.jvmArguments")
  private List<String> jvmArguments;

  @Parameter(defaultValue = "${project.basedir}", readonly = true, required = true)
  private File basedir;

  @Parameter(defaultValue = "${plugin.artifacts}", readonly = true, required = true)
  private List<Artifact> pluginArtifacts;

  @Override
  public final void execute() throws MojoExecutionException, MojoFailureException {
    if (skip) {
      getLog().info("Skipped, as manticore.skip says.");
      return;
    }
    run(arguments());
  }

  /** The verb and its arguments. */
  abstract ImmutableList<String> arguments();

  private void run(ImmutableList<String> arguments)
      throws MojoExecutionException, MojoFailureException {
    JavaCommand command = new JavaCommand(jdk(), given(jvmArguments), classPath(), arguments);
    getLog().debug("Running " + String.join(" ", command.words()));
    Child.Outcome outcome;
    try {
      outcome = new Child(command.words(), basedir.toPath(), getLog()).run();
    } catch (IOException e) {
      throw new MojoExecutionException(
          command.jdk().java()
              + " cannot be started: "
              + e.getMessage()
              + "; choose another JDK with manticore.javaHome",
          e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new MojoExecutionException("Stopped. What was done is kept; a later build goes on.", e);
    }
    switch (outcome.status()) {
      case OK -> {}
      case FAILED, USAGE ->
          throw new MojoFailureException(
              outcome.message().isEmpty()
                  ? "manticore " + arguments.get(0) + " failed; its reasons are above"
                  : outcome.message());
      case INTERRUPTED ->
          throw new MojoExecutionException(
              "Stopped. What was done is kept; a later build goes on.");
      default ->
          throw new MojoExecutionException(
              String.format(
                  "manticore %s ended with status %d: %s",
                  arguments.get(0), outcome.status(), outcome.message()));
    }
  }

  private Jdk jdk() throws MojoFailureException {
    if (javaHome == null) {
      return JdkSearch.ofThisMachine()
          .newest()
          .orElseThrow(
              () ->
                  new MojoFailureException(
                      "Manticore needs a JDK, version 17 or later, and none was found; install one, or"
                          + " name one with manticore.javaHome"));
    }
    Optional<Jdk> named = Jdk.at(javaHome.toPath());
    if (named.isEmpty() || named.get().version() < JdkSearch.OLDEST) {
      throw new MojoFailureException(
          String.format(
              "manticore.javaHome is %s, which %s; name a JDK, version 17 or later",
              javaHome,
              named.map(jdk -> "is of version " + jdk.version()).orElse("holds no bin/java")));
    }
    return named.get();
  }

  private ImmutableList<Path> classPath() {
    return pluginArtifacts.stream()
        .filter(artifact -> artifact.getFile() != null)
        .map(artifact -> artifact.getFile().toPath())
        .collect(ImmutableList.toImmutableList());
  }

  /** The elements of a list of the configuration, in which Maven puts nulls for empty ones. */
  static ImmutableList<String> given(List<String> values) {
    return values == null
        ? ImmutableList.of()
        : values.stream()
            .filter(value -> value != null && !value.isBlank())
            .collect(ImmutableList.toImmutableList());
  }
}
