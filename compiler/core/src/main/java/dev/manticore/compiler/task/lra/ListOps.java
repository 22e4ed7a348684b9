package dev.manticore.compiler.task.lra;

import com.google.common.primitives.ImmutableIntArray;
import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.task.Faults;
import dev.manticore.compiler.task.GeneratedTask;
import dev.manticore.compiler.task.Setting;
import dev.manticore.compiler.task.Settings;
import dev.manticore.compiler.task.Split;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.random.Draws;
import java.util.Arrays;

/**
 * ListOps (paper.md §7.1): the value, a digit, of nested minima, maxima, medians and sums modulo
 * 10. At the usual lengths two equal expressions are so unlikely that none is looked for.
 */
final class ListOps extends GeneratedTask {

  static final Setting DEPTH =
      Setting.integer("depth", "the deepest nesting, the expression itself included", 1, 100, 10);
  static final Setting ARGUMENTS =
      Setting.integer("arguments", "the most arguments of an operator", 2, 1000, 10);
  static final Setting OPERATORS =
      Setting.real("operators", "share of arguments that are expressions", 0, 1, 0.25);
  static final Setting ABOVE =
      Setting.integer("above", "tokens that an expression has more than", 0, 1 << 20, 500);
  static final Setting BELOW =
      Setting.integer("below", "tokens that an expression has fewer than", 2, 1 << 20, 2000);

  private static final int ATTEMPTS = 1_000_000;

  private final int depth;
  private final int arguments;
  private final double operators;
  private final int above;
  private final int below;

  ListOps(String name, Settings settings, long seed, Faults faults) {
    super(name, settings, seed, faults);
    this.depth = settings.integer(DEPTH);
    this.arguments = settings.integer(ARGUMENTS);
    this.operators = settings.real(OPERATORS);
    this.above = settings.integer(ABOVE);
    this.below = settings.integer(BELOW);
    settings.require(above < below - 1, "no length is above and below");
  }

  /** An expression while it is drawn. */
  private final class Expression {
    private final Draws draws;
    private final int[] tokens = new int[below];
    private int size;

    Expression(Draws draws) {
      this.draws = draws;
    }

    /** Draws an expression and returns its value; nothing more is drawn once it is too long. */
    int draw(int level) {
      if (level == depth || draws.unit() > operators) {
        int digit = draws.below(10);
        add(ListOpsTokens.DIGIT + digit);
        return digit;
      }
      int operator = draws.below(ListOpsTokens.OPERATORS);
      int[] values = new int[draws.between(2, arguments)];
      add(ListOpsTokens.OPERATOR + operator);
      for (int i = 0; i < values.length && !isTooLong(); i++) {
        values[i] = draw(level + 1);
      }
      add(ListOpsTokens.CLOSE);
      return value(operator, values);
    }

    private void add(int token) {
      if (!isTooLong()) {
        tokens[size++] = token;
      }
    }

    boolean isTooLong() {
      return size == below;
    }
  }

  private static int value(int operator, int[] values) {
    Arrays.sort(values);
    int middle = values.length / 2;
    return switch (operator) {
      case ListOpsTokens.MIN -> values[0];
      case ListOpsTokens.MAX -> values[values.length - 1];
      case ListOpsTokens.MEDIAN ->
          values.length % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
      default -> Arrays.stream(values).sum() % 10;
    };
  }

  @Override
  protected Sample draw(Draws draws, Split split) {
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
      Expression expression = new Expression(draws);
      int value = expression.draw(1);
      if (expression.size > above && !expression.isTooLong()) {
        return Sample.classified(
            ImmutableIntArray.builder(expression.size + 1)
                .addAll(ImmutableIntArray.copyOf(Arrays.copyOf(expression.tokens, expression.size)))
                .add(ListOpsTokens.END)
                .build(),
            value);
      }
    }
    throw new ManticoreException(
        "MNT-TASK",
        "None of "
            + ATTEMPTS
            + " expressions of "
            + name()
            + " has a length above "
            + above
            + " and below "
            + below
            + ". Choose other lengths, more depth, arguments or operators.");
  }

  @Override
  public Kind kind() {
    return Kind.CLASS;
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
    return below;
  }

  @Override
  public String symbol(int token) {
    return ListOpsTokens.SYMBOLS.get(token);
  }
}
