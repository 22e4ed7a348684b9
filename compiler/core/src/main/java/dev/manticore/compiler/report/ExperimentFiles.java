package dev.manticore.compiler.report;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.experiment.Comparison;
import dev.manticore.compiler.experiment.Comparison.Difference;
import dev.manticore.compiler.experiment.Comparison.Extent;
import dev.manticore.compiler.experiment.Comparison.Group;
import dev.manticore.compiler.experiment.Comparison.Parity;
import dev.manticore.compiler.experiment.Comparison.Row;
import dev.manticore.compiler.experiment.Csv;
import dev.manticore.compiler.experiment.FinishedTrial;
import dev.manticore.compiler.experiment.Landscape;
import dev.manticore.compiler.experiment.Measure;
import dev.manticore.compiler.experiment.Measures;
import dev.manticore.compiler.experiment.Outcome;
import dev.manticore.compiler.statistics.Interval;
import dev.manticore.compiler.statistics.PairedTest;
import dev.manticore.compiler.statistics.Sample;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.Collectors;

/** The report of an experiment as CSV and JSON; what is not known is left empty or null. */
final class ExperimentFiles {

  private ExperimentFiles() {}

  /** A row a group, measure and model; the columns from {@code pairs} on compare the reference. */
  static String table(ExperimentReport report) {
    Csv csv = new Csv();
    csv.row(
        ImmutableList.of(
            "group",
            "measure",
            "model",
            "seeds",
            "mean",
            "standard_deviation",
            "interval_low",
            "interval_high",
            "parameters_least",
            "parameters_greatest",
            "steps_least",
            "steps_greatest",
            "tokens_least",
            "tokens_greatest",
            "best_component",
            "pairs",
            "reference_less_model",
            "difference_low",
            "difference_high",
            "p_t_test",
            "p_sign_flip",
            "verdict",
            "equal_parameters",
            "equal_steps",
            "equal_tokens",
            "seeds_only_reference",
            "seeds_only_model"));
    for (Group group : report.comparison().groups()) {
      for (Measure measure : group.measures()) {
        group.models().forEach(row -> csv.row(row(group, measure, row)));
      }
    }
    return csv.toString();
  }

  private static List<Object> row(Group group, Measure measure, Row row) {
    List<Object> cells = new ArrayList<>();
    Sample sample = row.sample(measure);
    cells.add(group.name());
    cells.add(measure.key());
    cells.add(row.model());
    cells.add(sample.size());
    cells.add(sample.size() == 0 ? "" : sample.mean());
    cells.add(sample.size() < 2 ? "" : sample.standardDeviation());
    add(cells, sample.interval());
    for (Extent extent : ImmutableList.of(row.parameters(), row.steps(), row.tokens())) {
      cells.add(extent.least());
      cells.add(extent.greatest());
    }
    cells.add(group.bestComponent().equals(Optional.of(row.model())));
    Optional<Difference> difference = group.difference(row.model());
    Optional<PairedTest> test = difference.map(d -> d.tests().get(measure));
    cells.add(test.map(PairedTest::size).map(Object::toString).orElse(""));
    cells.add(test.<Object>map(t -> t.differences().mean()).orElse(""));
    add(cells, test.flatMap(PairedTest::interval));
    cells.add(test.map(t -> text(t.tTest())).orElse(""));
    cells.add(test.map(t -> text(t.signFlip())).orElse(""));
    cells.add(difference.map(d -> d.verdict(measure).toString()).orElse(""));
    cells.add(difference.<Object>map(d -> d.parameters().equal()).orElse(""));
    cells.add(difference.<Object>map(d -> d.steps().equal()).orElse(""));
    cells.add(difference.<Object>map(d -> d.tokens().equal()).orElse(""));
    cells.add(difference.map(d -> spaced(d.onlyReference())).orElse(""));
    cells.add(difference.map(d -> spaced(d.onlyOther())).orElse(""));
    return cells;
  }

  private static void add(List<Object> cells, Optional<Interval> interval) {
    cells.add(interval.<Object>map(Interval::low).orElse(""));
    cells.add(interval.<Object>map(Interval::high).orElse(""));
  }

  private static String text(OptionalDouble value) {
    return value.isPresent() ? Double.toString(value.getAsDouble()) : "";
  }

  private static String spaced(List<?> values) {
    return values.stream().map(Object::toString).collect(Collectors.joining(" "));
  }

