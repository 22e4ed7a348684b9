package dev.manticore.compiler.report;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.experiment.Measure;
import dev.manticore.compiler.experiment.Measures;
import dev.manticore.compiler.progress.MetricRecord;
import dev.manticore.compiler.progress.MetricRecord.Split;
import dev.manticore.compiler.recipe.ResolvedRecipe.Explained;
import dev.manticore.compiler.report.ReportData.Model;
import dev.manticore.compiler.report.ReportData.ModelKind;
import dev.manticore.compiler.report.ReportData.Part;
import dev.manticore.compiler.report.ReportData.Run;
import java.io.IOException;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalDouble;
import java.util.Random;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.xml.sax.InputSource;

/** All numbers here are made up to exercise the page. */
class ReportWriterTest {

  private static Model model(String name, ModelKind kind, double... losses) {
    int members = kind == ModelKind.ENSEMBLE ? 2 : 1;
    ImmutableMap.Builder<Integer, Run> bySeed = ImmutableMap.builder();
    for (int i = 0; i < losses.length; i++) {
      ImmutableMap<String, Double> slices =
          ImmutableMap.of("recall", losses[i] - 0.25, "tracking", losses[i] + 0.25);
      bySeed.put(
          i + 1,
          new Run(
              losses[i],
              losses[i],
              1_234_567 * members,
              300 * members,
              307_200 * members,
              slices,
              new Measures(
                  losses[i], 0.5 + 0.01 * i, 0.4, 0.25 + 0.02 * i, OptionalDouble.of(losses[i]))));
    }
    return new Model(name, kind, bySeed.buildOrThrow());
  }

  private static ReportData data(Model... models) {
    ImmutableList.Builder<MetricRecord> metrics = ImmutableList.builder();
    Random random = new Random(1);
    for (int seed = 1; seed <= 3; seed++) {
      for (int m = 0; m < models.length; m++) {
        for (int step = 1; step <= 200; step++) {
          double loss = 1.5 + 0.1 * m + 3.5 * Math.exp(-step / (30.0 + 5 * seed));
          metrics.add(
              entry("tune", models[m].name(), seed, step, Split.TRAIN, loss + noise(random)));
          if (step % 25 == 0 || step == 1) {
            metrics.add(entry("tune", models[m].name(), seed, step, Split.HELD_OUT, loss + 0.05));
          }
        }
      }
      for (int step = 1; step <= 100; step++) {
        double first = 1 / (1 + Math.exp(-step / (20.0 + 8 * seed)));
        metrics.add(
            new MetricRecord(
                "search",
                "hybrid",
                seed,
                step,
                Split.TRAIN,
                3,
                ImmutableList.of(
                    ImmutableList.of(first, 1 - first),
                    ImmutableList.of(0.5 + 0.001 * step, 0.5 - 0.001 * step)),
                1e-3,
                step * 1024L));
      }
    }
    return new ReportData(
        "sample <&> of made-up numbers",
        "Each component was tuned alone for as many steps as search and tuning took together.",
        Part.HELD_OUT,
        ImmutableList.copyOf(models),
        ImmutableList.of(Measure.BITS_PER_BYTE, Measure.ACCURACY, Measure.EXACT_MATCH),
        ReportData.curves(metrics.build(), "tune"),
        ImmutableList.of("gpt-neo", "mamba"),
        ReportData.alphas(metrics.build(), "search"),
        ImmutableList.of(
            new Explained("tune.steps", "200", "default"),
            new Explained("name", "\"sample\"", "recipe.yaml:1")),
        ImmutableMap.of("Manticore", "0.0.0", "seeds", "1, 2, 3"));
  }

  private static double noise(Random random) {
    return 0.08 * random.nextGaussian();
  }

  private static MetricRecord entry(
      String stage, String run, int seed, int step, Split split, double loss) {
    return new MetricRecord(
        stage, run, seed, step, split, loss, ImmutableList.of(), 1e-3, step * 1024L);
  }

  private static ReportData winning() {
    return data(
        model("hybrid", ModelKind.HYBRID, 1.50, 1.51, 1.505),
        model("gpt-neo", ModelKind.COMPONENT, 1.60, 1.61, 1.62),
        model("mamba", ModelKind.COMPONENT, 1.70, 1.72, 1.71));
  }

  @Test
  void pageIsWellFormedAndSelfContained(@TempDir Path directory) throws Exception {
    Path file = directory.resolve("report.html");
    ReportWriter.write(winning(), file);
    String html = Files.readString(file);
    keepForViewing(html);

    assertThat(html)
        .contains("sample &lt;&amp;&gt; of made-up numbers")
        .contains("<th class=\"number\">exact match</th>")
        .contains("<tr><th>mamba</th><td>exact match</td>")
        .doesNotContain("http:")
        .doesNotContain("https:")
        .doesNotContain("<script")
        .doesNotContain("NaN");
    String svg = html.substring(html.indexOf("<svg"), html.indexOf("</figure>"));
    assertThat(
            DocumentBuilderFactory.newInstance()
                .newDocumentBuilder()
                .parse(new InputSource(new StringReader(svg)))
                .getElementsByTagName("polyline")
                .getLength())
        .isEqualTo(3 + 9);
  }

  /** Leaves the page under {@code target/}, to be looked at. */
  private static void keepForViewing(String html) throws IOException {
    Path target = Path.of("target");
    if (Files.isDirectory(target)) {
      Files.writeString(target.resolve("sample-report.html"), html);
    }
  }

