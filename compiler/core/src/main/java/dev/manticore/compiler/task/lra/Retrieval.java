package dev.manticore.compiler.task.lra;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.primitives.ImmutableIntArray;
import dev.manticore.compiler.data.LineFile;
import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.task.Split;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Objects;

/**
 * Document retrieval byte by byte (paper.md §7.3), from the published pairs of papers: a label, two
 * ids and two texts a line, by tabs. Whether one paper cites the other is asked when both have been
 * read, one after the other, each with an end of its own; LRA's own models read the two apart.
 */
final class Retrieval extends FileTask {

  private static final int COLUMNS = 5;

  private final ImmutableMap<Split, LineFile> files;

  Retrieval(Path directory, LraFiles.Options options) {
    super("retrieval", options);
    this.files =
        ImmutableMap.of(
            Split.TRAINING, LineFile.open(directory.resolve("new_aan_pairs.train.tsv")),
            Split.VALIDATION, LineFile.open(directory.resolve("new_aan_pairs.eval.tsv")),
            Split.TEST, LineFile.open(directory.resolve("new_aan_pairs.test.tsv")));
  }

  @Override
  ImmutableList<Path> files() {
    return files.values().stream().map(LineFile::file).collect(ImmutableList.toImmutableList());
  }

  @Override
  public int size(Split split) {
    return Objects.requireNonNull(files.get(split)).size();
  }

  @Override
  public Sample sample(Split split, int index) {
    LineFile file = Objects.requireNonNull(files.get(split));
    byte[] line = file.bytes(Objects.checkIndex(index, size(split)));
    int[] ends = new int[COLUMNS];
    int columns = 0;
    for (int i = 0; i <= line.length; i++) {
      if (i == line.length || line[i] == '\t') {
        if (columns < COLUMNS) {
          ends[columns] = i;
        }
        columns++;
      }
    }
    if (columns != COLUMNS) {
      throw file.bad(index, "has " + columns + " columns, not a label, two ids and two texts");
    }
    int label =
        switch (new String(line, 0, ends[0], StandardCharsets.UTF_8)) {
          case "0", "0.0" -> 0;
          case "1", "1.0" -> 1;
          default -> throw file.bad(index, "does not begin with the label 0 or 1");
        };
    ImmutableIntArray.Builder tokens = ImmutableIntArray.builder();
    TextTokens.add(tokens, line, ends[2] + 1, ends[3], options.longest());
    TextTokens.add(tokens, line, ends[3] + 1, ends[4], options.longest());
    return Sample.classified(tokens.build(), label);
  }

  @Override
  public int vocabularySize() {
    return TextTokens.VOCABULARY;
  }

  @Override
  public int classes() {
    return 2;
  }

  @Override
  public int longest() {
    return 2 * options.longest();
  }

  @Override
  public String symbol(int token) {
    return TextTokens.symbol(token);
  }
}
