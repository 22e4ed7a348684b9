package dev.manticore.compiler.experiment;

import static com.google.common.base.Preconditions.checkArgument;
import static java.util.Objects.requireNonNull;

import com.google.common.base.Ticker;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSet;
import com.google.common.util.concurrent.Uninterruptibles;
import dev.manticore.compiler.pipeline.WorkLock;
import dev.manticore.compiler.process.OwnJvm;
import dev.manticore.compiler.process.Subprocess;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.CancelledException;
import dev.manticore.compiler.progress.Progress;
import dev.manticore.compiler.progress.TrialReport;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletionService;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.Collectors;

/**
 * Runs trials side by side, each in a virtual machine of its own. What comes out does not depend on
 * their order or on how many run at once. A trial whose outcome is there is not run again, one that
 * was interrupted goes on in its directory, and one whose spec has changed is started anew.
 */
public final class TrialRunner {

  /** Of what a failed process wrote, so many lines are shown. */
  private static final int SHOWN_LINES = 8;

  private final Path experiment;
  private final String main;
  private final ImmutableList<String> arguments;
  private final Options options;
  private final Progress progress;
  private final Cancellation cancellation;
  private final Ticker ticker;

  /**
   * How trials are run.
   *
   * @param parallel so many at once
   * @param threads of each, which is what {@link Runtime#availableProcessors} says there; outcomes
   *     depend on it
   * @param heapBytes the largest heap of each; tensors lie outside it
   * @param grace how long one may take to save its state when it is asked to stop
   */
  public record Options(int parallel, int threads, long heapBytes, Duration grace) {

    /** Less than what the command line waits for after Ctrl-C. */
    private static final Duration GRACE = Duration.ofSeconds(50);

    private static final long HEAP = 1L << 30;

    public Options {
      checkArgument(parallel >= 1, "%s trials at once", parallel);
      checkArgument(threads >= 1, "%s threads of a trial", threads);
      checkArgument(heapBytes >= 1 << 20, "a heap of %s bytes", heapBytes);
      requireNonNull(grace, "grace");
    }

    /** As many trials at once as there are cores for. */
    public static Options ofThreads(int threads) {
      int cores = Runtime.getRuntime().availableProcessors();
      return new Options(Math.max(1, cores / threads), threads, HEAP, GRACE);
    }
  }

  /**
   * @param experiment the directory of the experiment
   * @param main the class whose process runs a trial, by {@link TrialProcess#main}
   * @param arguments its arguments; the trial's directory comes after them
   */
  public TrialRunner(
      Path experiment,
      String main,
      List<String> arguments,
      Options options,
      Progress progress,
      Cancellation cancellation,
      Ticker ticker) {
    this.experiment = experiment.toAbsolutePath().normalize();
    this.main = requireNonNull(main, "main");
    this.arguments = ImmutableList.copyOf(arguments);
    this.options = requireNonNull(options, "options");
    this.progress = requireNonNull(progress, "progress");
    this.cancellation = requireNonNull(cancellation, "cancellation");
    this.ticker = requireNonNull(ticker, "ticker");
  }

  /** What went wrong, if anything, and how long the trial ran. */
  private record Ended(Trial trial, Optional<String> failure, Duration took) {}

  /**
   * Makes the outcomes of all trials be there.
   *
   * @return the file of each outcome, in the order of the trials
   * @throws ManticoreException {@code MNT-TRIAL} when all have been run but some have failed, which
   *     a later call tries again; {@code MNT-BUSY} when another run uses the experiment; {@code
   *     MNT-WRITE}
   * @throws CancelledException when a stop was asked for, or the thread is interrupted, and the
   *     trials have saved their states
   */
  public ImmutableList<Path> run(List<Trial> trials) {
    return run(trials, Optional.empty());
  }

  /** The same, after the plan that names the trials has been written. */
  public ImmutableList<Path> run(List<Trial> trials, ExperimentPlan plan) {
    return run(trials, Optional.of(plan));
  }

  private ImmutableList<Path> run(List<Trial> trials, Optional<ExperimentPlan> plan) {
    ImmutableSet<String> ids =
        trials.stream().map(Trial::id).collect(ImmutableSet.toImmutableSet());
    checkArgument(ids.size() == trials.size(), "trials of the same name");
    WorkLock lock = WorkLock.take(experiment);
    try {
      plan.ifPresent(named -> named.write(experiment));
      ImmutableList<Trial> left =
          trials.stream()
              .filter(trial -> !directory(trial).isDone())
              .collect(ImmutableList.toImmutableList());
      int number = 0;
      for (Trial trial : trials) {
        if (!left.contains(trial)) {
          number++;
          report(
              trial, number, trials.size(), TrialReport.End.REUSED, Duration.ZERO, Duration.ZERO);
        }
      }
      ImmutableList<Ended> failed = runAll(left, trials.size());
      if (!failed.isEmpty()) {
        throw failure(failed, trials.size());
      }
    } finally {
      lock.close();
    }
    return trials.stream()
        .map(trial -> directory(trial).outcome())
        .collect(ImmutableList.toImmutableList());
  }

