package dev.manticore.compiler.training;

import com.google.common.primitives.Ints;
import dev.manticore.compiler.data.Batch;
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
import java.util.function.ToDoubleFunction;

/** Measures a model of given parameters on data sets, answer by answer. */
public final class Evaluator implements AutoCloseable {

  /** The most logits of a run: unlike a loss, answers need all of a batch at once. */
  private static final long MOST_LOGITS = 1L << 26;

  private final ForwardProgram program;
  private final int batch;
  private final int classes;

  private Evaluator(ForwardProgram program, int batch, int classes) {
    this.program = program;
    this.batch = batch;
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
        ForwardProgram.open(device, graph, model, parameters, threads), fitting, classes);
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
    double loss =
        mean(
            dataset,
            0,
            batch,
            asked -> {
              cancellation.throwIfRequested();
              double mean = program.loss(asked);
              scores.add(asked, program.state().get(StepGraphs.ANSWERS).toLongs());
              scores.addLoss(mean * asked.asked());
              return mean;
            });
    long bytes = byteLengths.map(scores::bytes).orElse(0L);
    return new Measures(
        loss,
        scores.accuracy(),
        scores.macroAccuracy(),
        scores.exactMatch(),
        bytes == 0 ? OptionalDouble.empty() : OptionalDouble.of(scores.bitsPerByte(bytes)));
  }

  /**
   * The mean loss over the labels of a data set that count, in nats each.
   *
   * @param batches how many batches of it, from its start; 0 for all
   * @param size sequences of a batch
   * @param loss runs a batch: the mean over its labels that count
   */
  static double mean(TokenDataset dataset, int batches, int size, ToDoubleFunction<Batch> loss) {
    int sequences = batches == 0 ? dataset.size() : Math.min(dataset.size(), batches * size);
    double total = 0;
    long asked = 0;
    for (int start = 0; start < sequences; start += size) {
      int there = Math.min(size, sequences - start);
      int[] chosen = new int[size];
      for (int i = 0; i < size; i++) {
        chosen[i] = start + Math.min(i, there - 1);
      }
      // A last batch that is not full is filled up with sequences that do not count.
      Batch counted = dataset.batch(chosen).asking(there);
      if (counted.asked() == 0) {
        continue;
      }
      // The loss is a mean over the labels that count, of which batches have different numbers.
      total += loss.applyAsDouble(counted) * counted.asked();
      asked += counted.asked();
    }
    return total / asked;
  }

  @Override
  public void close() {
    program.close();
  }
}
