package dev.manticore.compiler.data;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads a passage from left to right, knowing English and nothing of the generator, and checks
 * every answer and every told state against what the text before it says. A sentence that it does
 * not understand is a failure.
 */
final class PassageSolver {

  private static final List<String> NUMBERS =
      List.of("no one two three four five six seven eight nine ten".split(" "));
  private static final List<String> DIRECTIONS = List.of("north", "east", "south", "west");

  private final Map<String, String> known = new HashMap<>();
  private List<String> path = List.of();
  private Matcher match;
  private int checked;

  /** The number of answers checked in {@code passage}. */
  static int check(String passage) {
    PassageSolver solver = new PassageSolver();
    // A question and its answer are one piece.
    for (String sentence : passage.split("(?<=\\.) ")) {
      solver.read(sentence);
    }
    return solver.checked;
  }

  private boolean reads(String sentence, String pattern) {
    match = Pattern.compile(pattern).matcher(sentence);
    return match.matches();
  }

  private void answer(String key, String value) {
    assertThat(value).as(key).isEqualTo(known.get(key));
    checked++;
  }

  /** A state that has not been told yet becomes known; afterwards it is checked. */
  private void tell(String key, String value) {
    if (known.putIfAbsent(key, value) != null) {
      answer(key, value);
    }
  }

  private void state(String key, String value) {
    assertThat(known.put(key, value)).as("told twice: " + key).isNull();
  }

  private void read(String sentence) {
    if (reads(sentence, "(\\w+) of (\\w+) keeps the (\\w+ \\w+)\\.")) {
      state("thing of " + match.group(1), match.group(3));
      state("keeper of " + match.group(3), match.group(1) + " of " + match.group(2));
      state("home of " + match.group(1), match.group(2));
    } else if (reads(sentence, "The word for the (\\w+ \\w+) is (\\w+)\\.")) {
      state("word of " + match.group(1), match.group(2));
      state("opened by " + match.group(2), match.group(1));
    } else if (reads(sentence, "What does (\\w+) keep\\? The (\\w+ \\w+)\\.")) {
      answer("thing of " + match.group(1), match.group(2));
    } else if (reads(sentence, "Who keeps the (\\w+ \\w+)\\? (\\w+ of \\w+)\\.")) {
      answer("keeper of " + match.group(1), match.group(2));
    } else if (reads(sentence, "Where is (\\w+) from\\? \\1 of (\\w+)\\.")) {
      answer("home of " + match.group(1), match.group(2));
    } else if (reads(sentence, "What is the word for the (\\w+ \\w+)\\? The word is (\\w+)\\.")) {
      answer("word of " + match.group(1), match.group(2));
    } else if (reads(sentence, "What does (\\w+) open\\? The (\\w+ \\w+)\\.")) {
      answer("opened by " + match.group(1), match.group(2));
    } else if (reads(sentence, "The coin of (\\w+) is in the (left|right) hand\\.")) {
      tell("hand of " + match.group(1), match.group(2));
    } else if (reads(sentence, "The jar of (\\w+) holds (\\w+) beans\\.")) {
      tell("beans of " + match.group(1), match.group(2));
    } else if (reads(sentence, "(\\w+) faces (\\w+)\\.")) {
      tell("facing of " + match.group(1), match.group(2));
    } else if (reads(sentence, "(\\w+) stands at the (\\w+)\\.")) {
      tell("place of " + match.group(1), match.group(2));
    } else if (reads(sentence, "The (\\w+) lamp of (\\w+) is (on|off)\\.")) {
      answer(match.group(1) + " lamp of " + match.group(2), match.group(3));
    } else if (reads(sentence, "All lamps of (\\w+) are (on|off)\\.")) {
      for (String colour : List.of("red", "green", "blue")) {
        state(colour + " lamp of " + match.group(1), match.group(2));
      }
    } else if (reads(sentence, "The path goes round by (\\w+(, \\w+)*)\\.")) {
      path = List.of(match.group(1).split(", "));
    } else if (!reads(sentence, "\\w+ has (a coin|a jar|three lamps)\\.")) {
      assertThat(reads(sentence, "(\\w+)( turns| walks|) (\\w.*)\\.")).as(sentence).isTrue();
      String person = match.group(1);
      for (String step : match.group(3).split(", ")) {
        step(person, step);
      }
    }
  }

  private void step(String person, String step) {
    String[] words = step.split(" ");
    String lamp = words[words.length - 1] + " lamp of " + person;
    switch (words[0]) {
      case "waits" -> assertThat(known).containsKey("hand of " + person);
      case "swaps" -> change("hand of " + person, List.of("left", "right"), 1, true);
      case "adds" -> change("beans of " + person, NUMBERS, NUMBERS.indexOf(words[1]), false);
      case "takes" -> change("beans of " + person, NUMBERS, -NUMBERS.indexOf(words[1]), false);
      case "right" -> change("facing of " + person, DIRECTIONS, 1, true);
      case "around" -> change("facing of " + person, DIRECTIONS, 2, true);
      case "left" -> change("facing of " + person, DIRECTIONS, 3, true);
      case "on" -> change("place of " + person, path, 1, true);
      case "back" -> change("place of " + person, path, -1, true);
      case "flips" -> change(lamp, List.of("on", "off"), 1, true);
      case "lights" -> assertThat(known.put(lamp, "on")).isNotNull();
      case "quenches" -> assertThat(known.put(lamp, "off")).isNotNull();
      default -> throw new AssertionError("not understood: " + step);
    }
  }

  private void change(String key, List<String> states, int by, boolean round) {
    int before = states.indexOf(known.get(key));
    assertThat(before).as(key).isNotNegative();
    int after = before + by;
    known.put(key, states.get(round ? Math.floorMod(after, states.size()) : after));
  }
}
