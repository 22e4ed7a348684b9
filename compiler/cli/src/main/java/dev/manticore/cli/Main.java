package dev.manticore.cli;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.pipeline.Pipeline;
import dev.manticore.compiler.progress.GracefulStop;
import dev.manticore.compiler.stages.CompilePipeline;
import dev.manticore.runtime.Devices;
import java.time.Duration;
import java.util.concurrent.Callable;

/** The program {@code manticore}. */
public final class Main {

  /** A step takes seconds; what is killed after this long can be gone on with all the same. */
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  private Main() {}

  /** Runs one command and ends the JVM with its status. */
  public static void main(String[] args) {
    Terminal terminal = Terminal.system();
    GracefulStop stop =
        GracefulStop.install(
            terminal.cancellation(),
            PATIENCE,
            () -> terminal.err().println("Stopped at once; what was saved before is kept."));
    int status = new Application(terminal, verbs(terminal, pipelines())).run(args);
    stop.ended();
    System.exit(status);
  }

  /** All verbs of the command. */
  static ImmutableList<Callable<Integer>> verbs(Terminal terminal, Pipeline.Factory pipelines) {
    return ImmutableList.of(
        new CompileCommand(terminal, pipelines),
        new SearchCommand(terminal),
        new SelectCommand(terminal),
        new TuneCommand(terminal),
        new LandscapeCommand(terminal),
        new CleanCommand(terminal, pipelines),
        new ReproduceCommand(terminal, pipelines),
        new PretrainCommand(terminal),
        new SpliceCommand(terminal),
        new ProjectorsCommand(terminal),
        new EngineCommand(terminal),
        new TritonCommand(terminal),
        new ServeCommand(terminal),
        new InspectCommand(terminal),
        new VerifyCommand(terminal),
        new LintCommand(terminal),
        new ConvertCommand(terminal),
        new ExtractCommand(terminal),
        new ReduceCommand(terminal),
        new CanonicaliseCommand(terminal),
        new DiffCommand(terminal),
        new ConformanceCommand(terminal),
        new GenerateCommand(terminal),
        new MadCommand(terminal),
        new LraCommand(terminal),
        new BenchCommand(terminal),
        new DoctorCommand(terminal),
        new VersionCommand(terminal));
  }

  /** What compiles a recipe here. */
  static Pipeline.Factory pipelines() {
    return recipe -> CompilePipeline.of(recipe, Devices.byName(recipe.recipe().device()));
  }
}
