package dev.manticore.cli;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.progress.CancelledException;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.function.Predicate;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * The command {@code manticore}: picks the verb, and turns what it throws into words and a status.
 */
final class Application {

  private final Terminal terminal;
  private final ImmutableList<Callable<Integer>> verbs;

  @Command(
      name = "manticore",
      description = "Compiles pretrained language models into hybrids.",
      synopsisSubcommandLabel = "VERB",
      footer = {"", "Help on a verb: manticore VERB --help"})
  private static final class Root implements Callable<Integer> {

    private final Terminal terminal;
    @Mixin private CommonOptions common;

    @Option(
        names = "--version",
        versionHelp = true,
        description = "Show the versions of Manticore and of Java.")
    private boolean version;

    Root(Terminal terminal) {
      this.terminal = terminal;
    }

    @Override
    public Integer call() {
      CommandLine.usage(this, terminal.err());
      return ExitCode.USAGE;
    }
  }

  /**
   * @param verbs objects with a {@link Command} annotation each
   */
  Application(Terminal terminal, ImmutableList<Callable<Integer>> verbs) {
    this.terminal = terminal;
    this.verbs = verbs;
  }

  /** The verbs with their options, for what is written about them. */
  CommandSpec model() {
    return commandLine(verb -> true).getCommandSpec();
  }

  /**
   * The command with its verbs. Most of the time of a short command would go into reading the
   * options of all of them, so that those which are not wanted have a name and a description only.
   */
  private CommandLine commandLine(Predicate<String> wanted) {
    CommandLine commandLine = new CommandLine(new Root(terminal));
    commandLine.getCommandSpec().versionProvider(() -> new String[] {VersionCommand.versions()});
    for (Callable<Integer> verb : verbs) {
      Command command = verb.getClass().getAnnotation(Command.class);
      if (wanted.test(command.name())) {
        commandLine.addSubcommand(verb);
      } else {
        CommandSpec named = CommandSpec.create();
        named.usageMessage().description(command.description());
        commandLine.addSubcommand(command.name(), named);
      }
    }
    return commandLine
        .setOut(new PrintWriter(terminal.out(), true))
        .setErr(new PrintWriter(terminal.err(), true))
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setUsageHelpAutoWidth(false)
        .setParameterExceptionHandler((e, args) -> misused(e));
  }

  /** Runs a command line and returns the exit status. */
  int run(String... args) {
    CommandLine commandLine = commandLine(Arrays.asList(args)::contains);
    commandLine.setExecutionExceptionHandler((e, verb, parsed) -> failed(e, args));
    try {
      int status = commandLine.execute(args);
      return status == ExitCode.OK && terminal.out().checkError() ? unwritten() : status;
    } catch (Error e) {
      // A native library that does not load, or memory that does not suffice.
      return failed(e, args);
    }
  }

  /** What was to be read on standard output is lost: a full disk, or a reader that has gone. */
  private int unwritten() {
    terminal.err().println("manticore: cannot write to standard output [MNT-WRITE]");
    return ExitCode.USAGE;
  }

  private int misused(ParameterException e) {
    CommandLine verb = e.getCommandLine();
    terminal.err().println("manticore: " + e.getMessage());
    UnmatchedArgumentException.printSuggestions(e, verb.getErr());
    terminal
        .err()
        .println(String.format("Try '%s --help'.", verb.getCommandSpec().qualifiedName()));
    return ExitCode.USAGE;
  }

  private int failed(Throwable thrown, String[] args) {
    boolean verbose =
        ImmutableList.copyOf(args).contains("--verbose")
            || ImmutableList.copyOf(args).contains("-v");
    if (thrown instanceof CancelledException) {
      terminal
          .err()
          .println("Stopped. What was done is kept; to go on, run the same command again:");
      terminal.err().println("  manticore " + String.join(" ", quoted(args)));
      return ExitCode.INTERRUPTED;
    }
    String trace = trace(thrown);
    if (thrown instanceof ManticoreException known) {
      terminal.err().println(String.format("%s [%s]", known.getMessage(), known.code()));
      if (verbose) {
        terminal.err().print(trace);
      }
      return ExitCode.USAGE;
    }
    String message =
        thrown.getMessage() == null
            ? ""
            : ": " + thrown.getMessage().lines().findFirst().orElse("");
    terminal
        .err()
        .println(
            "manticore: something went wrong inside: "
                + thrown.getClass().getSimpleName()
                + message);
    if (verbose) {
      terminal.err().print(trace);
    } else {
      terminal.err().println(whereTraceIs(trace));
    }
    return ExitCode.FAILED;
  }

  private static String trace(Throwable thrown) {
    StringWriter text = new StringWriter();
    thrown.printStackTrace(new PrintWriter(text, true));
    return text.toString();
  }

  private static String whereTraceIs(String trace) {
    try {
      Path file = Files.createTempFile("manticore-error-", ".txt");
      Files.writeString(file, trace, StandardCharsets.UTF_8);
      return "The details are in " + file + "; --verbose shows them here.";
    } catch (IOException e) {
      return "Run again with --verbose for the details.";
    }
  }

  private static ImmutableList<String> quoted(String[] args) {
    ImmutableList.Builder<String> quoted = ImmutableList.builder();
    for (String arg : args) {
      boolean plain = arg.matches("[A-Za-z0-9_./:=,@%+-]+");
      quoted.add(plain ? arg : "'" + arg.replace("'", "'\\''") + "'");
    }
    return quoted.build();
  }
}
