package dev.manticore.compiler.task.lra;

import com.google.common.collect.ImmutableList;
import com.google.common.primitives.ImmutableIntArray;
import dev.manticore.compiler.data.LineFile;
import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.data.TextFiles;
import dev.manticore.compiler.task.Split;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * Text classification byte by byte (paper.md §7.2): directories {@code train} and {@code test} with
 * a directory of {@code .txt} files a class, as IMDb's reviews come, or files {@code train.tsv} and
 * {@code test.tsv} with a class, a tab and a text a line. Where there is no {@code validation} of
 * the same form, part of the training data is held out: choosing by the test data, as published,
 * would tell too much.
 */
final class ByteClassification extends FileTask {

  private static final int LARGEST_FILE = 16 << 20;
  private static final int MOST_FILES = 10_000_000;

  /** IMDb's reviews without a class. */
  private static final String UNLABELLED = "unsup";

  /** Texts with their classes. */
  private interface Documents {
    int size();

    String label(int index);

    /** The bytes, of which as many as {@code most} are needed. */
    byte[] text(int index, int most);

    ManticoreException bad(int index, String reason);

    List<Path> files();
  }

  private final ImmutableList<String> labels;
  private final Documents training;
  private final Documents validation;
  private final Documents test;
  private final int[] trained;
  private final int[] held;

  private ByteClassification(
      LraFiles.Options options,
      ImmutableList<String> labels,
      Documents training,
      Documents validation,
      Documents test,
      int[] trained,
      int[] held) {
    super("text", options);
    this.labels = labels;
    this.training = training;
    this.validation = validation;
    this.test = test;
    this.trained = trained;
    this.held = held;
    for (Documents part : List.of(training, validation, test)) {
      for (int i = 0; i < part.size(); i++) {
        if (!labels.contains(part.label(i))) {
          throw part.bad(i, "is of class '" + part.label(i) + "', which no training text has");
        }
      }
    }
  }

  static ByteClassification open(Path directory, LraFiles.Options options) {
    boolean table = Files.exists(directory.resolve("train.tsv"));
    Documents training = documents(directory, "train", table);
    Documents test = documents(directory, "test", table);
    boolean hasValidation =
        Files.exists(directory.resolve(table ? "validation.tsv" : "validation"));
    TreeSet<String> labels = new TreeSet<>();
    for (int i = 0; i < training.size(); i++) {
      labels.add(training.label(i));
    }
    if (labels.size() < 2) {
      throw new ManticoreException(
          "MNT-DATA",
          "All texts of " + directory + " to train on are of one class: " + labels + ".");
    }
    int[] all = new int[training.size()];
    for (int i = 0; i < all.length; i++) {
      all[i] = i;
    }
    if (hasValidation) {
      Documents validation = documents(directory, "validation", table);
      int[] numbers = new int[validation.size()];
      for (int i = 0; i < numbers.length; i++) {
        numbers[i] = i;
      }
      return new ByteClassification(
          options, ImmutableList.copyOf(labels), training, validation, test, all, numbers);
    }
    Division division = Division.of(training.size(), options, directory);
    return new ByteClassification(
        options,
        ImmutableList.copyOf(labels),
        training,
        training,
        test,
        division.training(),
        division.validation());
  }

  private static Documents documents(Path directory, String part, boolean table) {
    return table
        ? new Table(LineFile.open(directory.resolve(part + ".tsv")))
        : Tree.open(directory.resolve(part));
  }

  /** A class, a tab and a text a line. */
  private static final class Table implements Documents {
    private final LineFile lines;
    private final List<String> labels = new ArrayList<>();

    Table(LineFile lines) {
      this.lines = lines;
      TreeSet<String> seen = new TreeSet<>();
      for (int i = 0; i < lines.size(); i++) {
        String line = lines.line(i);
        int tab = line.indexOf('\t');
        if (tab < 1 || tab > 100) {
          throw lines.bad(i, "is not a class of at most 100 characters, a tab and a text");
        }
        String label = line.substring(0, tab);
        // One copy of each class.
        String known = seen.ceiling(label);
        labels.add(label.equals(known) ? known : label);
        seen.add(label);
      }
    }

