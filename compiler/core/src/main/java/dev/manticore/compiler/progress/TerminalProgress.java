package dev.manticore.compiler.progress;

import com.google.common.base.Ticker;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;

/** Rewrites one line with ANSI escapes; finished stages stay as lines of their own. */
final class TerminalProgress implements Progress {

  private static final String CLEAR = "\r\u001b[K";
  private static final long INTERVAL_NANOS = Duration.ofMillis(100).toNanos();

  private final PrintStream out;
  private final int columns;
  private final Ticker ticker;
  private String prefix = "";
  private boolean lineOpen;
  private long nextUpdate;

  TerminalProgress(PrintStream out, int columns, Ticker ticker) {
    this.out = out;
    this.columns = Math.max(20, columns);
    this.ticker = ticker;
    this.nextUpdate = ticker.read();
  }

  @Override
  public void stageStarted(String stage, int number, int of, Beginning beginning) {
    prefix = String.format("[%d/%d] %s", number, of, stage);
    show(prefix + (beginning == Beginning.RESUMED ? " (going on)" : ""));
  }

  @Override
  public void stageReused(String stage, int number, int of) {
    finishLine(String.format("[%d/%d] %s: done before", number, of, stage));
  }

  @Override
  public void memoryPlanned(MemoryReport report) {
    finishLine(report.text());
  }

  @Override
  public void step(StepReport report) {
    long now = ticker.read();
    if (now - nextUpdate < 0 && !report.isLast()) {
      return;
    }
    nextUpdate = now + INTERVAL_NANOS;
    show(prefix + "  " + report.text());
  }

  @Override
  public void stageFinished(String stage, Duration took) {
    finishLine(prefix + ": " + Durations.words(took));
  }

  @Override
  public void trialEnded(TrialReport report) {
    finishLine(report.text());
  }

  @Override
  public void upToDate(Path result) {
    finishLine(result + ": up to date, nothing to do");
  }

  private void show(String text) {
    String line = text.length() < columns ? text : text.substring(0, columns - 1);
    out.print(CLEAR + line);
    out.flush();
    lineOpen = true;
  }

  private void finishLine(String text) {
    out.println((lineOpen ? CLEAR : "") + text);
    out.flush();
    lineOpen = false;
  }
}
