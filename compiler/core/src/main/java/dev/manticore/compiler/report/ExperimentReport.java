package dev.manticore.compiler.report;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.experiment.Comparison;
import dev.manticore.compiler.experiment.Comparison.Difference;
import dev.manticore.compiler.experiment.Comparison.Group;
import dev.manticore.compiler.experiment.Comparison.Row;
import dev.manticore.compiler.experiment.Comparison.Verdict;
import dev.manticore.compiler.experiment.FinishedTrial;
import dev.manticore.compiler.experiment.Landscape;
import dev.manticore.compiler.experiment.Measure;
import dev.manticore.compiler.pipeline.PrettyJson;
import dev.manticore.compiler.statistics.PairedTest;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.io.AtomicFiles.Content;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.StringJoiner;

/**
 * The report of an experiment: a page, and the same as tables and JSON.
 *
 * @param title the experiment's name
 * @param notes sentences on how it was made
 * @param trials whose outcomes are compared
 * @param landscapes losses over mixture weights; may be empty
 */
public record ExperimentReport(
    String title,
    ImmutableList<String> notes,
    Comparison comparison,
    ImmutableList<FinishedTrial> trials,
    ImmutableList<Landscape> landscapes) {

  /** The page. */
  public static final String PAGE = "report.html";

  /** A row a group, measure and model. */
  public static final String TABLE = "table.csv";

  /** A row a trial. */
  public static final String OUTCOMES = "outcomes.csv";

  /** All of it. */
  public static final String JSON = "report.json";

  public ExperimentReport {
    requireNonNull(title, "title");
    requireNonNull(notes, "notes");
    requireNonNull(comparison, "comparison");
    requireNonNull(trials, "trials");
    requireNonNull(landscapes, "landscapes");
  }

  /**
   * Compares trials.
   *
   * @param reference the model that the others are compared with
   * @throws ManticoreException {@code MNT-EXPERIMENT} as {@link Comparison#of}
   */
  public static ExperimentReport of(
      String title,
      List<String> notes,
      String reference,
      List<FinishedTrial> trials,
      List<Landscape> landscapes) {
    return new ExperimentReport(
        title,
        ImmutableList.copyOf(notes),
        Comparison.of(trials.stream().map(FinishedTrial::outcome).toList(), reference),
        ImmutableList.copyOf(trials),
        ImmutableList.copyOf(landscapes));
  }

  /**
   * Writes {@value #PAGE}, {@value #TABLE}, {@value #OUTCOMES} and {@value #JSON} into a directory,
   * which is made if need be; equal reports give equal bytes.
   *
   * @throws ManticoreException {@code MNT-WRITE} when they cannot be written; none is then changed
   */
  public void write(Path directory) {
    try {
      Files.createDirectories(directory);
      AtomicFiles.replace(
          ImmutableMap.of(
              directory.resolve(TABLE), content(ExperimentFiles.table(this)),
              directory.resolve(OUTCOMES), content(ExperimentFiles.outcomes(this)),
              directory.resolve(JSON), content(PrettyJson.text(ExperimentFiles.json(this))),
              directory.resolve(PAGE), content(ExperimentPage.html(this))));
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-WRITE",
          String.format(
              "cannot write the report into %s: %s; free space there, or choose another place",
              directory, e.getMessage()),
          e);
    }
  }

  private static Content content(String text) {
    return channel -> AtomicFiles.writeFully(channel, ByteBuffer.wrap(text.getBytes(UTF_8)));
  }

  /** The overview and what may be said of it, for a terminal. */
  public ImmutableList<String> lines() {
    ImmutableList.Builder<String> lines = ImmutableList.builder();
    if (!notes.isEmpty()) {
      lines.addAll(notes).add("");
    }
    for (Measure measure : measures()) {
      lines.add("test " + measure + " (" + measure.unit() + "), mean ± half its 95 % interval:");
      TextTable table = new TextTable().words("model");
      comparison.groups().forEach(group -> table.numbers(group.name()));
      for (String model : models()) {
        table.row(
            ImmutableList.<String>builder()
                .add(model)
                .addAll(comparison.groups().stream().map(g -> mean(g, model, measure)).toList())
                .build());
      }
      lines.addAll(table.lines()).add("");
    }
    lines.addAll(differenceLines()).add("");
    return lines.add(headline()).addAll(remarks()).build();
  }

  private ImmutableList<String> differenceLines() {
    TextTable table =
        new TextTable()
            .words("group")
            .words(comparison.reference() + " less")
            .words("measure")
            .numbers("seeds");
    DifferenceColumns.HEADS.forEach(table::numbers);
    table.words("verdict");
    for (Group group : comparison.groups()) {
      for (Difference difference : group.differences()) {
        for (Map.Entry<Measure, PairedTest> entry : difference.tests().entrySet()) {
          PairedTest test = entry.getValue();
          table.row(
              ImmutableList.<String>builder()
                  .add(group.name(), difference.other(), entry.getKey().toString())
                  .add(Integer.toString(test.size()))
                  .addAll(DifferenceColumns.test(test))
                  .addAll(
                      DifferenceColumns.parities(
                          difference.parameters(), difference.steps(), difference.tokens()))
                  .add(difference.verdict(entry.getKey()).toString())
                  .build());
        }
      }
    }
    return table.lines();
  }

  /** The models of all groups, the reference first. */
  ImmutableList<String> models() {
    Group first = comparison.groups().get(0);
    // A group lists the models that it lacks in the same order.
    ImmutableList<String> rest =
        ImmutableList.<String>builder()
            .addAll(first.models().stream().map(Row::model).toList())
            .addAll(first.missing())
            .build();
    return ImmutableList.<String>builder()
        .add(comparison.reference())
        .addAll(rest.stream().filter(model -> !model.equals(comparison.reference())).toList())
        .build();
  }

  /** What anything was measured by. */
  ImmutableList<Measure> measures() {
    return ImmutableList.copyOf(Measure.values()).stream()
        .filter(
            measure ->
                comparison.groups().stream().anyMatch(group -> group.measures().contains(measure)))
        .collect(ImmutableList.toImmutableList());
  }

  static String mean(Group group, String model, Measure measure) {
    return group.model(model).map(row -> Numbers.mean(row.sample(measure))).orElse(Numbers.NONE);
  }

  /** The difference to the best component, if there is one. */
  static Optional<Difference> toBest(Group group) {
    return group.bestComponent().flatMap(group::difference);
  }

  /** How often the reference did how well against the best component. */
  String headline() {
    StringJoiner sentences = new StringJoiner(" ");
    for (Measure measure : ImmutableList.of(Measure.LOSS, Measure.ACCURACY)) {
      Map<Verdict, Integer> counts = new EnumMap<>(Verdict.class);
      int groups = 0;
      for (Group group : comparison.groups()) {
        Optional<Difference> difference = toBest(group);
        if (difference.isPresent()) {
          groups++;
          counts.merge(difference.get().verdict(measure), 1, Integer::sum);
        }
      }
      if (groups == 0) {
        return "No group has both "
            + comparison.reference()
            + " and a component of its own to compare it with.";
      }
      StringJoiner parts = new StringJoiner(", ");
      counts.forEach(
          (verdict, count) -> parts.add(String.format(Locale.ROOT, "%s in %d", verdict, count)));
      sentences.add(
          String.format(
              Locale.ROOT,
              "By test %s, %s against its best component, of %d %s: %s.",
              measure,
              comparison.reference(),
              groups,
              groups == 1 ? "group" : "groups",
              parts));
    }
    return sentences.toString();
  }

  /** The verdict that the page's headline is coloured by: the least good one by loss. */
  Verdict worst() {
    Verdict worst = null;
    for (Group group : comparison.groups()) {
      Verdict verdict = toBest(group).map(d -> d.verdict(Measure.LOSS)).orElse(Verdict.NOT_TESTED);
      if (verdict == Verdict.WORSE) {
        return verdict;
      }
      worst = worst == null || verdict.compareTo(worst) > 0 ? verdict : worst;
    }
    return worst;
  }

  /** What keeps the comparison from being whole or fair, group by group. */
  ImmutableList<String> remarks() {
    ImmutableList.Builder<String> remarks = ImmutableList.builder();
    comparison.groups().forEach(group -> remarks.addAll(remarks(group)));
    return remarks.build();
  }

  ImmutableList<String> remarks(Group group) {
    ImmutableList.Builder<String> remarks = ImmutableList.builder();
    if (!group.missing().isEmpty()) {
      remarks.add(group.name() + ": not run: " + Numbers.list(group.missing()));
    }
    for (Difference difference : group.differences()) {
      String pair = group.name() + ": " + comparison.reference() + " and " + difference.other();
      if (!difference.onlyReference().isEmpty()) {
        remarks.add(
            String.format(
                "%s: %s lacks %s, not paired",
                pair, difference.other(), Numbers.seeds(difference.onlyReference())));
      }
      if (!difference.onlyOther().isEmpty()) {
        remarks.add(
            String.format(
                "%s: %s lacks %s, not paired",
                pair, comparison.reference(), Numbers.seeds(difference.onlyOther())));
      }
      if (difference.seeds().isEmpty()) {
        remarks.add(pair + " have no seed in common: they are not compared");
      } else if (difference.seeds().size() == 1) {
        remarks.add(
            pair + " have one seed in common: there is neither an interval nor a test of one");
      }
      ImmutableList<Integer> diverged = diverged(group, difference);
      if (!diverged.isEmpty()) {
        remarks.add(
            String.format(
                "%s: a loss is not finite with %s: there is no test",
                pair, Numbers.seeds(diverged)));
      }
    }
    Map<String, List<String>> unequal = new LinkedHashMap<>();
    for (Difference difference : group.differences()) {
      unequal
          .computeIfAbsent(unequal(difference), what -> new ArrayList<>())
          .add(difference.other());
    }
    unequal.remove("");
    unequal.forEach(
        (what, others) ->
            remarks.add(
                String.format(
                    "%s: %s does not have equal %s with %s",
                    group.name(), comparison.reference(), what, Numbers.list(others))));
    return remarks.build();
  }

  private ImmutableList<Integer> diverged(Group group, Difference difference) {
    return group.models().stream()
        .filter(
            row ->
                row.model().equals(comparison.reference())
                    || row.model().equals(difference.other()))
        .flatMap(row -> row.outcomes().stream())
        .filter(outcome -> difference.seeds().contains(outcome.seed()))
        .filter(outcome -> !Double.isFinite(outcome.test().loss()))
        .map(outcome -> outcome.seed())
        .distinct()
        .sorted()
        .collect(ImmutableList.toImmutableList());
  }

  /** What two models did not have alike, by how much; empty if all was, or nothing was paired. */
  static String unequal(Difference difference) {
    StringJoiner unequal = new StringJoiner(", ");
    if (!difference.seeds().isEmpty()) {
      ImmutableMap.of(
              "parameters", difference.parameters(),
              "steps", difference.steps(),
              "tokens", difference.tokens())
          .forEach(
              (what, parity) -> {
                if (!parity.equal()) {
                  unequal.add(what + " (" + Numbers.parity(parity) + ")");
                }
              });
    }
    return unequal.toString();
  }
}
