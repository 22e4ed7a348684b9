package dev.manticore.compiler.recipe;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.ir.ManticoreException;
import dev.manticore.testdata.Fixtures;
import dev.manticore.testdata.fuzz.Fuzzer;
import dev.manticore.testdata.fuzz.Mutator;
import dev.manticore.testdata.fuzz.TokenMutator;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RecipeFuzzTest {

  private static final List<String> DICTIONARY =
      List.of(
          "name:",
          "components:",
          "pretrain:",
          "config:",
          "model:",
          "splice:",
          "data:",
          "source:",
          "search:",
          "tune:",
          "steps:",
          "- ",
          "\n  ",
          "\n- ",
          "&a ",
          "*a",
          "*shape",
          "<<: ",
          "? ",
          "!!str ",
          "!!binary ",
          "!java.lang.Object ",
          "!!python/object ",
          "| ",
          ">- ",
          "[",
          "]",
          "{",
          "}",
          ",",
          ": ",
          "# ",
          "---\n",
          "...\n",
          "%YAML 1.2\n",
          "~",
          "null",
          ".inf",
          ".nan",
          "0x7f",
          "0o7",
          "1e400",
          "yes",
          "\"\\x41\"",
          "'",
          "\"",
          "\t");

  @TempDir private Path directory;

  @Test
  void filesOfAnyKindAreARecipeOrATypedError() throws IOException {
    Path file = directory.resolve("recipe.yaml");
    RecipeReader reader = new RecipeReader(directory);
    Mutator mutator =
        Mutator.anyOf(new TokenMutator(DICTIONARY), new TokenMutator(DICTIONARY), Mutator.bytes());
    List<byte[]> seeds = new ArrayList<>(Fuzzer.files("recipe"));
    seeds.add(Files.readAllBytes(Fixtures.testdata("recipes/from-scratch.yaml")));
    long executions =
        new Fuzzer("recipe", ManticoreException.class, mutator, seeds)
            .run(
                input -> {
                  Files.write(file, input);
                  reader.read(file, List.of());
                });

    assertThat(executions).isPositive();
  }
}