  @Test
  void equalDataGiveEqualBytes() {
    assertThat(ReportWriter.html(winning())).isEqualTo(ReportWriter.html(winning()));
  }

  @Test
  void headlineSaysThatTheHybridIsBetter() {
    Headline headline = Headline.of(winning());

    assertThat(headline.verdict()).isEqualTo(Headline.Verdict.BETTER);
    assertThat(headline.text())
        .contains("1.5050 ± 0.0124 (3 seeds)")
        .contains("1.6100 ± 0.0248 (3 seeds) for gpt-neo")
        .contains("lower by 0.1050 (6.5 %)")
        .contains("±0.0215");
  }

  @Test
  void headlineSaysThatTheHybridIsWorse() {
    Headline headline =
        Headline.of(
            data(
                model("hybrid", ModelKind.HYBRID, 1.80, 1.81, 1.82),
                model("mamba", ModelKind.COMPONENT, 1.70, 1.72, 1.71)));

    assertThat(headline.verdict()).isEqualTo(Headline.Verdict.WORSE);
    assertThat(headline.text()).contains("worse").contains("higher by 0.1000");
  }

  @Test
  void headlineDoesNotClaimWhatTheSpreadExplains() {
    Headline headline =
        Headline.of(
            data(
                model("hybrid", ModelKind.HYBRID, 1.60, 1.70, 1.80),
                model("mamba", ModelKind.COMPONENT, 1.71, 1.72, 1.73)));

    assertThat(headline.verdict()).isEqualTo(Headline.Verdict.UNCLEAR);
    assertThat(headline.text()).startsWith("No clear difference").contains("1.7000 ± 0.2484");
  }

  @Test
  void headlineClaimsNothingThatDoesNotHoldAgainstTheEnsembleToo() {
    Headline headline =
        Headline.of(
            data(
                model("hybrid", ModelKind.HYBRID, 1.50, 1.51, 1.505),
                model("mamba", ModelKind.COMPONENT, 1.70, 1.72, 1.71),
                model("logit ensemble", ModelKind.ENSEMBLE, 1.45, 1.46, 1.44)));

    assertThat(headline.verdict()).isEqualTo(Headline.Verdict.WORSE);
    assertThat(headline.text())
        .startsWith("The hybrid is better than every component")
        .contains("Against the logit ensemble, with 1.4500 ± 0.0248 (3 seeds), it is higher by");
  }

  @Test
  void headlineOfTwoSeedsClaimsNothing() {
    Headline headline =
        Headline.of(
            data(
                model("hybrid", ModelKind.HYBRID, 1.60, 1.61),
                model("mamba", ModelKind.COMPONENT, 1.70, 1.71)));

    assertThat(headline.verdict()).isEqualTo(Headline.Verdict.UNCLEAR);
    assertThat(headline.text()).contains("With only 2 seeds");
  }

  @Test
  void tablesHavePairedDifferencesAndWhatEachTook() {
    ReportData data =
        data(
            model("hybrid", ModelKind.HYBRID, 1.50, 1.51, 1.505),
            model("gpt-neo", ModelKind.COMPONENT, 1.60, 1.61, 1.62),
            model("best of components", ModelKind.BEST_OF, 1.60, 1.61, 1.62),
            model("logit ensemble", ModelKind.ENSEMBLE, 1.55, 1.56, 1.56));

    ImmutableList<String> lines = ResultLines.of(data);

    // Student's t of two degrees of freedom: p = 1 - t / sqrt(t^2 + 2) of t = 21.
    assertThat(lines)
        .anySatisfy(
            line ->
                assertThat(line.strip().split("\\s{2,}"))
                    .containsExactly(
                        "gpt-neo",
                        "loss",
                        "-0.1050",
                        "[-0.1265, -0.0835]",
                        "0.0023",
                        "0.2500",
                        "equal",
                        "equal",
                        "equal"))
        .anySatisfy(
            line ->
                assertThat(line.strip().split("\\s{2,}"))
                    .containsExactly(
                        "logit ensemble",
                        "1.5567 ± 0.0143",
                        "1.5567",
                        "0.5100",
                        "0.2700",
                        "1.3067",
                        "1.8067",
                        "2,469,134",
                        "600",
                        "614,400"))
        .anySatisfy(line -> assertThat(line).contains("logit ensemble").contains("0.500 times"))
        .anySatisfy(line -> assertThat(line).contains("gpt-neo", "exact match", "+0.0000"))
        .anySatisfy(line -> assertThat(line).contains("chosen on the same data"));
    assertThat(ReportWriter.html(data))
        .contains("<td class=\"number\">[-0.1265, -0.0835]</td>")
        .contains("<td class=\"number verdict unclear\">0.500 times</td>")
        .contains("the sums of theirs");
  }

  @Test
  void headlineOfASingleSeedClaimsNothing() {
    Headline headline =
        Headline.of(
            data(
                model("hybrid", ModelKind.HYBRID, 1.60),
                model("mamba", ModelKind.COMPONENT, 1.71)));

    assertThat(headline.verdict()).isEqualTo(Headline.Verdict.UNCLEAR);
    assertThat(headline.text()).contains("single seed").contains("0.1100");
  }

  @Test
  void headlineOfADivergedRunSaysSo() {
    Headline headline =
        Headline.of(
            data(
                model("hybrid", ModelKind.HYBRID, Double.POSITIVE_INFINITY),
                model("mamba", ModelKind.COMPONENT, 1.71)));

    assertThat(headline.verdict()).isEqualTo(Headline.Verdict.NONE);
  }
}
