package dev.manticore.compiler.training;

import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.task.Scores;
import dev.manticore.compiler.task.Split;
import dev.manticore.compiler.task.Task;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Tensor;
import dev.manticore.runtime.Device;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Measures a model of given parameters on the parts of a task, answer by answer. */
public final class Evaluator implements AutoCloseable {

  /** What a sequence is filled up with, on the right, where nothing is asked. */
  private static final int PADDING = 0;

  private final Task task;
  private final int batch;
  private final ForwardProgram program;

  private Evaluator(Task task, int batch, ForwardProgram program) {
    this.task = task;
    this.batch = batch;
    this.program = program;
  }

  /**
   * Puts a model on a device.
   *
   * @param model input {@code input_ids} [batch,length], output [batch,length,classes]
   * @param parameters values for those of the model's parameters that are named here; the others
   *     are the model's own
   * @param batch sequences at a time
   * @param threads threads of a run
   */
  public static Evaluator open(
      Device device,
      Graph model,
      Map<String, Tensor> parameters,
      Task task,
      int batch,
      int threads) {
    Graph graph = StepGraphs.of(model, batch, task.longest()).answers();
    return new Evaluator(
        task, batch, ForwardProgram.open(device, graph, model, parameters, threads));
  }

  /**
   * All samples of a part.
   *
   * @throws dev.manticore.compiler.progress.CancelledException when a stop was asked for
   */
  public Scores score(Split split, Cancellation cancellation) {
    Scores scores = new Scores(Math.max(task.classes(), task.vocabularySize()));
    int size = task.size(split);
    for (int start = 0; start < size; start += batch) {
      cancellation.throwIfRequested();
      List<Sample> samples = new ArrayList<>();
      for (int i = start; i < Math.min(size, start + batch); i++) {
        samples.add(task.sample(split, i));
      }
      score(samples, scores);
    }
    return scores;
  }

  private void score(List<Sample> samples, Scores scores) {
    int length = task.longest();
    List<Sample> filled = new ArrayList<>(samples);
    // A batch that is not full is filled up with sequences of which nothing is asked.
    while (filled.size() < batch) {
      filled.add(Sample.EMPTY);
    }
    Batch asked = Batch.of(filled, length, PADDING);
    if (asked.asked() == 0) {
      return;
    }
    double loss = program.loss(asked);
    long[] answers = program.state().get(StepGraphs.ANSWERS).toLongs();
    for (int row = 0; row < samples.size(); row++) {
      int[] said = new int[samples.get(row).length()];
      for (int i = 0; i < said.length; i++) {
        said[i] = (int) answers[row * length + i];
      }
      scores.add(samples.get(row), said);
    }
    scores.addLoss(loss * asked.asked());
  }

  @Override
  public void close() {
    program.close();
  }
}
