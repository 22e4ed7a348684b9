package dev.manticore.compiler.stages;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.manticore.compiler.pipeline.Pipeline;
import dev.manticore.compiler.pipeline.StageRunner;
import dev.manticore.compiler.report.TextTable;
import dev.manticore.compiler.statistics.Interval;
import dev.manticore.compiler.statistics.Sample;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Which component fits the data, read off a search: the one with the largest weight, as a mean over
 * blocks and seeds; and, where each was tuned alone, whether that is the one with the least loss.
 */
final class SelectionSummary {

  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * A component.
   *
   * @param weights over the blocks' mean, one a seed
   * @param losses tuned alone, one a seed; empty where that was not asked for
   */
  private record Row(String name, Sample weights, Optional<Sample> losses) {}

  private final List<Row> rows = new ArrayList<>();
  private final int searchSteps;
  private final int aloneSteps;

  /**
   * @param results of the searches, and with {@code checked} of the components tuned alone
   */
  SelectionSummary(CompilePipeline pipeline, StageRunner results, boolean checked) {
    List<String> names = pipeline.components().stream().map(ComponentSource::name).toList();
    for (int k = 0; k < names.size(); k++) {
      List<Double> weights = new ArrayList<>();
      List<Double> losses = new ArrayList<>();
      for (CompilePipeline.Repetition repetition : pipeline.repetitions()) {
        int component = k;
        weights.add(
            results.result(repetition.search()).weights().stream()
                .mapToDouble(block -> block.get(component))
                .average()
                .orElseThrow());
        if (checked) {
          losses.add(results.result(repetition.alone().get(k)).scored().heldOutLoss());
        }
      }
      rows.add(
          new Row(
              names.get(k),
              Sample.of(weights),
              checked ? Optional.of(Sample.of(losses)) : Optional.empty()));
    }
    // Of equal weights the first in the recipe.
    rows.sort(Comparator.comparingDouble(row -> -row.weights().mean()));
    this.searchSteps = pipeline.shop().recipe().search().training().steps();
    this.aloneSteps = pipeline.shop().recipe().hybridSteps();
  }

  Pipeline.Summary summary() {
    Row chosen = rows.get(0);
    TextTable table = new TextTable().words("component").numbers("mean weight");
    ObjectNode json = JSON.createObjectNode().put("chosen", chosen.name());
    ArrayNode components = json.putArray("components");
    boolean checked = chosen.losses().isPresent();
    if (checked) {
      table.numbers("loss alone");
    }
    for (Row row : rows) {
      List<String> cells = new ArrayList<>(List.of(row.name(), text("%.3f", row.weights())));
      ObjectNode component = components.addObject().put("name", row.name());
      component.put("weight", row.weights().mean());
      row.losses()
          .ifPresent(
              losses -> {
                cells.add(text("%.4f", losses));
                component.put("loss_alone", losses.mean());
              });
      table.row(cells);
    }
    StringBuilder text = new StringBuilder();
    text.append(
        String.format(
            "%s fits this data best, by a search of %d steps (mean over blocks and %d seeds, 95 %%"
                + " interval):%n%s%n%n",
            chosen.name(),
            searchSteps,
            chosen.weights().size(),
            String.join(System.lineSeparator(), table.lines())));
    if (checked) {
      Row best =
          rows.stream()
              .min(Comparator.comparingDouble(row -> row.losses().orElseThrow().mean()))
              .orElseThrow();
      json.put("best", best.name()).put("agrees", best == chosen);
      text.append(
          best == chosen
              ? String.format(
                  "Tuned alone for %d steps each, it has the least loss: the choice is right.",
                  aloneSteps)
              : String.format(
                  Locale.ROOT,
                  "Tuned alone for %d steps each, %s has the least loss: the choice is wrong by"
                      + " %.4f nats a token.",
                  aloneSteps,
                  best.name(),
                  chosen.losses().orElseThrow().mean() - best.losses().orElseThrow().mean()));
    } else {
      text.append(
          "A weight says how much of a component the hybrid uses, which is not quite how good it is"
              + " alone: --check tunes each alone and compares.");
    }
    return new Pipeline.Summary(text.toString(), json.toString());
  }

  private static String text(String format, Sample sample) {
    String mean = String.format(Locale.ROOT, format, sample.mean());
    return sample
        .interval()
        .map(Interval::halfWidth)
        .map(half -> mean + String.format(Locale.ROOT, " \u00b1 " + format, half))
        .orElse(mean);
  }
}
