package dev.manticore.compiler.generate;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class StopStringsTest {

  private final List<String> given = new ArrayList<>();

  private StopStrings stops(String... strings) {
    return new StopStrings(ImmutableList.copyOf(strings), given::add);
  }

  @Test
  void whatMayBeginAStringIsHeldBackUntilItIsKnown() {
    StopStrings stops = stops("END", "\n\n");

    stops.accept("a E");
    assertThat(given).containsExactly("a ");
    stops.accept("N");
    assertThat(given).containsExactly("a ");
    stops.accept("T\n");
    assertThat(given).containsExactly("a ", "ENT");
    assertThat(stops.found()).isFalse();

    stops.finish();
    assertThat(given).containsExactly("a ", "ENT", "\n");
    assertThat(stops.text()).isEqualTo("a ENT\n");
  }

  @Test
  void theFirstOfTheStringsEndsTheText() {
    StopStrings stops = stops("three", "two");

    stops.accept("one t");
    stops.accept("wo three");
    stops.accept("four");
    stops.finish();

    assertThat(stops.found()).isTrue();
    assertThat(String.join("", given)).isEqualTo("one ");
    assertThat(stops.text()).isEqualTo("one ");
  }

  @Test
  void withoutStringsEverythingIsPassedOnAtOnce() {
    StopStrings stops = stops();

    stops.accept("x");
    assertThat(given).containsExactly("x");
  }
}
