package dev.manticore.compiler.report;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.experiment.FinishedTrial;
import dev.manticore.compiler.experiment.Landscape;
import dev.manticore.compiler.experiment.Landscape.Point;
import dev.manticore.compiler.experiment.Measures;
import dev.manticore.compiler.experiment.Outcome;
import dev.manticore.compiler.progress.MetricRecord;
import dev.manticore.compiler.progress.MetricRecord.Split;
import dev.manticore.compiler.statistics.PairedTest;
import dev.manticore.compiler.statistics.Sample;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Random;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.xml.sax.InputSource;

/** All numbers here are made up to exercise the report. */
class ExperimentReportTest {

  private static final ImmutableList<String> COMPONENTS =
      ImmutableList.of("gpt-neo", "mamba", "hyena<&>");
  private static final ImmutableList<String> GROUPS =
      ImmutableList.of("in-context-recall", "fuzzy-recall", "memorization", "selective-copying");

  private static final int STEPS = 200;

  @TempDir private Path directory;

  private static Measures measures(double loss) {
    double accuracy = Math.min(1, Math.exp(-loss));
    return new Measures(
        loss, accuracy, 0.95 * accuracy, accuracy * accuracy, OptionalDouble.empty());
  }

  private static FinishedTrial trial(String group, String model, int seed, double loss) {
    boolean mixed = model.equals("hybrid");
    Random random = new Random(seed);
    ImmutableList.Builder<MetricRecord> metrics = ImmutableList.builder();
    ImmutableList<ImmutableList<Double>> mixture = ImmutableList.of();
    for (int step = 1; step <= STEPS; step++) {
      double now = loss + 2.5 * Math.exp(-step / (25.0 + 5 * seed));
      if (mixed) {
        double first = 0.34 + 0.5 * step / STEPS + 0.01 * seed;
        mixture =
            ImmutableList.of(
                ImmutableList.of(first, 0.7 * (1 - first), 0.3 * (1 - first)),
                ImmutableList.of(0.2, 0.5 + 0.0005 * step, 0.3 - 0.0005 * step));
      }
      double noise = 0.06 * random.nextGaussian();
      metrics.add(
          new MetricRecord(
              "train", model, seed, step, Split.TRAIN, now + noise, mixture, 1e-3, step * 2048L));
      if (step % 20 == 0) {
        metrics.add(
            new MetricRecord(
                "train",
                model,
                seed,
                step,
                Split.HELD_OUT,
                now,
                ImmutableList.of(),
                0,
                step * 2048L));
      }
    }
    return new FinishedTrial(
        new Outcome(
            group,
            model,
            seed,
            mixed ? 412_345 : 198_765,
            STEPS,
            STEPS * 2048L,
            mixture,
            mixed ? COMPONENTS : ImmutableList.of(),
            measures(loss + 0.01),
            measures(loss)),
        metrics.build());
  }

  private static ImmutableList<FinishedTrial> trials() {
    ImmutableList.Builder<FinishedTrial> trials = ImmutableList.builder();
    Random random = new Random(7);
    for (int g = 0; g < GROUPS.size(); g++) {
      for (int m = -1; m <= COMPONENTS.size(); m++) {
        String model = m < 0 ? "hybrid" : m < COMPONENTS.size() ? COMPONENTS.get(m) : "mambaformer";
        for (int seed = 1; seed <= 3; seed++) {
          // One model lacks a seed in one group, another is not run in another.
          boolean missing = g == 1 && m == 0 && seed == 2 || g == 2 && m == COMPONENTS.size();
          double loss = 0.4 + 0.3 * g + (m < 0 ? 0.1 * g : 0.12 + 0.1 * m);
          if (!missing) {
            trials.add(trial(GROUPS.get(g), model, seed, loss + 0.02 * random.nextGaussian()));
          }
        }
      }
    }
    return trials.build();
  }

  private static ImmutableList<Landscape> landscapes() {
    ImmutableList.Builder<Point> line = ImmutableList.builder();
    ImmutableList.Builder<Point> grid = ImmutableList.builder();
    for (int i = 0; i <= 10; i++) {
      double x = i / 10.0;
      for (int seed = 1; seed <= 3; seed++) {
        line.add(new Point(ImmutableList.of(x), 1 + (x - 0.6) * (x - 0.6) + 0.01 * seed, seed));
      }
      for (int j = 0; j <= 10; j++) {
        double y = j / 10.0;
        double loss = 1 + (x - 0.7) * (x - 0.7) + 0.8 * (y - 0.3) * (y - 0.3) + 0.5 * x * y;
        grid.add(
            new Point(
                ImmutableList.of(x, y), i == 10 && j == 10 ? Double.POSITIVE_INFINITY : loss, 1));
      }
    }
    return ImmutableList.of(
        new Landscape(
            "in-context-recall, one block",
            ImmutableList.of("mamba in block 1"),
            line.build(),
            Optional.of(new Point(ImmutableList.of(0.52), 1.027, 1))),
        new Landscape(
            "in-context-recall, two blocks",
            ImmutableList.of("mamba in block 1", "mamba in block 2"),
            grid.build(),
            Optional.of(new Point(ImmutableList.of(0.64, 0.22), 1.08, 1))));
  }

