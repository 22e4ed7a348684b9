package dev.manticore.compiler.data;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.random.Draws;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** A passage that states facts about invented names, then asks for them in random order. */
final class RecallPassage {

  private static final ImmutableList<String> COLOURS =
      ImmutableList.of("red", "green", "blue", "white", "black", "yellow", "brown", "grey");
  private static final ImmutableList<String> THINGS =
      ImmutableList.of("lamp", "drum", "knife", "horse", "cup", "boat", "ring", "cloak", "book");
  private static final ImmutableList<String> GATES =
      ImmutableList.of("gate", "door", "tower", "bridge", "cellar", "garden");
  private static final String CONSONANTS = "bdfgklmnprstvz";
  private static final String VOWELS = "aeiou";

  /** One statement, and what it answers: question and answer in one text. */
  private record Fact(String statement, ImmutableList<String> answers) {}

  private final Draws draws;
  private final Set<String> used = new HashSet<>();

  private RecallPassage(Draws draws) {
    this.draws = draws;
  }

  static String write(Draws draws) {
    return new RecallPassage(draws).write();
  }

  private String write() {
    List<Fact> facts = new ArrayList<>();
    int people = draws.between(2, 4);
    int words = draws.between(1, 3);
    for (int i = 0; i < people; i++) {
      facts.add(person());
    }
    for (int i = 0; i < words; i++) {
      facts.add(password());
    }
    StringBuilder text = new StringBuilder();
    List<String> answers = new ArrayList<>();
    for (Fact fact : draws.shuffled(facts)) {
      text.append(text.length() == 0 ? "" : " ").append(fact.statement());
      answers.addAll(fact.answers());
    }
    int wanted = draws.between(CorpusGenerator.SHORTEST, CorpusGenerator.LONGEST - 100);
    while (text.length() < wanted) {
      for (String answer : draws.shuffled(answers)) {
        if (text.length() < wanted) {
          text.append(' ').append(answer);
        }
      }
    }
    return text.toString();
  }

  private Fact person() {
    String name = capitalised(name());
    String town = capitalised(name());
    String thing = unused(COLOURS, THINGS);
    return new Fact(
        name + " of " + town + " keeps the " + thing + ".",
        ImmutableList.of(
            "What does " + name + " keep? The " + thing + ".",
            "Who keeps the " + thing + "? " + name + " of " + town + ".",
            "Where is " + name + " from? " + name + " of " + town + "."));
  }

  private Fact password() {
    String place = unused(COLOURS, GATES);
    String word = name();
    return new Fact(
        "The word for the " + place + " is " + word + ".",
        ImmutableList.of(
            "What is the word for the " + place + "? The word is " + word + ".",
            "What does " + word + " open? The " + place + "."));
  }

  /** Two or three syllables that nothing else in the passage is called by. */
  private String name() {
    while (true) {
      StringBuilder name = new StringBuilder();
      for (int syllables = draws.between(2, 3); syllables > 0; syllables--) {
        name.append(CONSONANTS.charAt(draws.below(CONSONANTS.length())));
        name.append(VOWELS.charAt(draws.below(VOWELS.length())));
      }
      if (used.add(name.toString())) {
        return name.toString();
      }
    }
  }

  private String unused(List<String> first, List<String> second) {
    while (true) {
      String words = draws.pick(first) + " " + draws.pick(second);
      if (used.add(words)) {
        return words;
      }
    }
  }

  private static String capitalised(String name) {
    return name.substring(0, 1).toUpperCase(Locale.ROOT) + name.substring(1);
  }
}
