package dev.manticore.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.pipeline.Pipeline;
import dev.manticore.compiler.pipeline.Stage;
import dev.manticore.compiler.pipeline.StageContext;
import dev.manticore.compiler.pipeline.StageInputs;
import dev.manticore.compiler.pipeline.StageRunner;
import dev.manticore.compiler.recipe.ResolvedRecipe;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import picocli.CommandLine.Command;

class ApplicationTest extends VerbTest {

  private static final String RECIPE =
      """
      name: tiny
      components:
        - pretrain: {config: {model_type: mamba}}
        - pretrain: {config: {model_type: gpt_neo}}
      """;

  @BeforeEach
  void writeRecipe() throws IOException {
    Files.writeString(directory.resolve("tiny.yaml"), RECIPE);
  }

  /** Writes the number of tuning steps, and can be interrupted before. */
  private record StepsStage(StageInputs inputs, String steps) implements Stage<String> {
    @Override
    public String name() {
      return "steps";
    }

    @Override
    public int version() {
      return 1;
    }

    @Override
    public void run(StageContext context) throws IOException {
      context.cancellation().throwIfRequested();
      Files.writeString(context.directory().resolve("steps.txt"), steps);
    }

    @Override
    public String result(Path directory) throws IOException {
      return Files.readString(directory.resolve("steps.txt"));
    }
  }

  private record StepsPipeline(StepsStage stage) implements Pipeline {
    static StepsPipeline of(ResolvedRecipe recipe) {
      return new StepsPipeline(
          new StepsStage(
              StageInputs.builder().values(recipe.values("tune")).build(),
              Integer.toString(recipe.recipe().tune().steps())));
    }

    @Override
    public ImmutableList<Stage<?>> stages() {
      return ImmutableList.of(stage);
    }

    @Override
    public Summary publish(StageRunner results, Path directory) throws IOException {
      Files.writeString(directory.resolve("manifest.json"), "{}");
      String steps = results.result(stage);
      return new Summary(steps + " steps", "{\"steps\":" + steps + "}");
    }
  }

  @Command(name = "break")
  private static final class BreakingCommand implements Callable<Integer> {
    @Override
    public Integer call() {
      throw new IllegalStateException("broken inside");
    }
  }

  @Override
  ImmutableList<Callable<Integer>> verbs(Terminal terminal) {
    return ImmutableList.<Callable<Integer>>builder()
        .addAll(Main.verbs(terminal, StepsPipeline::of))
        .add(new BreakingCommand())
        .build();
  }

  @Test
  void compileWritesTheResultAndItsResolvedRecipe() throws IOException {
    assertThat(run("compile", "tiny.yaml", "--set", "tune.steps=7")).isEqualTo(ExitCode.OK);

    assertThat(out()).isEqualTo("7 steps" + System.lineSeparator());
    assertThat(err()).contains("[1/1] steps");
    assertThat(Files.readString(directory.resolve("runs/tiny/recipe.yaml"))).contains("steps: 7");
    assertThat(directory.resolve(".manticore/stages")).isNotEmptyDirectory();
  }

  @Test
  void secondCompileReusesTheStage() {
    run("compile", "tiny.yaml");
    run("compile", "tiny.yaml", "-o", "elsewhere");

    assertThat(err()).contains("[1/1] steps: done before");
    assertThat(directory.resolve("elsewhere/manifest.json")).exists();
  }

  @Test
  void secondCompileToTheSamePlaceDoesNothingAndSaysSo() throws IOException {
    run("compile", "tiny.yaml", "--set", "tune.steps=7");
    FileTime before = Files.getLastModifiedTime(directory.resolve("runs/tiny/manifest.json"));

    assertThat(run("compile", "tiny.yaml", "--set", "tune.steps=7")).isEqualTo(ExitCode.OK);

    assertThat(err().strip())
        .isEqualTo(directory.resolve("runs/tiny") + ": up to date, nothing to do");
    assertThat(out()).isEqualTo("7 steps" + System.lineSeparator());
    assertThat(Files.getLastModifiedTime(directory.resolve("runs/tiny/manifest.json")))
        .isEqualTo(before);
    run("compile", "tiny.yaml", "--set", "tune.steps=7", "--json");
    assertThat(out().lines()).hasSize(2).first().asString().contains("up-to-date");
    assertThat(out().lines().reduce((a, b) -> b)).hasValue("{\"steps\":7}");
  }

  @Test
  void resultThatWasChangedIsWrittenAgain() throws IOException {
    run("compile", "tiny.yaml");
    Files.writeString(directory.resolve("runs/tiny/manifest.json"), "{ }");

    run("compile", "tiny.yaml");

    assertThat(err()).contains("[1/1] steps: done before").doesNotContain("up to date");
    assertThat(directory.resolve("runs/tiny/manifest.json")).hasContent("{}");
    run("compile", "tiny.yaml", "--set", "name=other", "-o", "runs/tiny");
    assertThat(err()).doesNotContain("up to date");
    run("clean", "--all");
    run("compile", "tiny.yaml", "--set", "name=other", "-o", "runs/tiny");
    assertThat(err()).doesNotContain("up to date");
  }

