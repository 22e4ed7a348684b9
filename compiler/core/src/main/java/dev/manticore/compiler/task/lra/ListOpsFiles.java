package dev.manticore.compiler.task.lra;

import com.google.common.base.CharMatcher;
import com.google.common.base.Splitter;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.primitives.ImmutableIntArray;
import dev.manticore.compiler.data.LineFile;
import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.task.Split;
import java.nio.file.Path;
import java.util.Objects;

/**
 * ListOps from its published files (paper.md §7.1): a header, then an expression, with round
 * brackets about every application, a tab, and the value a line.
 */
final class ListOpsFiles extends FileTask {

  private static final CharMatcher ROUND = CharMatcher.anyOf("()");

  private final ImmutableMap<Split, LineFile> files;

  ListOpsFiles(Path directory, LraFiles.Options options) {
    super("listops", options);
    this.files =
        ImmutableMap.of(
            Split.TRAINING, LineFile.open(directory.resolve("basic_train.tsv")),
            Split.VALIDATION, LineFile.open(directory.resolve("basic_val.tsv")),
            Split.TEST, LineFile.open(directory.resolve("basic_test.tsv")));
    for (LineFile file : files.values()) {
      if (!file.line(0).equals("Source\tTarget")) {
        throw file.bad(0, "is not the header \"Source\", tab, \"Target\"");
      }
      if (file.size() < 2) {
        throw file.bad(0, "is followed by no sample");
      }
    }
  }

  @Override
  ImmutableList<Path> files() {
    return files.values().stream().map(LineFile::file).collect(ImmutableList.toImmutableList());
  }

  @Override
  public int size(Split split) {
    return Objects.requireNonNull(files.get(split)).size() - 1;
  }

  @Override
  public Sample sample(Split split, int index) {
    LineFile file = Objects.requireNonNull(files.get(split));
    int line = Objects.checkIndex(index, size(split)) + 1;
    String text = file.line(line);
    int tab = text.indexOf('\t');
    if (tab < 0
        || text.length() != tab + 2
        || !CharMatcher.inRange('0', '9').matches(text.charAt(tab + 1))) {
      throw file.bad(line, "is not an expression, a tab and a digit");
    }
    ImmutableIntArray.Builder tokens = ImmutableIntArray.builder();
    int size = 0;
    for (String word :
        Splitter.on(' ')
            .omitEmptyStrings()
            .split(ROUND.removeFrom(text.substring(0, tab)).replace(']', 'X'))) {
      int token = ListOpsTokens.SYMBOLS.indexOf(word);
      if (token < ListOpsTokens.DIGIT) {
        throw file.bad(line, "has '" + word + "', which is no part of an expression");
      }
      if (size < options.longest() - 1) {
        tokens.add(token);
        size++;
      }
    }
    if (size == 0) {
      throw file.bad(line, "has no expression");
    }
    return Sample.classified(tokens.add(ListOpsTokens.END).build(), text.charAt(tab + 1) - '0');
  }

  @Override
  public int vocabularySize() {
    return ListOpsTokens.SYMBOLS.size();
  }

  @Override
  public int classes() {
    return 10;
  }

  @Override
  public int longest() {
    return options.longest();
  }

  @Override
  public String symbol(int token) {
    return ListOpsTokens.SYMBOLS.get(token);
  }
}
