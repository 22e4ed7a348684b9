package dev.manticore.compiler.recipe;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.ManticoreException;
import java.util.Map;
import java.util.TreeMap;

/** Collects what is wrong with a recipe, to be reported at once in the order of the file. */
final class RecipeProblems {

  static final String CODE = "MNT-RECIPE-INVALID";

  /** Sorts by line, then by the order of finding. */
  private record Key(int line, int number) implements Comparable<Key> {
    @Override
    public int compareTo(Key other) {
      return line != other.line
          ? Integer.compare(line, other.line)
          : Integer.compare(number, other.number);
    }
  }

  private final String file;
  private final ImmutableMap<KeyPath, ValueSource> sources;
  private final Map<Key, String> problems = new TreeMap<>();

  RecipeProblems(String file, Map<KeyPath, ValueSource> sources) {
    this.file = file;
    this.sources = ImmutableMap.copyOf(sources);
  }

  void add(KeyPath path, String problem) {
    String subject = path.isRoot() ? "" : path + ": ";
    ValueSource source = nearestSource(path);
    int line = source instanceof ValueSource.FileLine place ? place.line() : Integer.MAX_VALUE;
    problems.put(
        new Key(line, problems.size()), String.format("%s: %s%s", source.text(), subject, problem));
  }

  boolean isEmpty() {
    return problems.isEmpty();
  }

  /**
   * Does nothing where no problem was found.
   *
   * @throws ManticoreException {@code MNT-RECIPE-INVALID} with one line a problem
   */
  void throwIfAny() {
    if (problems.isEmpty()) {
      return;
    }
    if (problems.size() == 1) {
      throw new ManticoreException(CODE, problems.values().iterator().next());
    }
    throw new ManticoreException(
        CODE,
        String.format(
            "%s has %d errors:%n  %s",
            file, problems.size(), String.join(System.lineSeparator() + "  ", problems.values())));
  }

  private ValueSource nearestSource(KeyPath path) {
    for (KeyPath at = path; ; at = at.parent()) {
      ValueSource source = sources.get(at);
      if (source != null) {
        return source;
      }
      if (at.isRoot()) {
        return new ValueSource.FileLine(file, 1);
      }
    }
  }
}
