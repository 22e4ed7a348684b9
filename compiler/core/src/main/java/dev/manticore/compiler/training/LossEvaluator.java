package dev.manticore.compiler.training;

import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.data.TokenDataset;
import dev.manticore.ir.Graph;
import dev.manticore.runtime.Device;
import java.util.function.ToDoubleFunction;

/**
 * Measures the loss of a model that is not trained here, as a training session measures its own.
 */
public final class LossEvaluator implements AutoCloseable {

  private final ForwardProgram program;
  private final int batch;

  private LossEvaluator(ForwardProgram program, int batch) {
    this.program = program;
    this.batch = batch;
  }

  /**
   * Puts a model on a device.
   *
   * @param model input {@code input_ids} [batch,length], output {@code logits}
   *     [batch,length,vocabulary]
   * @param batch sequences at a time
   * @param length tokens of a sequence
   * @param threads threads of a run
   */
  public static LossEvaluator open(Device device, Graph model, int batch, int length, int threads) {
    Graph graph = StepGraphs.of(model, batch, length).evaluation();
    return new LossEvaluator(
        ForwardProgram.open(device, graph, model, ImmutableMap.of(), threads), batch);
  }

  /**
   * The mean loss over the labels of a data set that count, in nats each.
   *
   * @param batches how many batches of it, from its start; 0 for all
   */
  public double evaluate(TokenDataset dataset, int batches) {
    return mean(dataset, batches, batch, program::loss);
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
