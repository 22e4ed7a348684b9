package dev.manticore.maven;

import com.google.common.collect.ImmutableList;
import java.io.File;
import org.apache.maven.plugins.annotations.LifecyclePhase;
import org.apache.maven.plugins.annotations.Mojo;
import org.apache.maven.plugins.annotations.Parameter;

/**
 * Checks what {@code compile} has left: that every file is the one that its manifest describes, and
 * that the exported models compute what the hybrid does, within the limit of the recipe. Fails the
 * build when they do not.
 */
@Mojo(name = "verify", defaultPhase = LifecyclePhase.VERIFY, threadSafe = true)
public final class VerifyMojo extends AbstractManticoreMojo {

  /** The directory that {@code compile} has left. */
  @Parameter(
      property = "manticore.outputDirectory",
      defaultValue = "${project.build.directory}/manticore",
      required = true)
  private File outputDirectory;

  @Override
  ImmutableList<String> arguments() {
    ImmutableList.Builder<String> arguments = ImmutableList.builder();
    arguments.add("verify", outputDirectory.getAbsolutePath());
    if (getLog().isDebugEnabled()) {
      arguments.add("--verbose");
    }
    return arguments.build();
  }
}