  private TrialDirectory directory(Trial trial) {
    return new TrialDirectory(experiment, trial, arguments, options.threads());
  }

  /** Returns those that have failed, in the order of the trials. */
  private ImmutableList<Ended> runAll(ImmutableList<Trial> trials, int of) {
    ExecutorService pool = Executors.newFixedThreadPool(options.parallel());
    try {
      CompletionService<Ended> running = new ExecutorCompletionService<>(pool);
      trials.forEach(trial -> running.submit(() -> run(trial)));
      List<Ended> ended = new ArrayList<>();
      Duration spent = Duration.ZERO;
      boolean cancelled = false;
      for (int left = trials.size() - 1; left >= 0; left--) {
        Optional<Ended> next = take(running);
        if (next.isEmpty()) {
          cancelled = true;
          continue;
        }
        Ended last = next.get();
        ended.add(last);
        spent = spent.plus(last.took());
        Duration remaining =
            spent.multipliedBy(left).dividedBy((long) ended.size() * options.parallel());
        report(
            last.trial(),
            of - left,
            of,
            last.failure().isPresent() ? TrialReport.End.FAILED : TrialReport.End.DONE,
            last.took(),
            remaining);
      }
      if (cancelled) {
        throw new CancelledException();
      }
      return ended.stream()
          .filter(one -> one.failure().isPresent())
          .sorted(Comparator.comparingInt(one -> trials.indexOf(one.trial())))
          .collect(ImmutableList.toImmutableList());
    } finally {
      // Only after an interruption is there one that still runs; it ends at once.
      pool.shutdownNow();
      Uninterruptibles.awaitTerminationUninterruptibly(pool);
    }
  }

  /** The next trial that ends; empty if it was stopped. */
  private static Optional<Ended> take(CompletionService<Ended> running) {
    try {
      return Optional.of(running.take().get());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancelledException();
    } catch (ExecutionException e) {
      if (e.getCause() instanceof CancelledException) {
        return Optional.empty();
      }
      throw new IllegalStateException(e.getCause());
    }
  }

  private void report(
      Trial trial, int number, int of, TrialReport.End end, Duration took, Duration remaining) {
    progress.trialEnded(new TrialReport(trial.id(), number, of, end, took, remaining));
  }

  private Ended run(Trial trial) {
    cancellation.throwIfRequested();
    long start = ticker.read();
    Optional<String> failure;
    try {
      failure = failure(directory(trial));
    } catch (ManticoreException e) {
      failure = Optional.of(e.getMessage());
    } catch (IOException e) {
      failure = Optional.of(e.toString());
    }
    return new Ended(trial, failure, Duration.ofNanos(ticker.read() - start));
  }

  /** Runs a trial; returns what went wrong. */
  private Optional<String> failure(TrialDirectory directory) throws IOException {
    directory.prepare();
    Subprocess.Outcome outcome =
        new Subprocess(
                command(directory),
                ImmutableSet.of(),
                // As the launcher sets it: with it, oneDNN is used.
                ImmutableMap.of("OMP_NUM_THREADS", "1"),
                Path.of("").toAbsolutePath(),
                Subprocess.NO_LIMIT)
            .run(directory.log(), options.grace(), cancellation);
    int status = outcome.status().getAsInt();
    if (status != 0) {
      // Ctrl-C reaches all processes of a terminal, and a trial may be through before it is asked.
      cancellation.throwIfRequested();
      return Optional.of("status " + status + ", " + directory.log() + end(outcome.output()));
    }
    if (!directory.hasOutcome()) {
      return Optional.of("no outcome, " + directory.log() + end(outcome.output()));
    }
    directory.complete();
    return Optional.empty();
  }

  private ImmutableList<String> command(TrialDirectory directory) {
    return OwnJvm.command(
        ImmutableList.of(
            "-XX:ActiveProcessorCount=" + options.threads(),
            // Of all collectors the one with the least memory and no threads of its own.
            "-XX:+UseSerialGC",
            // Whatever this process starts with.
            "-Xms16m",
            "-Xmx" + options.heapBytes()),
        main,
        ImmutableList.<String>builder().addAll(arguments).add(directory.path().toString()).build());
  }

  private static String end(String log) {
    ImmutableList<String> lines = log.lines().collect(ImmutableList.toImmutableList());
    return lines.subList(Math.max(0, lines.size() - SHOWN_LINES), lines.size()).stream()
        .map(line -> "\n    " + line)
        .collect(Collectors.joining());
  }

  private static ManticoreException failure(ImmutableList<Ended> failed, int of) {
    return new ManticoreException(
        "MNT-TRIAL",
        String.format("%d of %d trials failed; a second run tries these again:", failed.size(), of)
            + failed.stream()
                .map(one -> "\n  " + one.trial().id() + ": " + one.failure().get())
                .collect(Collectors.joining()));
  }
}
