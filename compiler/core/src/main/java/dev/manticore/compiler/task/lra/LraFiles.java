package dev.manticore.compiler.task.lra;

import com.google.common.collect.ImmutableMap;
import dev.manticore.compiler.task.Task;
import dev.manticore.ir.ManticoreException;
import java.nio.file.Files;
import java.nio.file.Path;

/** The tasks of Long Range Arena over files of the user's, in the published formats. */
public final class LraFiles {

  /** What each task reads, for help. */
  public static final ImmutableMap<String, String> FORMATS =
      ImmutableMap.of(
          "listops",
          "basic_train.tsv, basic_val.tsv and basic_test.tsv: an expression and its value a line",
          "text",
          "train/CLASS/*.txt and test/CLASS/*.txt, or train.tsv and test.tsv: a class and a text a"
              + " line",
          "retrieval",
          "new_aan_pairs.train.tsv, .eval.tsv and .test.tsv: a label, two ids and two texts a line",
          "image",
          "CIFAR-10's data_batch_1.bin to data_batch_5.bin and test_batch.bin, or MNIST's"
              + " train-images-idx3-ubyte and so on");

  private LraFiles() {}

  /**
   * How files are read.
   *
   * @param longest tokens of a text, its end included; what is longer is cut
   * @param holdout the share of the training data to validate on, where the files have no part for
   *     it
   * @param seed chooses what is held out
   */
  public record Options(int longest, double holdout, long seed) {

    /** The lengths of paper.md §7: 2048, for retrieval 4000; a tenth held out. */
    public static Options of(String task) {
      return new Options(task.equals("retrieval") ? 4000 : 2048, 0.1, 1);
    }

    public Options {
      if (longest < 2 || longest > 1 << 20) {
        throw new ManticoreException(
            "MNT-TASK", "The length " + longest + " must be from 2 to " + (1 << 20) + ".");
      }
      if (!(holdout > 0 && holdout < 1)) {
        throw new ManticoreException(
            "MNT-TASK", "The held-out share " + holdout + " must be above 0 and below 1.");
      }
    }
  }

  /**
   * Opens the files of a task.
   *
   * @param task a key of {@link #FORMATS}
   * @throws ManticoreException {@code MNT-TASK} if there is no such task; {@code MNT-DATA} if the
   *     files are not there or not what they should be
   */
  public static Task open(String task, Path directory, Options options) {
    if (!FORMATS.containsKey(task)) {
      throw new ManticoreException(
          "MNT-TASK",
          "There is no LRA task '"
              + task
              + "' that reads files. There are: "
              + String.join(", ", FORMATS.keySet())
              + ".");
    }
    if (!Files.isDirectory(directory)) {
      throw new ManticoreException("MNT-DATA", "There is no directory " + directory + ".");
    }
    return switch (task) {
      case "listops" -> new ListOpsFiles(directory, options);
      case "text" -> ByteClassification.open(directory, options);
      case "retrieval" -> new Retrieval(directory, options);
      default -> ImageSequences.open(directory, options);
    };
  }
}
