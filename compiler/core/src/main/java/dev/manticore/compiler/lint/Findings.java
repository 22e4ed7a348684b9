package dev.manticore.compiler.lint;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.lint.Finding.Severity;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;

/** Collects findings. */
final class Findings {

  /** Of many places the first ones are named. */
  private static final int NAMED = 3;

  private final List<Finding> all = new ArrayList<>();

  void add(Severity severity, String id, String place, String message, String advice) {
    all.add(new Finding(id, severity, place, message, advice));
  }

  /** One finding about several places, if there are any. */
  void addAll(
      Severity severity, String id, Collection<String> places, String message, String advice) {
    if (!places.isEmpty()) {
      add(severity, id, listed(places), message, advice);
    }
  }

  static String listed(Collection<String> places) {
    String named = String.join(", ", places.stream().limit(NAMED).toList());
    return places.size() > NAMED ? named + " and " + (places.size() - NAMED) + " more" : named;
  }

  /** The worst first, else in the order of adding. */
  ImmutableList<Finding> sorted() {
    return ImmutableList.sortedCopyOf(Comparator.comparing(Finding::severity), all);
  }
}