  /** A row a trial; the blocks of a mixture are apart by semicolons, its weights by spaces. */
  static String outcomes(ExperimentReport report) {
    Csv csv = new Csv();
    List<Object> header =
        new ArrayList<>(List.of("group", "model", "seed", "parameters", "steps", "tokens"));
    for (String part : List.of("validation", "test")) {
      for (Measure measure : Measure.values()) {
        header.add(part + "_" + measure.key());
      }
    }
    header.add("components");
    header.add("mixture");
    csv.row(header);
    for (FinishedTrial trial : report.trials()) {
      Outcome outcome = trial.outcome();
      List<Object> cells = new ArrayList<>();
      cells.add(outcome.group());
      cells.add(outcome.model());
      cells.add(outcome.seed());
      cells.add(outcome.parameters());
      cells.add(outcome.steps());
      cells.add(outcome.tokens());
      for (Measures part : List.of(outcome.validation(), outcome.test())) {
        for (Measure measure : Measure.values()) {
          cells.add(text(measure.of(part)));
        }
      }
      cells.add(spaced(outcome.components()));
      cells.add(
          outcome.mixture().stream().map(ExperimentFiles::spaced).collect(Collectors.joining(";")));
      csv.row(cells);
    }
    return csv.toString();
  }

  static ObjectNode json(ExperimentReport report) {
    Comparison comparison = report.comparison();
    ObjectNode json =
        JsonNodeFactory.instance
            .objectNode()
            .put("title", report.title())
            .put("headline", report.headline())
            .put("reference", comparison.reference())
            .put("confidence", Sample.CONFIDENCE)
            .put("level", Comparison.LEVEL);
    report.notes().forEach(json.putArray("notes")::add);
    report.remarks().forEach(json.putArray("remarks")::add);
    ArrayNode groups = json.putArray("groups");
    comparison.groups().forEach(group -> groups.add(json(group)));
    json.putArray("outcomes")
        .addAll(report.trials().stream().map(trial -> trial.outcome().json()).toList());
    json.putArray("landscapes").addAll(report.landscapes().stream().map(Landscape::json).toList());
    return json;
  }

  private static ObjectNode json(Group group) {
    ObjectNode json =
        JsonNodeFactory.instance
            .objectNode()
            .put("group", group.name())
            .put("best_component", group.bestComponent().orElse(null));
    group.missing().forEach(json.putArray("not_run")::add);
    ArrayNode models = json.putArray("models");
    for (Row row : group.models()) {
      ObjectNode model = models.addObject().put("model", row.model());
      row.seeds().forEach(model.putArray("seeds")::add);
      put(model, "parameters", row.parameters());
      put(model, "steps", row.steps());
      put(model, "tokens", row.tokens());
      ObjectNode measures = model.putObject("test");
      for (Measure measure : group.measures()) {
        Sample sample = row.sample(measure);
        if (sample.size() > 0) {
          ObjectNode described =
              measures
                  .putObject(measure.key())
                  .put("seeds", sample.size())
                  .put("mean", sample.mean());
          if (sample.size() > 1) {
            described.put("standard_deviation", sample.standardDeviation());
          }
          put(described, sample.interval());
        }
      }
    }
    ArrayNode differences = json.putArray("differences");
    group.differences().forEach(difference -> differences.add(json(difference)));
    return json;
  }

  private static ObjectNode json(Difference difference) {
    ObjectNode json =
        JsonNodeFactory.instance.objectNode().put("reference_less", difference.other());
    difference.seeds().forEach(json.putArray("seeds")::add);
    difference.onlyReference().forEach(json.putArray("seeds_only_reference")::add);
    difference.onlyOther().forEach(json.putArray("seeds_only_model")::add);
    put(json, "parameters", difference.parameters());
    put(json, "steps", difference.steps());
    put(json, "tokens", difference.tokens());
    ObjectNode tests = json.putObject("test");
    difference
        .tests()
        .forEach(
            (measure, test) -> {
              ObjectNode described =
                  tests
                      .putObject(measure.key())
                      .put("pairs", test.size())
                      .put("difference", test.differences().mean());
              put(described, test.interval());
              put(described, "p_t_test", test.tTest());
              put(described, "p_sign_flip", test.signFlip());
              described.put("verdict", difference.verdict(measure).toString());
            });
    return json;
  }

  private static void put(ObjectNode json, String key, Extent extent) {
    json.putArray(key).add(extent.least()).add(extent.greatest());
  }

  private static void put(ObjectNode json, String key, Parity parity) {
    ObjectNode described = json.putObject(key).put("equal", parity.equal());
    if (!Double.isNaN(parity.ratio())) {
      described.put("ratio", parity.ratio());
    }
  }

  private static void put(ObjectNode json, Optional<Interval> interval) {
    if (interval.isPresent()) {
      json.putArray("interval").add(interval.get().low()).add(interval.get().high());
    } else {
      json.putNull("interval");
    }
  }

  private static void put(ObjectNode json, String key, OptionalDouble value) {
    if (value.isPresent()) {
      json.put(key, value.getAsDouble());
    } else {
      json.putNull(key);
    }
  }
}
