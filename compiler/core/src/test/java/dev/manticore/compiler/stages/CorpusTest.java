package dev.manticore.compiler.stages;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.recipe.Recipe;
import org.junit.jupiter.api.Test;

class CorpusTest {

  private static ImmutableMap<String, String> inputs(int buckets) {
    Recipe.Data data =
        new Recipe.Data(
            new Recipe.Generated("mixed", 1000, 7),
            new Recipe.TrainedTokenizer(300),
            16,
            buckets,
            0.1,
            0);
    return new Corpus(data, 1).inputs().build().entries();
  }

  @Test
  void resultsDependOnBucketsOnlyWhereThereAreSome() {
    assertThat(inputs(1).keySet()).containsExactly("data", "holdout", "length", "split_seed");
    assertThat(inputs(4))
        .containsAllEntriesOf(inputs(1))
        .containsEntry("buckets", "4")
        .hasSize(inputs(1).size() + 1);
  }
}
