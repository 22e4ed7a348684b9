package dev.manticore.compiler.data;

import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import com.google.common.primitives.ImmutableIntArray;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.List;

/**
 * Examples of a prompt and a response, one a sequence: the response and the end of text after it
 * are asked for, the prompt is not. Too long an example loses the beginning of its prompt, then,
 * when one token of that is left, the end of its response.
 */
final class InstructionDataset implements TokenDataset {

  private final DatasetSplit.Stream examples;

  /** Tokens of each example's prompt. */
  private final ImmutableIntArray prompts;

  /** The examples of this part. */
  private final ImmutableIntArray chosen;

  private final int length;
  private final int buckets;
  private final int padding;

  private InstructionDataset(
      DatasetSplit.Stream examples,
      ImmutableIntArray prompts,
      ImmutableIntArray chosen,
      DatasetSplit.Options options,
      int padding) {
    this.examples = examples;
    this.prompts = prompts;
    this.chosen = chosen;
    this.length = options.length();
    this.buckets = options.buckets();
    this.padding = padding;
  }

  static DatasetSplit split(
      Instructions source, Tokenizer tokenizer, DatasetSplit.Options options) {
    int endOfText = DatasetSplit.endOfText(tokenizer);
    DatasetSplit.Stream stream = new DatasetSplit.Stream(options.vocabularySize());
    ImmutableIntArray.Builder prompts = ImmutableIntArray.builder();
    source.readExamples(
        (prompt, response) -> {
          int[] asked = tokenizer.encode(prompt);
          for (int id : asked) {
            DatasetSplit.add(stream.tokens, id, tokenizer, options);
          }
          prompts.add(asked.length);
          for (int id : tokenizer.encode(response)) {
            DatasetSplit.add(stream.tokens, id, tokenizer, options);
          }
          DatasetSplit.add(stream.tokens, endOfText, tokenizer, options);
          stream.end(prompt + response);
        });
    DatasetSplit.requireText(stream, source);
    if (stream.groupOf.size() < 2) {
      throw new ManticoreException(
          "MNT-DATA",
          "There are not two different examples in "
              + source.description()
              + ", one to train on and one to hold out.");
    }
    boolean[] held = DatasetSplit.heldOutGroups(stream, options);
    ImmutableIntArray.Builder training = ImmutableIntArray.builder();
    ImmutableIntArray.Builder heldOut = ImmutableIntArray.builder();
    for (int example = 0; example < stream.ends.size(); example++) {
      (held[stream.groups.get(example)] ? heldOut : training).add(example);
    }
    ImmutableIntArray sizes = prompts.build();
    return new DatasetSplit(
        new InstructionDataset(stream, sizes, training.build(), options, endOfText),
        new InstructionDataset(stream, sizes, heldOut.build(), options, endOfText));
  }

  @Override
  public int size() {
    return chosen.length();
  }

  @Override
  public int length() {
    return length;
  }

  @Override
  public int length(int sequence) {
    int example = chosen.get(sequence);
    // The last token is asked for and not read.
    return Math.min(length, examples.ends.get(example) - examples.start(example) - 1);
  }

  @Override
  public int buckets() {
    return buckets;
  }

  @Override
  public long tokenCount() {
    return chosen.stream()
        .mapToLong(example -> examples.ends.get(example) - examples.start(example))
        .sum();
  }

  @Override
  public Batch batch(int... sequences) {
    List<Sample> samples = new ArrayList<>(sequences.length);
    for (int sequence : sequences) {
      samples.add(sample(chosen.get(sequence)));
    }
    return Batch.of(samples, length, padding);
  }

  private Sample sample(int example) {
    int first = examples.start(example);
    int answer = first + prompts.get(example);
    int end = examples.ends.get(example);
    // The last token is asked for and not read.
    int start = Math.max(first, Math.min(end - 1 - length, answer - 1));
    int read = Math.min(end - 1, start + length) - start;
    int[] inputs = new int[read];
    int[] targets = new int[read];
    for (int i = 0; i < read; i++) {
      inputs[i] = examples.tokens.get(start + i);
      int next = start + i + 1;
      targets[i] = next < answer ? Sample.IGNORED : examples.tokens.get(next);
    }
    return new Sample(ImmutableIntArray.copyOf(inputs), ImmutableIntArray.copyOf(targets));
  }

  /** SHA-256 of the lengths, and of each example's prompt and tokens. */
  @Override
  public String hash() {
    Hasher hasher = Hashing.sha256().newHasher().putInt(length).putInt(padding);
    if (buckets > 1) {
      hasher.putInt(buckets);
    }
    for (int example : chosen.asList()) {
      hasher.putInt(prompts.get(example));
      for (int i = examples.start(example); i < examples.ends.get(example); i++) {
        hasher.putInt(examples.tokens.get(i));
      }
      hasher.putInt(-1);
    }
    return hasher.hash().toString();
  }
}
