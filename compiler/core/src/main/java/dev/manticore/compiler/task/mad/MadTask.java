package dev.manticore.compiler.task.mad;

import com.google.common.primitives.ImmutableIntArray;
import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.task.Faults;
import dev.manticore.compiler.task.GeneratedTask;
import dev.manticore.compiler.task.Settings;

/** What the MAD tasks share: tokens are asked, at every position there may be one. */
abstract class MadTask extends GeneratedTask {

  final int vocabulary;
  final int length;
  final int noiseVocabulary;
  final double noise;

  MadTask(String name, Settings settings, long seed, Faults faults) {
    super(name, settings, seed, faults);
    this.vocabulary = settings.integer(MadSettings.VOCABULARY);
    this.length = settings.integer(MadSettings.LENGTH);
    boolean canBeNoisy = settings.declared().containsKey(MadSettings.NOISE.name());
    this.noiseVocabulary = canBeNoisy ? settings.integer(MadSettings.NOISE_VOCABULARY) : 0;
    this.noise = canBeNoisy ? settings.real(MadSettings.NOISE) : 0;
    if (canBeNoisy) {
      MadSettings.requireNoiseTokens(settings);
    }
  }

  @Override
  public Kind kind() {
    return Kind.TOKENS;
  }

  @Override
  public final int vocabularySize() {
    return vocabulary;
  }

  @Override
  public final int classes() {
    return vocabulary;
  }

  @Override
  public int longest() {
    return length;
  }

  /** Tokens in the order they are read, and what is asked at each of them. */
  static final class Line {
    private final ImmutableIntArray.Builder tokens = ImmutableIntArray.builder();
    private final ImmutableIntArray.Builder targets = ImmutableIntArray.builder();
    private int size;

    int size() {
      return size;
    }

    void add(int token, int target) {
      tokens.add(token);
      targets.add(target);
      size++;
    }

    /** Tokens where nothing is asked. */
    void addUnasked(int... more) {
      for (int token : more) {
        add(token, Sample.IGNORED);
      }
    }

    /** Tokens that are asked where they stand. */
    void addAsked(int... more) {
      for (int token : more) {
        add(token, token);
      }
    }

    Sample asIs() {
      return new Sample(tokens.build(), targets.build());
    }

    /**
     * The line without its last token, and at each token what is asked of the next one; or, as
     * published for training, every next token.
     */
    Sample shifted(boolean everyToken) {
      ImmutableIntArray read = tokens.build();
      return new Sample(
          read.subArray(0, size - 1).trimmed(),
          (everyToken ? read : targets.build()).subArray(1, size).trimmed());
    }
  }
}
