package dev.manticore.compiler.task.lra;

import com.google.common.collect.ImmutableList;

/**
 * The 18 tokens of ListOps (paper.md §7.1): padding, unknown, end, the digits, the operators, and
 * the closing bracket. There they are numbered by how often the training data has them; here their
 * order is fixed.
 */
final class ListOpsTokens {

  static final ImmutableList<String> SYMBOLS =
      ImmutableList.of(
          "<pad>", "<unk>", "<eos>", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "[MIN",
          "[MAX", "[MED", "[SM", "X");

  static final int END = 2;
  static final int DIGIT = 3;
  static final int OPERATOR = 13;
  static final int CLOSE = 17;

  /** The operators, in the order of their tokens. */
  static final int MIN = 0;

  static final int MAX = 1;
  static final int MEDIAN = 2;
  static final int SUM = 3;
  static final int OPERATORS = 4;

  private ListOpsTokens() {}
}
