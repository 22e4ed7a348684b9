package dev.manticore.compiler.experiment;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.experiment.Landscape.Point;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LandscapeTest {

  private static final Landscape LANDSCAPE =
      new Landscape(
          "in-context-recall",
          ImmutableList.of("mamba in block 1", "mamba, in \"block\" 2"),
          ImmutableList.of(
              point(1, 0, 3.0, 1),
              point(0, 0, 2.0, 2),
              point(0, 0, 1.0, 1),
              point(0, 1, 1.25, 1),
              point(1, 1, Double.POSITIVE_INFINITY, 1)),
          Optional.of(point(0.1 + 0.2, 0.5, 1.1, 1)));

  @TempDir private Path directory;

  private static Point point(double first, double second, double loss, int seed) {
    return new Point(ImmutableList.of(first, second), loss, seed);
  }

  @Test
  void isReadAsItWasWritten() {
    Path file = directory.resolve("landscape.json");
    LANDSCAPE.write(file);

    assertThat(Landscape.read(file)).isEqualTo(LANDSCAPE);
  }

  @Test
  void isReadAsItWasWrittenAsCsv() throws IOException {
    Path file = directory.resolve("landscape.csv");
    LANDSCAPE.writeCsv(file);

    assertThat(Landscape.readCsv(LANDSCAPE.name(), file)).isEqualTo(LANDSCAPE);
    assertThat(Files.readString(file))
        .startsWith(
            "mamba in block 1,\"mamba, in \"\"block\"\" 2\",loss,seed,point\n"
                + "1.0,0.0,3.0,1,grid\n");
  }

  @Test
  void oneBlockWithoutASearchIsReadAsItWasWritten() {
    Landscape one =
        new Landscape(
            "copying",
            ImmutableList.of("mamba"),
            ImmutableList.of(new Point(ImmutableList.of(0.5), 1, 1)),
            Optional.empty());
    one.write(directory.resolve("one.json"));
    one.writeCsv(directory.resolve("one.csv"));

    assertThat(Landscape.read(directory.resolve("one.json"))).isEqualTo(one);
    assertThat(Landscape.readCsv("copying", directory.resolve("one.csv"))).isEqualTo(one);
  }

  @Test
  void cellsAreMeansOverSeedsInOrderAndTheLowestIsFinite() {
    assertThat(LANDSCAPE.cells())
        .extracting(cell -> cell.losses().mean())
        .containsExactly(1.5, 1.25, 3.0, Double.POSITIVE_INFINITY);
    assertThat(LANDSCAPE.cells().get(0).losses().values()).containsExactly(1.0, 2.0);
    assertThat(LANDSCAPE.lowest().orElseThrow().weights()).containsExactly(0.0, 1.0);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "1.0,0.0,3.0,1,grid|1.0,0.0,low,1,grid|row 1: 'low' is not a number",
        "1.0,0.0,3.0,1,grid|1.0,0.0,3.0,x,grid|row 1: the seed is not a whole number",
        "1.0,0.0,3.0,1,grid|1.0,0.0,3.0,1,here|row 1: a point is 'grid' or 'searched'",
        "1.0,0.0,3.0,1,grid|1.0,0.0,3.0|row 1 has 3 values",
        "1.0,0.0,3.0,1,grid|1.5,0.0,3.0,1,grid|a mixture weight is 1.5",
        ",loss,seed,point|,loss,seed|the columns must be",
      })
  void whatIsNotALandscapeIsRefused(String from, String to, String message) throws IOException {
    Path file = directory.resolve("landscape.csv");
    LANDSCAPE.writeCsv(file);
    String text = Files.readString(file);
    assertThat(text).contains(from);
    Files.writeString(file, text.replace(from, to));

    assertThatThrownBy(() -> Landscape.readCsv("a", file))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining(file.toString())
        .hasMessageContaining(message);
  }

  @Test
  void jsonOfAnotherKindIsRefused() throws IOException {
    Path file = directory.resolve("landscape.json");
    LANDSCAPE.write(file);
    Files.writeString(file, Files.readString(file).replaceFirst("\"seed\" : 1", "\"sed\" : 1"));

    assertThatThrownBy(() -> Landscape.read(file))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("'points[0].seed' is missing");
  }
}
