package dev.manticore.compiler.progress;

import com.google.common.base.Ticker;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;

/** Writes whole lines; steps at most every few seconds, the first and the last always. */
final class LineProgress implements Progress {

  private static final long INTERVAL_NANOS = Duration.ofSeconds(5).toNanos();

  private final PrintStream out;
  private final Ticker ticker;
  private long nextUpdate;

  LineProgress(PrintStream out, Ticker ticker) {
    this.out = out;
    this.ticker = ticker;
    this.nextUpdate = ticker.read();
  }

  @Override
  public void stageStarted(String stage, int number, int of, Beginning beginning) {
    String how = beginning == Beginning.RESUMED ? " (going on where it was stopped)" : "";
    println(String.format("[%d/%d] %s%s", number, of, stage, how));
  }

  @Override
  public void stageReused(String stage, int number, int of) {
    println(String.format("[%d/%d] %s: done before", number, of, stage));
  }

  @Override
  public void memoryPlanned(MemoryReport report) {
    println(report.text());
  }

  @Override
  public void step(StepReport report) {
    long now = ticker.read();
    if (now - nextUpdate < 0 && report.step() > 1 && !report.isLast()) {
      return;
    }
    nextUpdate = now + INTERVAL_NANOS;
    println(report.text());
  }

  @Override
  public void stageFinished(String stage, Duration took) {
    println(String.format("%s: %s", stage, Durations.words(took)));
  }

  @Override
  public void trialEnded(TrialReport report) {
    println(report.text());
  }

  @Override
  public void upToDate(Path result) {
    println(result + ": up to date, nothing to do");
  }

  private void println(String line) {
    out.println(line);
    out.flush();
  }
}
