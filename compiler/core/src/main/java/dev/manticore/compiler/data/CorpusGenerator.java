package dev.manticore.compiler.data;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.random.Draws;

/**
 * The project's default corpus: English-like passages of two kinds that ask for different abilities
 * of a language model. In both, every answer follows from the passage itself.
 */
public final class CorpusGenerator {

  /** What a passage asks for. */
  public enum Kind {
    /**
     * Recall of things seen before: invented people, towns and passwords are stated once, then
     * asked for in random order and answered in the words of the statement. Looking up earlier text
     * by content, which attention does, answers them.
     */
    RECALL,
    /**
     * A state followed over many small steps (the hand that holds a coin, beans in a jar, a
     * direction, a place on a ring, lamps) and told from time to time. Updating a state, which a
     * recurrence does, answers them.
     */
    TRACKING,
    /** Both, in equal parts by characters. */
    MIXED
  }

  /** Changes whenever the text made for given arguments changes. */
  static final int VERSION = 1;

  /** The shortest and the longest passage, in characters. */
  static final int SHORTEST = 300;

  static final int LONGEST = 900;

  private CorpusGenerator() {}

  /**
   * Makes documents of one passage each, ASCII, 300 to 900 characters long.
   *
   * @param characters the documents are the fewest that reach this number together
   * @return the same documents for the same arguments, on every JDK; of two calls that differ in
   *     {@code characters} alone, the shorter result begins the longer
   */
  public static ImmutableList<String> generate(Kind kind, long seed, long characters) {
    Draws draws = new Draws(seed);
    ImmutableList.Builder<String> documents = ImmutableList.builder();
    long recall = 0;
    long tracking = 0;
    while (recall + tracking < characters) {
      if (kind == Kind.RECALL || (kind == Kind.MIXED && recall <= tracking)) {
        String passage = RecallPassage.write(draws);
        recall += passage.length();
        documents.add(passage);
      } else {
        String passage = TrackingPassage.write(draws);
        tracking += passage.length();
        documents.add(passage);
      }
    }
    return documents.build();
  }
}
