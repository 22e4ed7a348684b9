package dev.manticore.compiler.recipe;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.hybrid.SpliceOptions.Gates;
import dev.manticore.compiler.hybrid.SpliceOptions.LayerRange;
import dev.manticore.compiler.lower.DecodeLimits;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.lower.Target;
import dev.manticore.compiler.recipe.Recipe.FromScratch;
import dev.manticore.compiler.recipe.Recipe.Generated;
import dev.manticore.compiler.recipe.Recipe.InstructionFile;
import dev.manticore.compiler.recipe.Recipe.Pretrained;
import dev.manticore.compiler.recipe.Recipe.ProjectorMixture;
import dev.manticore.compiler.recipe.Recipe.TextFile;
import dev.manticore.compiler.recipe.Recipe.TokenizerOfComponent;
import dev.manticore.compiler.recipe.Recipe.TrainedTokenizer;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RecipeReaderTest {

  private static final String MINIMAL =
      """
      name: quickstart
      components:
        - model: ../checkpoints/gpt-neo-small
        - name: mamba
          pretrain:
            config: {model_type: mamba, hidden_size: 96, time_step_limit: [0.0, .inf]}
            learning_rate: 3e-3
      """;

  @TempDir Path root;
  private Path checkpoint;

  @BeforeEach
  void makeCheckpoint() throws IOException {
    checkpoint = Files.createDirectories(root.resolve("checkpoints/gpt-neo-small"));
    Files.writeString(checkpoint.resolve("tokenizer.json"), "{}");
    Files.createDirectories(root.resolve("recipes"));
  }

  private ResolvedRecipe read(String yaml, String... overrides) throws IOException {
    Path file = root.resolve("recipes/recipe.yaml");
    Files.writeString(file, yaml);
    return new RecipeReader(root).read(file, ImmutableList.copyOf(overrides));
  }

  private String errorOf(String yaml, String... overrides) {
    try {
      read(yaml, overrides);
    } catch (ManticoreException e) {
      return e.getMessage();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    throw new AssertionError("the recipe was accepted");
  }

  @Test
  void fillsDefaultsAndResolvesPathsAgainstTheRecipe() throws IOException {
    Recipe recipe = read(MINIMAL).recipe();

    assertThat(recipe.components().get(0).name()).isEqualTo("gpt-neo-small");
    assertThat(recipe.components().get(0).source()).isEqualTo(new Pretrained(checkpoint));
    assertThat(recipe.seeds()).isEqualTo(3);
    assertThat(recipe.splice().gates()).isEqualTo(Gates.TIED);
    assertThat(recipe.data().source()).isEqualTo(new Generated("mixed", 600_000, 7));
    assertThat(recipe.data().tokenizer())
        .isEqualTo(new TokenizerOfComponent(checkpoint.resolve("tokenizer.json")));
    assertThat(recipe.search().training().steps()).isEqualTo(100);
    assertThat(recipe.tune().steps()).isEqualTo(200);
    assertThat(recipe.output().tolerance()).isEqualTo(1e-4);
  }

  @Test
  void keepsTheConfigurationOfAPretrainedComponentFreeForm() throws IOException {
    FromScratch mamba = (FromScratch) read(MINIMAL).recipe().components().get(1).source();

    assertThat(mamba.configuration())
        .isEqualTo(
            "{\"model_type\":\"mamba\",\"hidden_size\":96,\"time_step_limit\":[0.0,Infinity]}");
    assertThat(mamba.training().learningRate()).isEqualTo(3e-3);
    assertThat(mamba.training().steps()).isEqualTo(300);
  }

  @Test
  void trainingIsInheritedUnlessOverridden() throws IOException {
    Recipe recipe =
        read(MINIMAL + "training: {batch: 4, schedule: cosine}\ntune: {batch: 16}\n").recipe();

    assertThat(recipe.search().training().batch()).isEqualTo(4);
    assertThat(recipe.tune().batch()).isEqualTo(16);
    assertThat(recipe.tune().schedule()).isEqualTo(Recipe.Schedule.COSINE);
  }

  @Test
  void theMemoryOfStepsIsASizeThatSectionsInherit() throws IOException {
    Recipe recipe = read(MINIMAL + "training: {memory: 4 GB}\nsearch: {memory: 700 MB}\n").recipe();

    assertThat(recipe.tune().memory()).isEqualTo(4_000_000_000L);
    assertThat(recipe.search().training().memory()).isEqualTo(700_000_000L);
    assertThat(read(MINIMAL).recipe().tune().memory()).isZero();
    assertThatThrownBy(() -> read(MINIMAL + "training: {memory: 4 TB}\n"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("training.memory");
  }

  @Test
  void aGpuTrainsInBrainFloatAndTheProcessorDoesNot() throws IOException {
    String precision = "training: {precision: bfloat16}\n";
    Recipe recipe = read(MINIMAL + "device: cuda:1\n" + precision).recipe();
    assertThat(recipe.device()).isEqualTo("cuda:1");
    assertThat(recipe.tune().precision()).isEqualTo(Precision.BFLOAT16);
    assertThat(read(MINIMAL).recipe().device()).isEqualTo("cpu");

    assertThatThrownBy(() -> read(MINIMAL + precision))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("tune.precision")
        .hasMessageContaining("which the processor does not train in");
  }

  @Test
  void aPrecisionThatTheTargetDoesNotComputeInIsRefusedBeforeAnythingRuns() throws IOException {
    Recipe recipe = read(MINIMAL + "output: {target: tensorrt-10, precision: bfloat16}\n").recipe();
    assertThat(recipe.output().target()).isEqualTo(Target.TENSORRT_10);
    assertThat(recipe.output().precision()).isEqualTo(Precision.BFLOAT16);
    assertThat(recipe.output().decode()).isEqualTo(DecodeLimits.DEFAULT);
    assertThatThrownBy(() -> read(MINIMAL + "output: {decode: {prompt: 9, capacity: 8}}\n"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("output.decode.prompt")
        .hasMessageContaining("more than the capacity of 8");

    assertThatThrownBy(() -> read(MINIMAL + "output: {precision: bfloat16}\n"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("output.precision")
        .hasMessageContaining("bfloat16");
  }

  @Test
  void trainsATokenizerWhereNoComponentBringsOne() throws IOException {
    Recipe recipe =
        read("""
                name: fresh
                components:
                  - pretrain: {config: {model_type: mamba}}
                  - pretrain: {config: {model_type: gpt_neo}}
                """)
            .recipe();

    assertThat(recipe.data().tokenizer()).isEqualTo(new TrainedTokenizer(512));
    assertThat(recipe.components().get(0).name()).isEqualTo("mamba");
  }

  @Test
  void overridesSetValuesInMapsAndLists() throws IOException {
    Files.createDirectories(root.resolve("other"));
    Files.writeString(root.resolve("other/tokenizer.json"), "{}");

    ResolvedRecipe resolved =
        read(
            MINIMAL,
            "tune.steps=7",
            "components.0.model=other",
            "splice.partition=[[[0,1],[1,3]],[[0,2],[2,4]]]");

    assertThat(resolved.recipe().tune().steps()).isEqualTo(7);
    assertThat(resolved.recipe().components().get(0).source())
        .isEqualTo(new Pretrained(root.resolve("other")));
    assertThat(resolved.recipe().splice().partition().get(0))
        .containsExactly(new LayerRange(0, 1), new LayerRange(1, 3));
  }

  @Test
  void projectorsAreTrainedWhereTheRecipeHasASectionThatSaysHowLong() throws IOException {
    Path stored = Files.createDirectories(root.resolve("stored"));
    Files.writeString(stored.resolve("projectors.json"), "{}");

    assertThat(read(MINIMAL).recipe().projectors()).isEmpty();
    assertThat(read(MINIMAL).recipe().splice().projector().from()).isEmpty();
    assertThat(read(MINIMAL).yaml(root)).doesNotContain("projectors:", "from:");
    assertThat(read(MINIMAL, "projectors.steps=0", "training.warmup=3").recipe().projectors())
        .isEmpty();
    Recipe recipe =
        read(
                MINIMAL + "training: {batch: 3}\nprojectors: {steps: 9, mixture: trained}\n",
                "splice.projector.from=stored",
                "search.steps=10",
                "tune.steps=20")
            .recipe();
    assertThat(recipe.projectors().orElseThrow().mixture()).isEqualTo(ProjectorMixture.TRAINED);
    assertThat(recipe.projectors().orElseThrow().training().steps()).isEqualTo(9);
    assertThat(recipe.projectors().orElseThrow().training().batch()).isEqualTo(3);
    assertThat(recipe.hybridSteps()).isEqualTo(39);
    assertThat(recipe.splice().projector().from()).contains(stored);
    assertThat(errorOf(MINIMAL, "projectors.batch=2")).contains("the key 'steps' is missing");
    assertThat(errorOf(MINIMAL, "splice.projector.from=recipes"))
        .contains("splice.projector.from: there is no projectors.json in");
  }

  @Test
  void overridingOneAlternativeTakesTheOtherAway() throws IOException {
    Files.writeString(root.resolve("text.txt"), "text");

    ResolvedRecipe resolved =
        read(
            MINIMAL + "data: {source: {generator: mixed, characters: 5000}}\n",
            "data.source.text=text.txt");

    assertThat(resolved.recipe().data().source()).isEqualTo(new TextFile(root.resolve("text.txt")));
  }

  @Test
  void instructionsHaveDefaults() throws IOException {
    Files.writeString(root.resolve("taught.jsonl"), "{}");
    ResolvedRecipe resolved =
        read(MINIMAL + "data: {source: {instructions: ../taught.jsonl, response: answer}}\n");

    assertThat(resolved.recipe().data().source())
        .isEqualTo(new InstructionFile(root.resolve("taught.jsonl"), "prompt", "answer", "\n"));
    assertThat(resolved.recipe().data().buckets()).isEqualTo(1);
  }

  @Test
  void bucketsAreOfInstructions() throws IOException {
    Files.writeString(root.resolve("taught.jsonl"), "{}");
    String data = "data: {source: {instructions: ../taught.jsonl}, buckets: 4}\n";
    assertThat(read(MINIMAL + data).recipe().data().buckets()).isEqualTo(4);
    assertThat(errorOf(MINIMAL + "data: {buckets: 4}\n"))
        .isEqualTo(
            "recipe.yaml:8: data.buckets: is 4, but all sequences of a text have one length; remove"
                + " it, or give 'instructions' as 'data.source'");
  }

  @Test
  void explainsWhereEachValueCameFrom() throws IOException {
    ImmutableList<ResolvedRecipe.Explained> rows =
        read(MINIMAL + "training: {batch: 4}\n", "tune.steps=7").explain();

    assertThat(rows)
        .contains(
            new ResolvedRecipe.Explained("name", "\"quickstart\"", "recipe.yaml:1"),
            new ResolvedRecipe.Explained("tune.steps", "7", "--set"),
            new ResolvedRecipe.Explained("tune.batch", "4", "from training.batch"),
            new ResolvedRecipe.Explained(
                "components.0.name", "\"gpt-neo-small\"", "the directory's name"),
            new ResolvedRecipe.Explained("seeds", "3", "default"));
  }

  @Test
  void writtenRecipeReadsBackAsTheSameRecipe() throws IOException {
    ResolvedRecipe resolved = read(MINIMAL, "tune.steps=7");
    Path directory = Files.createDirectories(root.resolve("deep/er"));
    Path written = directory.resolve("recipe.yaml");
    Files.writeString(written, resolved.yaml(directory));

    ResolvedRecipe again = new RecipeReader(root).read(written, ImmutableList.of());

    assertThat(again.recipe()).isEqualTo(resolved.recipe());
    assertThat(again.yaml(directory)).isEqualTo(resolved.yaml(directory));
  }

  @Test
  void sectionsYieldTheValuesThatAStageDependsOn() throws IOException {
    assertThat(read(MINIMAL).values("evaluate"))
        .containsEntry("evaluate.batches", "0")
        .containsEntry("evaluate.every", "50")
        .hasSize(2);
    assertThat(read(MINIMAL).values("components")).doesNotContainKey("components.0.model");
  }

  @Test
  void unknownKeyNamesTheNearest() {
    assertThat(errorOf(MINIMAL + "splice: {blokcs: 2}\n"))
        .isEqualTo("recipe.yaml:8: splice.blokcs: unknown key; did you mean 'blocks'?");
    assertThat(errorOf(MINIMAL + "blocks: 2\n"))
        .isEqualTo("recipe.yaml:8: blocks: unknown key here; did you mean 'splice.blocks'?");
    assertThat(errorOf(MINIMAL, "tune.stepz=3"))
        .isEqualTo("--set: tune.stepz: unknown key; did you mean 'steps'?");
  }

  @Test
  void allErrorsAreReportedTogetherInTheOrderOfTheFile() {
    String message =
        errorOf(
            MINIMAL
                + """
                tune: {steps: 0, schedule: linaer}
                data: {holdout: 1, length: long}
                seeds: 2.5
                """);

    assertThat(message.lines())
        .containsExactly(
            "recipe.yaml has 5 errors:",
            "  recipe.yaml:8: tune.steps: 0 is less than 1",
            "  recipe.yaml:8: tune.schedule: 'linaer' is not one of 'linear', 'cosine',"
                + " 'constant'; did you mean 'linear'?",
            "  recipe.yaml:9: data.length: 'long' is not a whole number",
            "  recipe.yaml:9: data.holdout: 1 is not less than 1",
            "  recipe.yaml:10: seeds: 2.5 is not a whole number");
  }

  @Test
  void componentNeedsExactlyOneSource() {
    assertThat(errorOf("name: x\ncomponents: [{name: a}, {name: b, model: m}]\n"))
        .contains("components.0: exactly one of 'model', 'pretrain' must be given");
  }

  @Test
  void missingDirectoryIsNamedInFull() {
    assertThat(errorOf(MINIMAL, "components.0.model=nowhere"))
        .isEqualTo("--set: components.0.model: there is no directory " + root.resolve("nowhere"));
  }

  @Test
  void partitionMustFitComponentsAndBlocks() {
    assertThat(errorOf(MINIMAL, "splice.partition=[[[0,1],[2,3]],[[0,2]]]"))
        .contains("splice.partition.0.1: [2, 3) should begin at layer 1")
        .contains("splice.partition.1: has 1 ranges for 2 blocks");
  }

  @Test
  void tagsAndBombsAreRefused() {
    assertThat(errorOf("name: !!javax.script.ScriptEngineManager [x]\n"))
        .contains("recipe.yaml:1: ")
        .contains("tag is not allowed");
    assertThat(errorOf("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + bomb()))
        .contains("more than 100000 values");
    assertThat(errorOf("a: &a [*a]\n")).contains("nested deeper than");
    assertThat(errorOf("a: " + "[".repeat(500) + "]".repeat(500))).contains("not valid YAML");
    assertThat(errorOf("name: a\nname: b\n")).contains("recipe.yaml:2: key 'name' is given twice");
  }

  private static String bomb() {
    StringBuilder text = new StringBuilder();
    for (char c = 'b'; c < 'j'; c++) {
      String previous = "*" + (char) (c - 1);
      text.append(c).append(": &").append(c).append(" [");
      text.append(String.join(", ", Collections.nCopies(6, previous))).append("]\n");
    }
    return text.toString();
  }

  @Test
  void aliasesAndMergeKeysAreUnderstood() throws IOException {
    Recipe recipe =
        read(MINIMAL + "search: &s {batch: 4, clip: 2}\ntune: {<<: *s, clip: 3}\n").recipe();

    assertThat(recipe.tune().batch()).isEqualTo(4);
    assertThat(recipe.tune().clip()).isEqualTo(3.0);
  }

  @Test
  void overridesThatDoNotFitAreExplained() {
    assertThat(errorOf(MINIMAL, "tune")).contains("expected path=value");
    assertThat(errorOf(MINIMAL, "components.5.name=x")).contains("an index from 0 to 2, not '5'");
    assertThat(errorOf(MINIMAL, "name.first=x")).contains("name is a single value");
  }

  @Test
  void unreadableFilesAreNamed() {
    assertThatThrownBy(
            () -> new RecipeReader(root).read(root.resolve("none.yaml"), ImmutableList.of()))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("none.yaml: no such file");
  }
}