  private static ExperimentReport report() {
    return ExperimentReport.of(
        "made-up <MAD>", List.of("Width 64 & 2 blocks."), "hybrid", trials(), landscapes());
  }

  /** The test losses of a model, in the order of seeds. */
  private static List<Double> losses(String group, String model) {
    List<Double> losses = new ArrayList<>();
    for (FinishedTrial trial : trials()) {
      if (trial.outcome().group().equals(group) && trial.outcome().model().equals(model)) {
        losses.add(trial.outcome().test().loss());
      }
    }
    return losses;
  }

  @Test
  void pageIsWellFormedSelfContainedAndWhole() throws Exception {
    ExperimentReport report = report();
    report.write(directory);
    String html = Files.readString(directory.resolve(ExperimentReport.PAGE));
    keepForViewing(html);
    PairedTest test =
        PairedTest.of(losses(GROUPS.get(0), "hybrid"), losses(GROUPS.get(0), "gpt-neo"));

    assertThat(html)
        .contains("made-up &lt;MAD&gt;", "hyena&lt;&amp;&gt;")
        .contains(GROUPS)
        .contains("<h2>Test loss</h2>", "<h2>Test exact match</h2>")
        .doesNotContain("<h2>Test bits per byte</h2>")
        .contains(Numbers.mean(Sample.of(losses(GROUPS.get(0), "mamba"))))
        .contains(Numbers.interval(test.interval()), Numbers.p(test.tTest()))
        .contains("gpt-neo †", "significantly better", "worse")
        .contains("412,345", "198,765", "409,600", "2.07 times")
        .contains("gpt-neo lacks seed 2, not paired", "not run: mambaformer")
        .contains("hybrid does not have equal parameters (2.07 times) with gpt-neo, mamba, hyena")
        .doesNotContain("http:")
        .doesNotContain("https:")
        .doesNotContain("<script")
        .doesNotContain("NaN");
    // Two charts of losses and two blocks a group, and two landscapes.
    assertThat(html.split("<figure>", -1)).hasSize(1 + 4 * GROUPS.size() + 2);
    for (String figure : html.split("<figure>", -1)) {
      if (figure.startsWith("\n<svg")) {
        assertThat(parse(figure.substring(0, figure.lastIndexOf("</svg>") + 6))).isNotNull();
      }
    }
  }

