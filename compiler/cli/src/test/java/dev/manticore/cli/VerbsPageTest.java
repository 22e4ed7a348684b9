package dev.manticore.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;

/** Keeps {@code docs/verbs.md} as the commands say. */
class VerbsPageTest {

  private static final String COMMAND =
      "mvn -pl compiler/cli -am test -Dtest=VerbsPageTest"
          + " -Dsurefire.failIfNoSpecifiedTests=false -Dmanticore.write=true";

  private static final String INTRODUCTION =
      """
      # Verbs

      Generated from the commands themselves; not to be edited. `manticore VERB --help` says the same.

      * Every verb has `-h`, `--help`, which shows its help, and `-v`, `--verbose`, which shows the stack
        trace of an error.
      * Exit statuses: 0 done, 1 failed (a check did not pass, or an internal error), 2 wrong usage or
        input, 130 stopped by Ctrl-C.
      * Results go to standard output, progress and errors to standard error. What errors mean is in
        [troubleshooting.md](troubleshooting.md).

      """;

  private static CommandSpec root() {
    Terminal terminal = Terminal.system();
    return new Application(terminal, Main.verbs(terminal, Main.pipelines())).model();
  }

  private static List<CommandSpec> subcommands(CommandSpec spec) {
    return spec.subcommands().values().stream().map(CommandLine::getCommandSpec).toList();
  }

  private static String page() {
    StringBuilder page = new StringBuilder(INTRODUCTION);
    List<CommandSpec> verbs = subcommands(root());
    page.append("| verb | what it does |\n|---|---|\n");
    for (CommandSpec verb : verbs) {
      page.append(
          String.format(
              "| [`%1$s`](#%1$s) | %2$s |\n", verb.name(), description(verb.usageMessage())));
    }
    for (CommandSpec verb : verbs) {
      describe(page, "##", verb);
      subcommands(verb).stream()
          .sorted(Comparator.comparing(CommandSpec::name))
          .forEach(part -> describe(page, "###", part));
    }
    return page.toString();
  }

  private static String description(CommandLine.Model.UsageMessageSpec usage) {
    return escaped(String.join(" ", usage.description()));
  }

  private static void describe(StringBuilder page, String heading, CommandSpec spec) {
    String name = spec.qualifiedName().replaceFirst("^manticore ", "");
    page.append(String.format("\n%s %s\n\n", heading, name))
        .append(description(spec.usageMessage()))
        .append("\n\n```\n")
        .append(synopsis(spec))
        .append("\n```\n");
    List<String> rows =
        Stream.concat(
                spec.positionalParameters().stream()
                    .sorted(Comparator.comparing(parameter -> parameter.index().min()))
                    .map(VerbsPageTest::row),
                spec.options().stream()
                    .filter(
                        option -> !List.of("--help", "--verbose").contains(option.longestName()))
                    .sorted(
                        Comparator.comparing((OptionSpec option) -> !isRequired(option))
                            .thenComparing(OptionSpec::longestName))
                    .map(VerbsPageTest::row))
            .toList();
    if (!rows.isEmpty()) {
      page.append("\n| argument or option | what it means |\n|---|---|\n");
      rows.forEach(page::append);
    }
    footer(page, List.of(spec.usageMessage().footer()));
  }

  /** The synopsis on one line; without the options that all have. */
  private static String synopsis(CommandSpec spec) {
    return spec.commandLine()
        .getHelp()
        .synopsis(0)
        .strip()
        .replaceAll("\\s+", " ")
        .replaceFirst(" \\[-hv]", "");
  }

  /** Options of a group are alternatives, which the synopsis shows. */
  private static boolean isRequired(OptionSpec option) {
    return option.required() && option.group() == null;
  }

  private static String row(PositionalParamSpec parameter) {
    return row("`" + parameter.paramLabel() + "`", "", parameter.description());
  }

  private static String row(OptionSpec option) {
    String label = option.arity().max() == 0 ? "" : " " + option.paramLabel();
    String names =
        Stream.of(option.names())
            .sorted(Comparator.comparing(String::length))
            .collect(Collectors.joining("`, `", "`", label + "`"));
    return row(names, isRequired(option) ? "Required. " : "", option.description());
  }

  private static String row(String names, String before, String[] description) {
    return String.format("| %s | %s%s |\n", names, before, escaped(String.join(" ", description)));
  }

  /** What is said below the options: prose, and examples as code. */
  private static void footer(StringBuilder page, List<String> lines) {
    boolean code = false;
    page.append('\n');
    for (String line : lines.subList(lines.isEmpty() ? 0 : 1, lines.size())) {
      boolean indented = line.startsWith("  ");
      if (indented != code) {
        page.append(indented ? "\n```sh\n" : "```\n");
        code = indented;
      }
      page.append(indented ? line.strip() : escaped(line)).append('\n');
    }
    if (code) {
      page.append("```\n");
    }
  }

  private static String escaped(String text) {
    return text.replace("%n", " ").replace("|", "\\|").replace("<", "&lt;");
  }

  @Test
  void thePageIsUpToDate() throws IOException {
    Path file = Fixtures.projectRoot().resolve("docs/verbs.md");
    String page = page();
    if (Boolean.getBoolean("manticore.write")) {
      Files.writeString(file, page);
    }

    assertThat(file).exists();
    assertThat(Files.readString(file)).as("stale; write it anew with: %s", COMMAND).isEqualTo(page);
  }

  @Test
  void theReadmeNamesEveryVerb() throws IOException {
    String readme = Files.readString(Fixtures.projectRoot().resolve("README.md"));

    assertThat(subcommands(root()))
        .allSatisfy(verb -> assertThat(readme).containsPattern("\\| `" + verb.name() + "[ `]"));
  }
}