  @Test
  void progressGoesToStandardOutputWhereAsked() {
    environment = ImmutableMap.of("MANTICORE_PROGRESS", "out");

    run("compile", "tiny.yaml");

    assertThat(out()).contains("[1/1] steps");
    assertThat(err()).isEmpty();
  }

  @Test
  void verifyWithoutAReferenceNeedsACompiledHybrid() {
    assertThat(run("verify", ".")).isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("is not the directory of a compiled hybrid").contains("--against");
    assertThat(run("verify", ".", "--gradients")).isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("need --against");
  }

  @Test
  void dryRunSaysWhatWouldBeDoneAndDoesNothing() {
    assertThat(run("compile", "tiny.yaml", "--dry-run")).isEqualTo(ExitCode.OK);

    assertThat(out()).startsWith("run     steps-").contains("it has not run before");
    assertThat(directory.resolve(".manticore")).doesNotExist();
  }

  @Test
  void jsonEndsWithTheResult() {
    run("compile", "tiny.yaml", "--json");

    assertThat(out().lines().reduce((a, b) -> b)).hasValue("{\"steps\":200}");
    assertThat(err()).isEmpty();
  }

  @Test
  void explainConfigShowsSources() {
    run("compile", "tiny.yaml", "--explain-config", "--set", "tune.steps=7");

    assertThat(out().lines().map(line -> line.replaceAll(" +", " ")))
        .contains("name \"tiny\" tiny.yaml:1", "tune.steps 7 --set", "seeds 3 default");
  }

  @Test
  void wrongRecipeIsOneMessageAndStatusTwo() {
    assertThat(run("compile", "tiny.yaml", "--set", "tune.stesp=7")).isEqualTo(ExitCode.USAGE);

    assertThat(err().strip())
        .isEqualTo("--set: tune.stesp: unknown key; did you mean 'steps'? [MNT-RECIPE-INVALID]");
  }

  @Test
  void wrongArgumentsAreStatusTwo() {
    assertThat(run("compile")).isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("RECIPE").contains("Try 'manticore compile --help'.");
    assertThat(run("compil", "x")).isEqualTo(ExitCode.USAGE);
    assertThat(err()).contains("compile");
    assertThat(run()).isEqualTo(ExitCode.USAGE);
  }

  @Test
  void directoriesOfOthersAreNotReplaced() throws IOException {
    Path other = Files.createDirectories(directory.resolve("mine"));
    Files.writeString(other.resolve("thesis.txt"), "x");

    assertThat(run("compile", "tiny.yaml", "-o", "mine")).isEqualTo(ExitCode.USAGE);

    assertThat(err()).contains("is not a result of Manticore").contains("MNT-OUTPUT");
    assertThat(other.resolve("thesis.txt")).exists();
  }

  @Test
  void interruptedCompileSaysHowToGoOn() {
    cancellation.request();

    assertThat(run("compile", "tiny.yaml", "-o", "a b")).isEqualTo(ExitCode.INTERRUPTED);

    assertThat(err())
        .contains("run the same command again")
        .contains("  manticore compile tiny.yaml -o 'a b'");
  }

  @Test
  void cleanRemovesAllOrWhatTheRecipeDoesNotUse() {
    run("compile", "tiny.yaml");
    run("compile", "tiny.yaml", "--set", "tune.steps=7");

    assertThat(run("clean", "tiny.yaml")).isEqualTo(ExitCode.OK);
    assertThat(out().lines()).hasSize(1);
    run("clean", "--all");
    assertThat(out().lines()).hasSize(1);
    assertThat(run("clean")).isEqualTo(ExitCode.USAGE);
  }

  @Test
  void unexpectedErrorsAreShortAndNameTheTrace() {
    assertThat(run("break")).isEqualTo(ExitCode.FAILED);

    assertThat(err())
        .contains("IllegalStateException: broken inside")
        .contains("The details are in");
    assertThat(err().lines()).hasSize(2);
  }

  @Test
  void everyVerbHasHelpWithAnExample() {
    run("--help");
    List<String> verbs =
        Pattern.compile("^  ([a-z]+)  ", Pattern.MULTILINE)
            .matcher(out())
            .results()
            .map(match -> match.group(1))
            .filter(verb -> !verb.equals("break"))
            .toList();
    assertThat(verbs).contains("compile", "splice", "version");
    for (String verb : verbs) {
      assertThat(run(verb, "--help")).isEqualTo(ExitCode.OK);
      assertThat(out()).containsPattern("Examples?:\\R  manticore " + verb);
    }
    assertThat(run("bench", "step", "--help")).isEqualTo(ExitCode.OK);
    assertThat(out()).contains("Example:").contains("manticore bench step");
  }

  @Test
  void versionIsTheBuilds() {
    run("version", "--json");

    assertThat(out()).matches("\\{\"manticore\":\"\\d+\\.\\d+.*\",\"java\":\".*\"}\\R");
  }
}
