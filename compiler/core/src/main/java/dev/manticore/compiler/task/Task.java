package dev.manticore.compiler.task;

import dev.manticore.compiler.data.Sample;
import dev.manticore.ir.ManticoreException;
import java.util.OptionalInt;

/** A supervised task over sequences of tokens. Safe for use by several threads. */
public interface Task {

  /** What a model is asked. */
  enum Kind {
    /** A token at each position that is asked: a head over the vocabulary. */
    TOKENS,
    /**
     * A token at each position, all decoded from the hidden state of the last one: the auto-encoder
     * head (paper.md §3.7).
     */
    RECONSTRUCTION,
    /** The class of the whole sequence, asked at its last token: a head over the classes. */
    CLASS
  }

  /** As the literature spells it, in lower case with dashes. */
  String name();

  Kind kind();

  /** Tokens are 0 to this, exclusive. */
  int vocabularySize();

  /** Targets that are asked are 0 to this, exclusive. */
  int classes();

  /** The most tokens of a sample. */
  int longest();

  /** The number of samples of a part, at least 1. */
  int size(Split split);

  /**
   * One sample.
   *
   * @param index from 0 to {@code size(split) - 1}
   * @throws IndexOutOfBoundsException for another index
   * @throws ManticoreException {@code MNT-DATA} if it is read from a file that is not what it
   *     should be
   */
  Sample sample(Split split, int index);

  /** The pixels of a row, where a sequence is an image, row by row. */
  default OptionalInt imageWidth() {
    return OptionalInt.empty();
  }

  /** A token as people read it. */
  String symbol(int token);

  /** SHA-256, in hexadecimal, of all that the samples depend on. */
  String fingerprint();
}
