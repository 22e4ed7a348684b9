package dev.manticore.compiler.report;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.experiment.Measure;
import dev.manticore.compiler.report.ReportData.Difference;
import dev.manticore.compiler.report.ReportData.Model;
import java.util.ArrayList;
import java.util.List;

/** The tables of a report's results, for a terminal. */
public final class ResultLines {

  private ResultLines() {}

  /** What each model reached and took, then the hybrid less each other. */
  public static ImmutableList<String> of(ReportData data) {
    ImmutableList.Builder<String> lines = ImmutableList.builder();
    int seeds = data.models().get(0).runs().size();
    lines.add(
        String.format(
            "Mean %s loss in nats a token over %d seed%s%s:",
            data.part(),
            seeds,
            seeds == 1 ? "" : "s",
            seeds == 1 ? "" : ", ± half its 95 % interval"));
    indent(models(data), lines);
    if (!data.differences().isEmpty()) {
      lines.add(
          "The hybrid less each other, seed by seed; its parameters, steps and tokens beside theirs:");
      indent(differences(data), lines);
    }
    return lines.addAll(data.remarks()).build();
  }

  private static void indent(TextTable table, ImmutableList.Builder<String> lines) {
    table.lines().forEach(line -> lines.add("  " + line));
  }

  private static TextTable models(ReportData data) {
    TextTable table = new TextTable().words("model").numbers("loss");
    data.shown().forEach(measure -> table.numbers(measure.toString()));
    data.slices().forEach(table::numbers);
    table.numbers("parameters").numbers("steps").numbers("tokens");
    for (Model model : data.models()) {
      List<String> row = new ArrayList<>();
      row.add(model.name());
      row.add(Numbers.mean(model.losses()));
      for (Measure measure : data.shown()) {
        row.add(Numbers.number(model.values(measure).mean()));
      }
      for (String slice : data.slices()) {
        row.add(Numbers.number(model.slices().getOrDefault(slice, Double.NaN)));
      }
      row.add(Numbers.extent(model.parameters()));
      row.add(Numbers.extent(model.steps()));
      row.add(Numbers.extent(model.tokens()));
      table.row(row);
    }
    return table;
  }

  private static TextTable differences(ReportData data) {
    TextTable table = new TextTable().words("less").words("measure");
    DifferenceColumns.HEADS.forEach(table::numbers);
    for (Difference difference : data.differences()) {
      difference
          .tests()
          .forEach(
              (measure, test) ->
                  table.row(
                      ImmutableList.<String>builder()
                          .add(difference.other().name())
                          .add(measure.toString())
                          .addAll(DifferenceColumns.test(test))
                          .addAll(
                              DifferenceColumns.parities(
                                  difference.parameters(), difference.steps(), difference.tokens()))
                          .build()));
    }
    return table;
  }
}
