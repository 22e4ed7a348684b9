package dev.manticore.compiler.task;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.ImmutableSortedSet;
import com.google.common.hash.Hashing;
import com.google.common.primitives.ImmutableIntArray;
import dev.manticore.compiler.data.JsonLines;
import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.data.TextFiles;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.random.Draws;
import dev.manticore.onnx.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/**
 * Classification of texts in a file with one JSON object a line, read with a tokenizer. Each text
 * is cut to a length and ends with the end-of-text token, where its class is asked. The classes are
 * those that the file has, in the order of their names.
 */
public final class TextClassification implements Task {

  private static final int MOST_CLASSES = 10_000;

  /**
   * What is read and how.
   *
   * @param text the name of the field that holds a text
   * @param label the name of the field that holds its class
   * @param longest tokens of a text, its end included
   * @param holdout the share held out to validate on; as much again is held out to test on
   * @param seed chooses what is held out
   */
  public record Options(
      Path file, String text, String label, int longest, double holdout, long seed) {

    public Options {
      if (longest < 2 || longest > 1 << 20) {
        throw new ManticoreException(
            "MNT-TASK", "The length " + longest + " must be from 2 to " + (1 << 20) + ".");
      }
      if (!(holdout > 0 && holdout < 0.5)) {
        throw new ManticoreException(
            "MNT-TASK", "The held-out share " + holdout + " must be above 0 and below 0.5.");
      }
    }
  }

  private final ImmutableList<Sample> samples;
  private final ImmutableList<String> labels;
  private final ImmutableMap<Integer, String> symbols;
  private final ImmutableMap<Split, ImmutableIntArray> parts;
  private final Options options;
  private final int vocabulary;
  private final String fingerprint;

  private TextClassification(
      ImmutableList<Sample> samples,
      ImmutableList<String> labels,
      ImmutableMap<Integer, String> symbols,
      Options options,
      int vocabulary,
      String fingerprint) {
    this.samples = samples;
    this.labels = labels;
    this.symbols = symbols;
    this.options = options;
    this.vocabulary = vocabulary;
    this.fingerprint = fingerprint;
    int held = (int) Math.max(1, Math.round(samples.size() * options.holdout()));
    if (2 * held >= samples.size()) {
      throw new ManticoreException(
          "MNT-DATA",
          options.file()
              + " has "
              + samples.size()
              + " texts, too few to hold some out to validate and some to test on.");
    }
    ImmutableIntArray order =
        ImmutableIntArray.copyOf(new Draws(options.seed()).permutation(samples.size()));
    this.parts =
        ImmutableMap.of(
            Split.VALIDATION, order.subArray(0, held),
            Split.TEST, order.subArray(held, 2 * held),
            Split.TRAINING, order.subArray(2 * held, order.length()));
  }

  /**
   * Reads the file.
   *
   * @throws ManticoreException {@code MNT-DATA} if it cannot be read, is not what it should be, or
   *     has fewer than two classes or three texts
   */
  public static TextClassification read(Options options, Tokenizer tokenizer) {
    List<ImmutableIntArray> texts = new ArrayList<>();
    List<String> classes = new ArrayList<>();
    Map<Integer, String> symbols = new TreeMap<>();
    int end =
        tokenizer
            .endOfText()
            .orElseThrow(
                () ->
                    new ManticoreException(
                        "MNT-DATA",
                        "The tokenizer has no end-of-text token to ask for a class at: add "
                            + Tokenizer.END_OF_TEXT
                            + " to its \"added_tokens\"."));
    new JsonLines(options.file(), ImmutableList.of(options.text(), options.label()))
        .readFields(
            fields -> {
              int[] ids = tokenizer.encode(fields.get(0));
              texts.add(
                  ImmutableIntArray.builder()
                      .addAll(Arrays.stream(ids).limit(options.longest() - 1L))
                      .add(end)
                      .build());
              classes.add(fields.get(1));
            });
    ImmutableList<String> labels = ImmutableSortedSet.copyOf(classes).asList();
    if (labels.size() < 2) {
      throw new ManticoreException(
          "MNT-DATA",
          "The texts of " + options.file() + " are not of two classes or more: " + labels + ".");
    }
    if (labels.size() > MOST_CLASSES) {
      throw new ManticoreException(
          "MNT-DATA",
          "The field \""
              + options.label()
              + "\" of "
              + options.file()
              + " has more than "
              + MOST_CLASSES
              + " different values, too many for classes.");
    }
    ImmutableList.Builder<Sample> samples = ImmutableList.builder();
    for (int i = 0; i < texts.size(); i++) {
      samples.add(Sample.classified(texts.get(i), labels.indexOf(classes.get(i))));
      texts
          .get(i)
          .forEach(id -> symbols.computeIfAbsent(id, token -> tokenizer.decode(new int[] {token})));
    }
    return new TextClassification(
        samples.build(),
        labels,
        ImmutableMap.copyOf(symbols),
        options,
        tokenizer.vocabularySize(),
        Hashing.sha256()
            .hashString(
                TextFiles.fingerprint(
                        options.file(),
                        ImmutableList.of(
                                options.text(),
                                options.label(),
                                options.longest(),
                                options.holdout(),
                                options.seed())
                            .toString())
                    + tokenizer.hash(),
                StandardCharsets.UTF_8)
            .toString());
  }

  /** The names of the classes. */
  public ImmutableList<String> labels() {
    return labels;
  }

  @Override
  public String name() {
    return "text-classification";
  }

  @Override
  public Kind kind() {
    return Kind.CLASS;
  }

  @Override
  public int vocabularySize() {
    return vocabulary;
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
  public int size(Split split) {
    return part(split).length();
  }

  @Override
  public Sample sample(Split split, int index) {
    return samples.get(part(split).get(index));
  }

  private ImmutableIntArray part(Split split) {
    return Objects.requireNonNull(parts.get(split));
  }

  @Override
  public String symbol(int token) {
    return symbols.getOrDefault(token, Integer.toString(token));
  }

  @Override
  public String fingerprint() {
    return fingerprint;
  }
}
