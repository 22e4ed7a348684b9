package dev.manticore.compiler.task.lra;

import com.google.common.collect.ImmutableList;
import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import dev.manticore.compiler.data.TextFiles;
import dev.manticore.compiler.task.Task;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.random.Draws;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;

/** What tasks over files share: they ask for the class of a sequence. */
abstract class FileTask implements Task {

  private final String name;
  final LraFiles.Options options;

  FileTask(String name, LraFiles.Options options) {
    this.name = name;
    this.options = options;
  }

  /** All files read, in a fixed order. */
  abstract ImmutableList<Path> files();

  @Override
  public final String name() {
    return name;
  }

  @Override
  public final Kind kind() {
    return Kind.CLASS;
  }

  @Override
  public final String fingerprint() {
    Hasher hasher = Hashing.sha256().newHasher();
    hasher.putString(name + " " + options, StandardCharsets.UTF_8);
    for (Path file : files()) {
      hasher.putString(TextFiles.fingerprint(file, name), StandardCharsets.UTF_8);
    }
    return hasher.hash().toString();
  }

  /** The numbers of what is trained on and of what is held out, both in rising order. */
  record Division(int[] training, int[] validation) {

    static Division of(int size, LraFiles.Options options, Path where) {
      int held = (int) Math.max(1, Math.round(size * options.holdout()));
      if (held >= size) {
        throw new ManticoreException(
            "MNT-DATA",
            where + " has " + size + " samples to train on, too few to hold some of them out.");
      }
      int[] order = new Draws(options.seed()).permutation(size);
      int[] validation = Arrays.copyOf(order, held);
      int[] training = Arrays.copyOfRange(order, held, size);
      Arrays.sort(validation);
      Arrays.sort(training);
      return new Division(training, validation);
    }
  }
}
