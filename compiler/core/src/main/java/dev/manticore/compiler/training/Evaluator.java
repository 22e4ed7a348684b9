package dev.manticore.compiler.training;

import com.google.common.primitives.Ints;
import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.data.TokenDataset;
import dev.manticore.compiler.experiment.Measures;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.task.Scores;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Tensor;
import dev.manticore.runtime.Device;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.stream.IntStream;

/** Measures a model of given parameters on data sets, answer by answer. */
public final class Evaluator implements AutoCloseable {

  /** The most logits of a run: unlike a loss, answers need all of a batch at once. */
  private static final long MOST_LOGITS = 1L << 26;

  private final ForwardProgram program;
  private final int batch;
  private final int length;
  private final int classes;

  private Evaluator(ForwardProgram program, int batch, int length, int classes) {
    this.program = program;
    this.batch = batch;
    this.length = length;
    this.classes = classes;
  }

  /**
   * Puts a model on a device.
   *
   * @param model input {@code input_ids} [batch,length], output [batch,length,classes], of classes
   *     that are known
   * @param parameters values for those of the model's parameters that are named here; the others
   *     are the model's own
   * @param batch sequences at a time, at most
   * @param length tokens of a sequence
   * @param threads threads of a run
   */
  public static Evaluator open(
      Device device,
      Graph model,
      Map<String, Tensor> parameters,
      int batch,
      int length,
      int threads) {
    int classes = Math.toIntExact(model.outputs().get(0).shape().dim(2).extent());
    int fitting =
        Ints.constrainToRange(
            Ints.saturatedCast(MOST_LOGITS / ((long) length * classes)), 1, batch);
    Graph graph = StepGraphs.of(model, fitting, length).answers();
    return new Evaluator(
        ForwardProgram.open(device, graph, model, parameters, threads), fitting, length, classes);
  }

  /**
   * All sequences of a data set.
   *
   * @param byteLengths of the text that each class stands for, in UTF-8; empty where classes are no
   *     text
   * @throws dev.manticore.compiler.progress.CancelledException when a stop was asked for
   */
  public Measures measure(
      TokenDataset dataset, Optional<int[]> byteLengths, Cancellation cancellation) {
    Scores scores = new Scores(classes);
    long bytes = 0;
    for (int start = 0; start < dataset.size(); start += batch) {
      cancellation.throwIfRequested();
      int there = Math.min(batch, dataset.size() - start);
      int first = start;
      // A batch that is not full is filled up with sequences that do not count.
      int[] chosen = IntStream.range(0, batch).map(i -> first + Math.min(i, there - 1)).toArray();
      Batch asked = dataset.batch(chosen).asking(there);
      if (asked.asked() == 0) {
        continue;
      }
      scores.addLoss(program.loss(asked) * asked.asked());
      long[] answers = program.state().get(StepGraphs.ANSWERS).toLongs();
      for (int row = 0; row < there; row++) {
        scores.add(asked.labels(), answers, row * length, (row + 1) * length);
      }
      if (byteLengths.isPresent()) {
        for (long label : asked.labels()) {
          bytes += label == Sample.IGNORED ? 0 : byteLengths.get()[(int) label];
        }
      }
    }
    return new Measures(
        scores.loss(),
        scores.accuracy(),
        scores.macroAccuracy(),
        scores.exactMatch(),
        bytes == 0 ? OptionalDouble.empty() : OptionalDouble.of(scores.bitsPerByte(bytes)));
  }

  @Override
  public void close() {
    program.close();
  }
}
