package dev.manticore.compiler.hybrid;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.compiler.Runs;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Layers in series compute what they compute in the models that they come from. */
class SeriesTest {

  private static final Tensor IDS = TinyModels.ids(2, 9, 4);

  private final Component neo =
      ComponentFinder.find("neo", TinyModels.build("neo", TinyModels.gptNeo(2, 8), 1));
  private final Component mamba =
      ComponentFinder.find("mamba", TinyModels.build("mamba", TinyModels.mamba(3, 8), 2));

  private static void assertSame(Series.Made made, Component component) {
    Tensor one = Runs.onDevice(made.graph(), IDS);
    Tensor other = Runs.onDevice(component.graph(), IDS);
    assertThat(Runs.difference(one, other, component.vocabulary())).isLessThan(1e-6);
  }

  @Test
  void allLayersOfAModelInSeriesAreTheModel() {
    for (Component component : List.of(neo, mamba)) {
      List<Series.Stretch> layers = new ArrayList<>();
      for (int i = 0; i < component.layers().size(); i++) {
        layers.add(Series.layer(0, component, i));
      }
      Series.Made made = Series.of("series", List.of(component), layers);
      assertSame(made, component);
      assertThat(made.graph().parameters()).hasSameSizeAs(component.graph().parameters());
    }
  }

  @Test
  void aLayerIsItsAttentionAndThenTheRest() {
    List<Series.Stretch> parts = new ArrayList<>();
    Value from = neo.entry();
    // The positions, which are no part of an attention.
    parts.add(new Series.Stretch(0, neo.embedding(), neo.entry()));
    for (int i = 0; i < neo.layers().size(); i++) {
      Series.Stretch attention = Series.attention(0, neo, i);
      assertThat(attention.from()).isEqualTo(from);
      parts.add(attention);
      from = neo.layers().get(i);
      parts.add(new Series.Stretch(0, attention.to(), from));
    }
    Series.Made made = Series.of("series", List.of(neo), parts);
    assertSame(made, neo);
  }

  @Test
  void attentionAloneBringsNeitherPositionsNorMlp() {
    Series.Made made =
        Series.of(
            "mambaformer",
            List.of(mamba, neo),
            List.of(
                Series.layer(0, mamba, 0),
                Series.attention(1, neo, 0),
                Series.layer(0, mamba, 1),
                Series.attention(1, neo, 1),
                Series.layer(0, mamba, 2)));
    List<String> names =
        made.graph().parameters().keySet().stream()
            .map(Value::name)
            .filter(name -> name.startsWith("components.1."))
            .toList();
    // A norm, four projections and a bias for each of two attentions.
    assertThat(names)
        .hasSize(2 * 7)
        .allMatch(name -> name.contains(".attn.") || name.contains(".ln_1."));
    assertThat(Runs.onDevice(made.graph(), IDS).shape())
        .isEqualTo(Runs.onDevice(mamba.graph(), IDS).shape());
  }

  @Test
  void widthsMustBeTheSame() {
    Component wide =
        ComponentFinder.find("wide", TinyModels.build("wide", TinyModels.mamba(2, 12), 2));
    assertThatThrownBy(() -> Series.of("series", List.of(neo, wide), List.of()))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("'neo' has 8 and 'wide' 12");
  }

  @Test
  void onlyATransformersLayerHasAnAttention() {
    assertThatThrownBy(() -> Series.attention(0, mamba, 0))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("layer 0 of component 'mamba' is not an attention with an MLP");
  }
}
