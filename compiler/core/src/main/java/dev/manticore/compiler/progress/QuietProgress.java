package dev.manticore.compiler.progress;

import java.nio.file.Path;
import java.time.Duration;

/** Discards everything. */
final class QuietProgress implements Progress {

  @Override
  public void stageStarted(String stage, int number, int of, Beginning beginning) {}

  @Override
  public void stageReused(String stage, int number, int of) {}

  @Override
  public void memoryPlanned(MemoryReport report) {}

  @Override
  public void step(StepReport report) {}

  @Override
  public void stageFinished(String stage, Duration took) {}

  @Override
  public void trialEnded(TrialReport report) {}

  @Override
  public void upToDate(Path result) {}
}