  private static Document parse(String svg) throws Exception {
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new InputSource(new StringReader(svg)));
  }

  /** Leaves the page under {@code target/}, to be looked at. */
  private static void keepForViewing(String html) throws IOException {
    Path target = Path.of("target");
    if (Files.isDirectory(target)) {
      Files.writeString(target.resolve("sample-experiment.html"), html);
    }
  }

  @Test
  void equalTrialsGiveEqualBytesInAnyLocale() throws IOException {
    Path other = directory.resolve("other");
    report().write(directory.resolve("one"));
    Locale before = Locale.getDefault();
    try {
      Locale.setDefault(Locale.GERMANY);
      report().write(other);
    } finally {
      Locale.setDefault(before);
    }

    for (String file :
        List.of(
            ExperimentReport.PAGE,
            ExperimentReport.TABLE,
            ExperimentReport.OUTCOMES,
            ExperimentReport.JSON)) {
      assertThat(Files.readAllBytes(other.resolve(file)))
          .isEqualTo(Files.readAllBytes(directory.resolve("one").resolve(file)));
    }
  }

  @Test
  void jsonHasTheStatisticsTheOutcomesAndTheLandscapes() throws IOException {
    report().write(directory);
    JsonNode json = new ObjectMapper().readTree(directory.resolve(ExperimentReport.JSON).toFile());
    PairedTest test =
        PairedTest.of(losses(GROUPS.get(0), "hybrid"), losses(GROUPS.get(0), "gpt-neo"));
    JsonNode group = json.path("groups").path(0);
    JsonNode loss = group.path("differences").path(0).path("test").path("loss");

    assertThat(group.path("best_component").asText()).isEqualTo("gpt-neo");
    assertThat(loss.path("difference").asDouble()).isEqualTo(test.differences().mean());
    assertThat(loss.path("p_t_test").asDouble()).isEqualTo(test.tTest().orElseThrow());
    assertThat(loss.path("p_sign_flip").asDouble()).isEqualTo(0.25);
    assertThat(loss.path("verdict").asText()).isEqualTo("significantly better");
    assertThat(group.path("differences").path(0).path("parameters").path("equal").asBoolean())
        .isFalse();
    assertThat(group.path("differences").path(0).path("steps").path("equal").asBoolean()).isTrue();
    assertThat(json.path("groups").path(1).path("differences").path(0).path("seeds_only_reference"))
        .hasSize(1);
    assertThat(json.path("groups").path(2).path("not_run").path(0).asText())
        .isEqualTo("mambaformer");
    assertThat(json.path("outcomes")).hasSize(trials().size());
    assertThat(json.path("landscapes")).hasSize(2);
  }

  @Test
  void tablesHaveARowForEachModelAndForEachTrial() throws IOException {
    report().write(directory);
    List<String> table = Files.readAllLines(directory.resolve(ExperimentReport.TABLE));
    List<String> outcomes = Files.readAllLines(directory.resolve(ExperimentReport.OUTCOMES));

    // Four measures, five models, but for one model in one group.
    assertThat(table).hasSize(1 + 4 * (5 * GROUPS.size() - 1));
    assertThat(table.get(0)).startsWith("group,measure,model,seeds,mean,");
    assertThat(table)
        .anyMatch(
            row ->
                row.startsWith(
                    "in-context-recall,loss,mamba,3,"
                        + Sample.of(losses(GROUPS.get(0), "mamba")).mean()
                        + ","))
        .allMatch(row -> row.split(",", -1).length == table.get(0).split(",").length);
    assertThat(outcomes).hasSize(1 + trials().size());
    assertThat(outcomes.get(1))
        .startsWith("in-context-recall,hybrid,1,412345,200,409600,")
        .contains(",gpt-neo mamba hyena<&>,");
  }

  @Test
  void linesAreTheOverviewAndTheVerdicts() {
    assertThat(report().lines())
        .contains("test loss (nats an answer), mean ± half its 95 % interval:")
        .anyMatch(
            line ->
                line.matches(
                    "in-context-recall +gpt-neo +loss +3 +-0\\.\\d{4} .* significantly better"))
        .anyMatch(line -> line.startsWith("By test loss, hybrid against its best component, of 4"))
        .contains("Width 64 & 2 blocks.")
        .contains("memorization: not run: mambaformer");
  }

  @Test
  void oneSeedHasNoIntervalAndNoTestAndThatIsSaid() {
    ExperimentReport report =
        ExperimentReport.of(
            "one",
            List.of(),
            "hybrid",
            List.of(trial("copying", "hybrid", 1, 1), trial("copying", "mamba", 1, 2)),
            ImmutableList.of());
    String html = ExperimentPage.html(report);

    assertThat(report.headline()).contains("not tested in 1");
    assertThat(html)
        .contains("one seed in common: there is neither an interval nor a test of one")
        .contains("<td class=\"number mean\">1.0000</td>")
        .doesNotContain("1.0000 ±");
  }

  @Test
  void aDivergedTrialIsShownAndNotTested() {
    ExperimentReport report =
        ExperimentReport.of(
            "diverged",
            List.of(),
            "hybrid",
            List.of(
                trial("copying", "hybrid", 1, 1),
                trial("copying", "hybrid", 2, 1.1),
                trial("copying", "mamba", 1, Double.NaN),
                trial("copying", "mamba", 2, 2)),
            ImmutableList.of());

    assertThat(ExperimentPage.html(report))
        .contains("a loss is not finite with seed 1: there is no test")
        .contains(">diverged")
        .doesNotContain("NaN");
    assertThat(ExperimentFiles.json(report).toString().getBytes(UTF_8)).isNotEmpty();
  }

  @Test
  void heatMapFramesTheLowestCellAndRingsTheSearchedPoint() throws Exception {
    Document svg = parse(new HeatMap(landscapes().get(1)).svg());

    int cells = 0;
    int diverged = 0;
    int frames = 0;
    for (int i = 0; i < svg.getElementsByTagName("rect").getLength(); i++) {
      String kind =
          svg.getElementsByTagName("rect")
              .item(i)
              .getAttributes()
              .getNamedItem("class")
              .getTextContent();
      cells += kind.startsWith("cell") ? 1 : 0;
      diverged += kind.equals("cell diverged") ? 1 : 0;
      frames += kind.equals("frame") ? 1 : 0;
    }
    assertThat(cells).isEqualTo(121);
    assertThat(diverged).isEqualTo(1);
    assertThat(frames).isEqualTo(1);
    assertThat(svg.getElementsByTagName("circle").getLength()).isEqualTo(2);
  }
}
