package dev.manticore.compiler.experiment;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.manticore.compiler.progress.Cancellation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.locks.LockSupport;

/**
 * A trial of some steps, each with a number that depends on the one before. What it does to order
 * is in files of a directory that is its first argument: {@code hold} makes it wait half-way,
 * {@code deaf} without listening, {@code NAME.fail} makes it fail; it leaves {@code NAME.held}
 * there, and a line in {@code NAME.steps} for each step.
 */
final class CountingTrial {

  private CountingTrial() {}

  public static void main(String[] args) {
    Path orders = Path.of(args[0]);
    TrialProcess.main(args, (spec, directory, stop) -> run(orders, spec, directory, stop));
  }

  private static JsonNode run(
      Path orders, ObjectNode spec, Path directory, Cancellation cancellation) throws IOException {
    String name = directory.getFileName().toString();
    if (Files.exists(orders.resolve(name + ".fail"))) {
      throw new IllegalStateException("told to fail");
    }
    Path checkpoint = directory.resolve("checkpoint");
    int steps = spec.required("steps").asInt();
    int step = 0;
    long value = spec.required("seed").asLong();
    if (Files.exists(checkpoint)) {
      String[] saved = Files.readString(checkpoint).split(" ");
      step = Integer.parseInt(saved[0]);
      value = Long.parseLong(saved[1]);
    }
    for (; step < steps; step++) {
      if (step == steps / 2) {
        hold(orders, name, cancellation);
      }
      if (cancellation.isRequested()) {
        Files.writeString(checkpoint, step + " " + value);
        cancellation.throwIfRequested();
      }
      value = value * 6364136223846793005L + 1442695040888963407L;
      Files.writeString(
          orders.resolve(name + ".steps"),
          step + "\n",
          StandardOpenOption.CREATE,
          StandardOpenOption.APPEND);
    }
    return JsonNodeFactory.instance
        .objectNode()
        .put("value", value)
        .put("processors", Runtime.getRuntime().availableProcessors())
        .put("omp_num_threads", System.getenv("OMP_NUM_THREADS"));
  }

  private static void hold(Path orders, String name, Cancellation cancellation) throws IOException {
    boolean deaf = Files.exists(orders.resolve("deaf"));
    if (deaf || Files.exists(orders.resolve("hold"))) {
      Path held = orders.resolve(name + ".new");
      Files.writeString(held, Long.toString(ProcessHandle.current().pid()));
      Files.move(held, orders.resolve(name + ".held"));
    }
    while (deaf || Files.exists(orders.resolve("hold")) && !cancellation.isRequested()) {
      LockSupport.parkNanos(1_000_000);
    }
  }
}
