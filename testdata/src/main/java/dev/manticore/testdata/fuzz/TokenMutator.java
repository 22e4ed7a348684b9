package dev.manticore.testdata.fuzz;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Mutates text token by token: JSON, YAML, the textual form of graphs. Words come from the inputs
 * themselves and from a dictionary.
 */
public final class TokenMutator implements Mutator {

  private static final Pattern TOKEN =
      Pattern.compile(
          "\"(?:[^\"\\\\]++|\\\\.)*+\"|[-+]?[0-9][0-9a-zA-Z.+-]*|\\w+|\\s+|.", Pattern.DOTALL);

  private static final int DEEPEST = 2_000;

  private final List<String> dictionary;

  /**
   * @param dictionary what may take the place of a token, besides other tokens
   */
  public TokenMutator(List<String> dictionary) {
    this.dictionary = List.copyOf(dictionary);
  }

  @Override
  public byte[] mutate(byte[] input, byte[] other, Random random) {
    List<String> tokens = tokens(input);
    if (tokens.isEmpty()) {
      return other.clone();
    }
    int at = random.nextInt(tokens.size());
    int to = Math.min(tokens.size(), at + 1 + random.nextInt(random.nextInt(8) == 0 ? 40 : 4));
    switch (random.nextInt(9)) {
      case 0 -> tokens.subList(at, to).clear();
      case 1 -> tokens.addAll(at, new ArrayList<>(tokens.subList(at, to)));
      case 2 -> tokens.set(at, tokens.get(random.nextInt(tokens.size())));
      case 3 -> tokens.set(at, dictionary.get(random.nextInt(dictionary.size())));
      case 4 -> tokens.add(at, dictionary.get(random.nextInt(dictionary.size())));
      case 5 -> tokens.set(number(tokens, at), edge(random));
      case 6 -> {
        List<String> others = tokens(other);
        if (!others.isEmpty()) {
          int from = random.nextInt(others.size());
          int until = Math.min(others.size(), from + 1 + random.nextInt(20));
          tokens.addAll(at, others.subList(from, until));
        }
      }
      case 7 -> {
        // Nesting, seldom deep, since deep inputs are slow ones.
        String token = tokens.get(at);
        tokens.set(at, token.repeat(random.nextInt(50) == 0 ? DEEPEST : 1 + random.nextInt(5)));
      }
      default -> tokens.set(at, inner(tokens.get(at), random));
    }
    return String.join("", tokens).getBytes(UTF_8);
  }

  private static List<String> tokens(byte[] input) {
    List<String> tokens = new ArrayList<>();
    Matcher matcher = TOKEN.matcher(new String(input, UTF_8));
    while (matcher.find()) {
      tokens.add(matcher.group());
    }
    return tokens;
  }

  /** The place of the next number, to change numbers more often than their share. */
  private static int number(List<String> tokens, int at) {
    for (int i = at; i < tokens.size(); i++) {
      if (Character.isDigit(tokens.get(i).charAt(tokens.get(i).length() - 1))) {
        return i;
      }
    }
    return at;
  }

  private static String edge(Random random) {
    String number = Long.toString(EDGES.get(random.nextInt(EDGES.size())));
    return switch (random.nextInt(8)) {
      case 0 -> number + "0";
      case 1 -> number + ".5";
      case 2 -> number + "e9";
      case 3 -> "1e-999";
      default -> number;
    };
  }

  private static String inner(String token, Random random) {
    byte[] bytes = token.getBytes(ISO_8859_1);
    return new String(Mutator.bytes().mutate(bytes, bytes, random), ISO_8859_1);
  }
}
