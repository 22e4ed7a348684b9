package dev.manticore.compiler.progress;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Locale;

/**
 * Writes every event as a JSON object on a line of its own; the key {@code event} names its kind.
 */
final class JsonProgress implements Progress {

  private final PrintStream out;

  JsonProgress(PrintStream out) {
    this.out = out;
  }

  @Override
  public void stageStarted(String stage, int number, int of, Beginning beginning) {
    println(
        event("stage-started")
            .put("stage", stage)
            .put("number", number)
            .put("of", of)
            .put("beginning", beginning.name().toLowerCase(Locale.ROOT)));
  }

  @Override
  public void stageReused(String stage, int number, int of) {
    println(event("stage-reused").put("stage", stage).put("number", number).put("of", of));
  }

  @Override
  public void memoryPlanned(MemoryReport report) {
    println(
        event("memory-planned")
            .put("run", report.run())
            .put("planned_bytes", report.plannedBytes())
            .put("kept_bytes", report.keptBytes())
            .put("recomputed", report.recomputed())
            .put("recomputation", report.recomputation()));
  }

  @Override
  public void step(StepReport report) {
    ObjectNode event =
        event("step")
            .put("run", report.run())
            .put("step", report.step())
            .put("steps", report.steps());
    if (Double.isFinite(report.loss())) {
      event.put("loss", report.loss());
    }
    if (Double.isFinite(report.tokensPerSecond())) {
      event.put("tokens_per_s", report.tokensPerSecond());
    }
    event.put("remaining_s", report.remaining().toMillis() / 1000.0);
    println(event);
  }

  @Override
  public void stageFinished(String stage, Duration took) {
    println(event("stage-finished").put("stage", stage).put("seconds", took.toMillis() / 1000.0));
  }

  @Override
  public void trialEnded(TrialReport report) {
    println(
        event("trial-ended")
            .put("trial", report.trial())
            .put("number", report.number())
            .put("of", report.of())
            .put("end", report.end().name().toLowerCase(Locale.ROOT))
            .put("seconds", report.took().toMillis() / 1000.0)
            .put("remaining_s", report.remaining().toMillis() / 1000.0));
  }

  @Override
  public void upToDate(Path result) {
    println(event("up-to-date").put("result", result.toString()));
  }

  private static ObjectNode event(String kind) {
    return JsonNodeFactory.instance.objectNode().put("event", kind);
  }

  private void println(ObjectNode event) {
    out.println(event);
    out.flush();
  }
}
