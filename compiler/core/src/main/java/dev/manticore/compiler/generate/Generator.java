package dev.manticore.compiler.generate;

import dev.manticore.compiler.generate.GenerationResult.Stop;
import dev.manticore.compiler.progress.Cancellation;
import dev.manticore.compiler.progress.CancelledException;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.tokenizer.Tokenizer;
import dev.manticore.runtime.Device;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.Consumer;

/**
 * Generates text with a model and its tokenizer.
 *
 * <p>The prompt is read at once and then token by token, with the state of a decoder; a model that
 * no decoder can be made of reads the whole text again for each token.
 *
 * <pre>{@code
 * try (Generator generator = Generator.open(artifact, Optional.empty(), device)) {
 *   generator.generate(new GenerationRequest("Once", 50, Sampling.GREEDY, 0), System.out::print);
 * }
 * }</pre>
 */
public final class Generator implements AutoCloseable {

  private final Tokenizer tokenizer;
  private final LanguageModel model;

  private Generator(Tokenizer tokenizer, LanguageModel model) {
    this.tokenizer = tokenizer;
    this.model = model;
  }

  /**
   * Loads a model.
   *
   * @param model an artifact, a checkpoint directory, or an {@code .onnx} file
   * @param tokenizer a {@code tokenizer.json}; if empty, the one in the model's directory
   * @throws ManticoreException if one of them cannot be read, or they do not fit each other
   */
  public static Generator open(Path model, Optional<Path> tokenizer, Device device) {
    if (!Files.exists(model)) {
      throw failure("there is no model " + model);
    }
    Path directory = Files.isDirectory(model) ? model : model.toAbsolutePath().getParent();
    Path file = tokenizer.orElse(directory.resolve("tokenizer.json"));
    if (!Files.exists(file)) {
      throw failure("there is no tokenizer " + file + ": name one with --tokenizer");
    }
    Tokenizer loaded = Tokenizer.load(file);
    LanguageModel opened;
    try {
      opened = LanguageModel.open(model, device);
    } catch (RuntimeException e) {
      loaded.close();
      throw e;
    }
    Generator generator = new Generator(loaded, opened);
    long rows = opened.vocabulary().orElse(Long.MAX_VALUE);
    if (rows < loaded.vocabularySize()) {
      generator.close();
      throw new ManticoreException(
          "MNT-VOCABULARY",
          "the tokenizer "
              + file
              + " has "
              + loaded.vocabularySize()
              + " ids, but "
              + model
              + " knows only "
              + rows
              + ": use the tokenizer that it was trained with");
    }
    return generator;
  }

  /**
   * Generates up to the token that ends a text, to a stop string, or to as many tokens as were
   * asked for. Of what is longer than the model's positions, the last part counts.
   *
   * @param pieces what is told each piece of text as soon as it is complete, in order
   * @throws ManticoreException if the prompt is empty and the tokenizer has no token that a text
   *     begins after, or the model fails
   */
  public GenerationResult generate(GenerationRequest request, Consumer<String> pieces) {
    return generate(request, pieces, new Cancellation());
  }

  /**
   * The same, until it is not wanted any more.
   *
   * @throws CancelledException soon after that was said
   */
  public GenerationResult generate(
      GenerationRequest request, Consumer<String> pieces, Cancellation cancellation) {
    OptionalInt end = tokenizer.endOfText();
    int[] ids = tokenizer.encode(request.prompt());
    if (ids.length == 0) {
      ids =
          new int[] {
            end.orElseThrow(
                () ->
                    failure(
                        "the prompt is empty, and the tokenizer has no token that ends a text and"
                            + " begins the next: give a prompt"))
          };
    }
    int prompt = ids.length;
    TokenSampler sampler = new TokenSampler(request.sampling(), request.seed());
    StopStrings stops = new StopStrings(request.stops(), pieces);
    TextStream stream = new TextStream(tokenizer, ids, stops);
    Stop stop = Stop.MAX_TOKENS;
    while (stop == Stop.MAX_TOKENS && ids.length < prompt + request.maxTokens()) {
      cancellation.throwIfRequested();
      int next =
          sampler.next(model.next(ids, tokenizer.vocabularySize(), cancellation::throwIfRequested));
      ids = Arrays.copyOf(ids, ids.length + 1);
      ids[ids.length - 1] = next;
      if (end.isPresent() && next == end.getAsInt()) {
        stop = Stop.END_OF_TEXT;
      } else {
        stream.add(next);
        stop = stops.found() ? Stop.STOP_STRING : stop;
      }
    }
    stream.finish();
    stops.finish();
    return new GenerationResult(
        stops.text(), prompt, ids.length - prompt, stops.found() ? Stop.STOP_STRING : stop);
  }

  /** The number of tokens of a text. */
  public int count(String text) {
    return tokenizer.encode(text).length;
  }

  /** The number of token ids that a text is made of. */
  public int vocabulary() {
    return tokenizer.vocabularySize();
  }

  /** The number of logits after each token: those of the vocabulary, and of rows that only pad. */
  public long rows() {
    return model.vocabulary().orElse((long) tokenizer.vocabularySize());
  }

  /**
   * The logits after each token of some sequences.
   *
   * @param ids i64[batch,length], each below {@link #vocabulary}
   * @return f32[batch,length,{@link #rows}]
   * @throws ManticoreException if they are too long for the model, or it fails
   */
  public Tensor logits(Tensor ids) {
    return model.logits(ids);
  }

  @Override
  public void close() {
    model.close();
    tokenizer.close();
  }

  private static ManticoreException failure(String message) {
    return new ManticoreException("MNT-GENERATE", message);
  }
}
