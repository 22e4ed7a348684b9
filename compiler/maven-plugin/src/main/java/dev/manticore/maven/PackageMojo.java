package dev.manticore.maven;

import static java.util.Objects.requireNonNull;

import dev.manticore.compiler.artifact.Manifest;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import javax.inject.Inject;
import org.apache.maven.plugin.AbstractMojo;
import org.apache.maven.plugin.MojoExecutionException;
import org.apache.maven.plugin.MojoFailureException;
import org.apache.maven.plugins.annotations.LifecyclePhase;
import org.apache.maven.plugins.annotations.Mojo;
import org.apache.maven.plugins.annotations.Parameter;
import org.apache.maven.project.MavenProject;
import org.apache.maven.project.MavenProjectHelper;

/**
 * Puts what {@code compile} has left into a zip file, the same bytes for the same files, and
 * attaches it to the project, so that it is installed and deployed with it.
 */
@Mojo(name = "package", defaultPhase = LifecyclePhase.PACKAGE, threadSafe = true)
public final class PackageMojo extends AbstractMojo {

  /** Whether to do nothing. */
  @Parameter(property = "manticore.skip", defaultValue = "false")
  private boolean skip;

  /** The directory that {@code compile} has left. */
  @Parameter(
      property = "manticore.outputDirectory",
      defaultValue = "${project.build.directory}/manticore",
      required = true)
  private File outputDirectory;

  /** The classifier that the zip file is attached with. */
  @Parameter(property = "manticore.classifier", defaultValue = "model", required = true)
  private String classifier;

  /** The directory that the zip file is written to. */
  @Parameter(
      property = "manticore.archiveDirectory",
      defaultValue = "${project.build.directory}",
      required = true)
  private File archiveDirectory;

  /** The name of the zip file, without the classifier. */
  @Parameter(
      property = "manticore.archiveName",
      defaultValue = "${project.build.finalName}",
      required = true)
  private String archiveName;

  /**
   * The time that all entries of the zip file have, in ISO 8601 or in seconds since 1970. Where it
   * is not given, a fixed one.
   */
  @Parameter(
      property = "manticore.outputTimestamp",
      defaultValue = "${project.build.outputTimestamp}")
  private String outputTimestamp;

  @Parameter(defaultValue = "${project}", readonly = true, required = true)
  private MavenProject project;

  private final MavenProjectHelper projectHelper;

  /** Made by Maven, which sets the parameters. */
  @Inject
  public PackageMojo(MavenProjectHelper projectHelper) {
    this.projectHelper = requireNonNull(projectHelper, "projectHelper");
  }

  @Override
  public void execute() throws MojoExecutionException, MojoFailureException {
    if (skip) {
      getLog().info("Skipped, as manticore.skip says.");
      return;
    }
    Path directory = outputDirectory.toPath();
    if (!Files.isRegularFile(directory.resolve(Manifest.FILE))) {
      throw new MojoFailureException(
          "There is no compiled hybrid in " + directory + ": run the goal compile before");
    }
    Path archive =
        archiveDirectory.toPath().resolve(archiveName + "-" + classifier.strip() + ".zip");
    try {
      Files.createDirectories(archive.getParent());
      ReproducibleZip.write(directory, archive, time());
    } catch (IOException e) {
      throw new MojoExecutionException(archive + " cannot be written: " + e.getMessage(), e);
    }
    projectHelper.attachArtifact(project, "zip", classifier.strip(), archive.toFile());
    getLog().info("Attached " + archive);
  }

  private Instant time() throws MojoFailureException {
    try {
      return ReproducibleZip.time(outputTimestamp);
    } catch (DateTimeParseException e) {
      throw new MojoFailureException(
          "project.build.outputTimestamp is '"
              + outputTimestamp
              + "': it must be a time such as 2026-01-01T00:00:00Z, or seconds since 1970",
          e);
    }
  }
}
