package dev.manticore.compiler.data;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.random.Draws;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A passage in which one or two people change something by small steps, told now and then. */
final class TrackingPassage {

  private static final ImmutableList<String> PEOPLE =
      ImmutableList.of("Ada", "Ben", "Cora", "Dan", "Eve", "Finn");
  private static final ImmutableList<String> NUMBERS =
      ImmutableList.of(
          "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten");
  private static final ImmutableList<String> DIRECTIONS =
      ImmutableList.of("north", "east", "south", "west");
  private static final ImmutableList<String> TREES =
      ImmutableList.of("oak", "elm", "ash", "fir", "yew", "bay");
  private static final ImmutableList<String> LAMPS = ImmutableList.of("red", "green", "blue");

  /** Something that changes: a state, steps that change it, and ways to tell both. */
  private abstract static class Tracked {
    final String person;
    final Draws draws;

    Tracked(String person, Draws draws) {
      this.person = person;
      this.draws = draws;
    }

    /** What must be known before the first step. */
    abstract String introduction();

    /** The verb before a list of steps, after the person. */
    abstract String verb();

    /** Makes one step and names it. */
    abstract String step();

    /** A sentence about the state as it is now. */
    abstract String state();

    final String steps() {
      List<String> names = new ArrayList<>();
      for (int count = draws.between(1, 3); count > 0; count--) {
        names.add(step());
      }
      return person + verb() + " " + String.join(", ", names) + ".";
    }
  }

  /** Which of two hands holds a coin. */
  private static final class Coin extends Tracked {
    private boolean left;

    Coin(String person, Draws draws) {
      super(person, draws);
      left = draws.below(2) == 0;
    }

    @Override
    String introduction() {
      return person + " has a coin. " + state();
    }

    @Override
    String verb() {
      return "";
    }

    @Override
    String step() {
      boolean swaps = draws.below(2) == 0;
      left ^= swaps;
      return swaps ? "swaps" : "waits";
    }

    @Override
    String state() {
      return "The coin of " + person + " is in the " + (left ? "left" : "right") + " hand.";
    }
  }

  /** Beans in a jar, none to ten. */
  private static final class Jar extends Tracked {
    private int beans;

    Jar(String person, Draws draws) {
      super(person, draws);
      beans = draws.below(NUMBERS.size());
    }

    @Override
    String introduction() {
      return person + " has a jar. " + state();
    }

    @Override
    String verb() {
      return "";
    }

    @Override
    String step() {
      int most = NUMBERS.size() - 1;
      boolean adds = beans == 0 || (beans < most && draws.below(2) == 0);
      int amount = draws.between(1, Math.min(3, adds ? most - beans : beans));
      beans += adds ? amount : -amount;
      return (adds ? "adds " : "takes ") + NUMBERS.get(amount);
    }

    @Override
    String state() {
      return "The jar of " + person + " holds " + NUMBERS.get(beans) + " beans.";
    }
  }

  /** One of four directions. */
  private static final class Facing extends Tracked {
    private int quarter;

    Facing(String person, Draws draws) {
      super(person, draws);
      quarter = draws.below(4);
    }

    @Override
    String introduction() {
      return state();
    }

    @Override
    String verb() {
      return " turns";
    }

    @Override
    String step() {
      int turn = draws.between(1, 3);
      quarter = (quarter + turn) % 4;
      return turn == 1 ? "right" : turn == 2 ? "around" : "left";
    }

    @Override
    String state() {
      return person + " faces " + DIRECTIONS.get(quarter) + ".";
    }
  }

  /** A place on a ring of six. */
  private static final class Ring extends Tracked {
    private int place;

    Ring(String person, Draws draws) {
      super(person, draws);
      place = draws.below(TREES.size());
    }

    @Override
    String introduction() {
      return "The path goes round by " + String.join(", ", TREES) + ". " + state();
    }

    @Override
    String verb() {
      return " walks";
    }

    @Override
    String step() {
      boolean on = draws.below(2) == 0;
      place = (place + (on ? 1 : TREES.size() - 1)) % TREES.size();
      return on ? "on" : "back";
    }

    @Override
    String state() {
      return person + " stands at the " + TREES.get(place) + ".";
    }
  }

  /** Three lamps, each on or off. */
  private static final class Lamps extends Tracked {
    private final boolean[] on = new boolean[LAMPS.size()];

    Lamps(String person, Draws draws) {
      super(person, draws);
      Arrays.fill(on, draws.below(2) == 0);
    }

    @Override
    String introduction() {
      return person + " has three lamps. All lamps of " + person + " are " + word(on[0]) + ".";
    }

    @Override
    String verb() {
      return "";
    }

    @Override
    String step() {
      int lamp = draws.below(on.length);
      int action = draws.below(3);
      on[lamp] = action == 0 || (action == 1 && !on[lamp]);
      String verb = action == 0 ? "lights " : action == 1 ? "flips " : "quenches ";
      return verb + LAMPS.get(lamp);
    }

    @Override
    String state() {
      int lamp = draws.below(on.length);
      return "The " + LAMPS.get(lamp) + " lamp of " + person + " is " + word(on[lamp]) + ".";
    }

    private static String word(boolean lit) {
      return lit ? "on" : "off";
    }
  }

  private TrackingPassage() {}

  static String write(Draws draws) {
    List<String> people = draws.shuffled(PEOPLE);
    List<Tracked> tracked = new ArrayList<>();
    StringBuilder text = new StringBuilder();
    for (int count = draws.between(1, 2); count > 0; count--) {
      Tracked next = tracked(draws.below(5), people.get(count), draws);
      tracked.add(next);
      text.append(next.introduction()).append(' ');
    }
    int wanted = draws.between(CorpusGenerator.SHORTEST, CorpusGenerator.LONGEST - 100);
    while (text.length() < wanted) {
      Tracked next = draws.pick(tracked);
      text.append(next.steps()).append(' ');
      // One step sentence in two is followed by a state, so the stretches between are of all
      // lengths.
      if (draws.below(2) == 0) {
        text.append(draws.pick(tracked).state()).append(' ');
      }
    }
    return text.append(draws.pick(tracked).state()).toString();
  }

  private static Tracked tracked(int which, String person, Draws draws) {
    return switch (which) {
      case 0 -> new Coin(person, draws);
      case 1 -> new Jar(person, draws);
      case 2 -> new Facing(person, draws);
      case 3 -> new Ring(person, draws);
      default -> new Lamps(person, draws);
    };
  }
}