    @Override
    public int size() {
      return lines.size();
    }

    @Override
    public String label(int index) {
      return labels.get(index);
    }

    @Override
    public byte[] text(int index, int most) {
      byte[] line = lines.bytes(index);
      int tab = 0;
      while (line[tab] != '\t') {
        tab++;
      }
      byte[] text = new byte[line.length - tab - 1];
      System.arraycopy(line, tab + 1, text, 0, text.length);
      return text;
    }

    @Override
    public ManticoreException bad(int index, String reason) {
      return lines.bad(index, reason);
    }

    @Override
    public List<Path> files() {
      return List.of(lines.file());
    }
  }

  /** A directory of text files a class. */
  private record Tree(ImmutableList<Path> files, ImmutableList<String> labels)
      implements Documents {

    static Tree open(Path directory) {
      ImmutableList.Builder<Path> files = ImmutableList.builder();
      ImmutableList.Builder<String> labels = ImmutableList.builder();
      int count = 0;
      for (Path child : sorted(directory)) {
        String label = String.valueOf(child.getFileName());
        if (!Files.isDirectory(child) || label.equals(UNLABELLED)) {
          continue;
        }
        for (Path file : sorted(child)) {
          if (file.toString().endsWith(".txt")) {
            files.add(file);
            labels.add(label);
            count++;
          }
        }
      }
      if (count == 0) {
        throw new ManticoreException(
            "MNT-DATA", "There are no files CLASS/*.txt in " + directory + ".");
      }
      return new Tree(files.build(), labels.build());
    }

    private static Collection<Path> sorted(Path directory) {
      try (Stream<Path> entries = Files.list(directory)) {
        List<Path> sorted = entries.sorted().limit(MOST_FILES + 1L).toList();
        if (sorted.size() > MOST_FILES) {
          throw new ManticoreException(
              "MNT-DATA", directory + " has more than " + MOST_FILES + " files.");
        }
        return sorted;
      } catch (IOException e) {
        throw new ManticoreException(
            "MNT-DATA", "Cannot list the directory " + directory + ": " + e.getMessage(), e);
      }
    }

    @Override
    public int size() {
      return files.size();
    }

    @Override
    public String label(int index) {
      return labels.get(index);
    }

    @Override
    public byte[] text(int index, int most) {
      try (InputStream in = Files.newInputStream(files.get(index))) {
        return in.readNBytes(Math.min(most, LARGEST_FILE));
      } catch (IOException e) {
        throw TextFiles.unreadable(files.get(index), e);
      }
    }

    @Override
    public ManticoreException bad(int index, String reason) {
      return new ManticoreException(
          "MNT-DATA", "The file " + files.get(index) + " " + reason + ".");
    }
  }

  @Override
  ImmutableList<Path> files() {
    return Stream.of(training, validation, test)
        .distinct()
        .flatMap(part -> part.files().stream())
        .collect(ImmutableList.toImmutableList());
  }

  @Override
  public int size(Split split) {
    return switch (split) {
      case TRAINING -> trained.length;
      case VALIDATION -> held.length;
      case TEST -> test.size();
    };
  }

  @Override
  public Sample sample(Split split, int index) {
    Objects.checkIndex(index, size(split));
    return switch (split) {
      case TRAINING -> sample(training, trained[index]);
      case VALIDATION -> sample(validation, held[index]);
      case TEST -> sample(test, index);
    };
  }

  private Sample sample(Documents part, int index) {
    byte[] text = part.text(index, options.longest());
    if (text.length == 0) {
      throw part.bad(index, "has no text");
    }
    ImmutableIntArray.Builder tokens = ImmutableIntArray.builder();
    TextTokens.add(tokens, text, 0, text.length, options.longest());
    return Sample.classified(tokens.build(), labels.indexOf(part.label(index)));
  }

  @Override
  public int vocabularySize() {
    return TextTokens.VOCABULARY;
  }

  @Override
  public int classes() {
    return labels.size();
  }

  @Override
  public int longest() {
    return options.longest();
  }

  @Override
  public String symbol(int token) {
    return TextTokens.symbol(token);
  }
}
