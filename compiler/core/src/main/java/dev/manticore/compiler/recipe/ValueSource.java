package dev.manticore.compiler.recipe;

/** Where a value of a resolved recipe came from. */
sealed interface ValueSource {

  /** How it is shown to a user. */
  String text();

  /** A line of the recipe's file, counted from 1. */
  record FileLine(String file, int line) implements ValueSource {
    @Override
    public String text() {
      return file + ":" + line;
    }
  }

  /** A {@code --set} of the command line. */
  record CommandLine() implements ValueSource {
    @Override
    public String text() {
      return "--set";
    }
  }

  /** A default of the schema, or one derived from other values. */
  record Default(String how) implements ValueSource {
    @Override
    public String text() {
      return how;
    }
  }

  /** A default taken from the same key of another section. */
  record Inherited(KeyPath from) implements ValueSource {
    @Override
    public String text() {
      return "from " + from;
    }
  }
}
