package dev.manticore.compiler.task;

/**
 * A number that a task's samples depend on.
 *
 * @param name words joined by underscores
 * @param meaning a phrase, for help
 * @param least the smallest value allowed
 * @param most the largest
 * @param value the one taken unless told otherwise
 */
public record Setting(
    String name, String meaning, Kind kind, double least, double most, double value) {

  /** What values there are. */
  public enum Kind {
    INTEGER,
    REAL,
    /** 0 for false, 1 for true. */
    FLAG
  }

  public Setting {
    if (!(least <= value && value <= most)) {
      throw new IllegalArgumentException(name + ": " + value + " is outside its range");
    }
  }

  public static Setting integer(String name, String meaning, int least, int most, int value) {
    return new Setting(name, meaning, Kind.INTEGER, least, most, value);
  }

  public static Setting real(String name, String meaning, double least, double most, double value) {
    return new Setting(name, meaning, Kind.REAL, least, most, value);
  }

  public static Setting flag(String name, String meaning, int value) {
    return new Setting(name, meaning, Kind.FLAG, 0, 1, value);
  }

  /** The same setting with another default. */
  public Setting by(double other) {
    return new Setting(name, meaning, kind, least, most, other);
  }

  /** A value of this setting as users write it. */
  public String print(double printed) {
    return switch (kind) {
      case INTEGER -> Long.toString((long) printed);
      case REAL -> Double.toString(printed);
      case FLAG -> Boolean.toString(printed != 0);
    };
  }
}
