package dev.manticore.maven;

import com.google.common.collect.ImmutableList;
import java.io.File;
import java.util.List;
import org.apache.maven.plugins.annotations.LifecyclePhase;
import org.apache.maven.plugins.annotations.Mojo;
import org.apache.maven.plugins.annotations.Parameter;

/**
 * Builds the hybrid that a recipe describes: searches, tunes, verifies, exports. A second run does
 * nothing, a changed recipe redoes what changed, and a stopped run goes on where it was.
 */
@Mojo(name = "compile", defaultPhase = LifecyclePhase.COMPILE, threadSafe = true)
public final class CompileMojo extends AbstractManticoreMojo {

  /** The recipe, a YAML file. Relative paths in it are taken from its directory. */
  @Parameter(
      property = "manticore.recipe",
      defaultValue = "${project.basedir}/src/main/manticore/recipe.yaml",
      required = true)
  private File recipe;

  /**
   * Values of the recipe to override, each as {@code key=value}, such as {@code tune.steps=500}.
   * Relative paths are taken from the project's directory.
   */
  @Parameter(property = "manticore.set")
  private List<String> set;

  /** The directory that the result becomes. An earlier result in its place is replaced. */
  @Parameter(
      property = "manticore.outputDirectory",
      defaultValue = "${project.build.directory}/manticore",
      required = true)
  private File outputDirectory;

  /**
   * Where stages are kept between runs. One outside the build directory outlasts {@code mvn clean}.
   * Only one run at a time can use it.
   */
  @Parameter(
      property = "manticore.workDirectory",
      defaultValue = "${project.build.directory}/manticore-work",
      required = true)
  private File workDirectory;

  @Override
  ImmutableList<String> arguments() {
    ImmutableList.Builder<String> arguments = ImmutableList.builder();
    arguments.add("compile", recipe.getAbsolutePath());
    arguments.add("--output", outputDirectory.getAbsolutePath());
    arguments.add("--work", workDirectory.getAbsolutePath());
    given(set).forEach(value -> arguments.add("--set=" + value));
    if (getLog().isDebugEnabled()) {
      arguments.add("--verbose");
    }
    return arguments.build();
  }
}
