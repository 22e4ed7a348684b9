package dev.manticore.testdata.fuzz;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/**
 * Mutates text token by token: JSON, YAML, the textual form of graphs. Words come from the inputs
 * themselves and from a dictionary.
 */
public final class TokenMutator implements Mutator {

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

  /** Strings, words, numbers with sign and point, runs of blanks, and single characters. */
  private static List<String> tokens(byte[] input) {
    String text = new String(input, UTF_8);
    List<String> tokens = new ArrayList<>(text.length() / 4 + 4);
    for (int start = 0, end; start < text.length(); start = end) {
      end = end(text, start);
      tokens.add(text.substring(start, end));
    }
    return tokens;
  }

  private static int end(String text, int start) {
    char first = text.charAt(start);
    int end = start + 1;
    if (first == '"') {
      while (end < text.length() && text.charAt(end) != '"') {
        end += text.charAt(end) == '\\' ? 2 : 1;
      }
      return end < text.length() ? end + 1 : start + 1;
    }
    boolean number = first >= '0' && first <= '9' || first == '-' || first == '+';
    if (number || isWord(first)) {
      while (end < text.length()
          && (isWord(text.charAt(end)) || number && ".+-".indexOf(text.charAt(end)) >= 0)) {
        end++;
      }
    } else if (Character.isWhitespace(first)) {
      while (end < text.length() && Character.isWhitespace(text.charAt(end))) {
        end++;
      }
    }
    return end;
  }

  private static boolean isWord(char c) {
    return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_';
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
