package dev.manticore.compiler.data;

import com.google.common.hash.Hasher;
import com.google.common.hash.Hashing;
import dev.manticore.ir.ManticoreException;
import java.util.Arrays;

/**
 * A growing sequence of token ids in memory: two bytes each where the vocabulary allows, else four.
 */
final class Tokens {

  private static final int LARGEST = Integer.MAX_VALUE - 8;

  private final boolean narrow;
  private char[] small = {};
  private int[] large = {};
  private int size;

  Tokens(int vocabularySize) {
    this.narrow = vocabularySize <= 1 << Character.SIZE;
  }

  int size() {
    return size;
  }

  int get(int index) {
    return narrow ? small[index] : large[index];
  }

  void add(int id) {
    grow(1);
    if (narrow) {
      small[size] = (char) id;
    } else {
      large[size] = id;
    }
    size++;
  }

  /** Appends the tokens {@code start} to {@code end - 1} of another sequence of this vocabulary. */
  void addAll(Tokens other, int start, int end) {
    grow(end - start);
    if (narrow) {
      System.arraycopy(other.small, start, small, size, end - start);
    } else {
      System.arraycopy(other.large, start, large, size, end - start);
    }
    size += end - start;
  }

  private void grow(int more) {
    int capacity = narrow ? small.length : large.length;
    long wanted = (long) size + more;
    if (wanted <= capacity) {
      return;
    }
    if (wanted > LARGEST) {
      throw new ManticoreException(
          "MNT-DATA",
          "The text has more than " + LARGEST + " tokens, the most a data set holds. Use less.");
    }
    int larger = (int) Math.min(LARGEST, Math.max(wanted, capacity + (capacity >> 1) + 1024L));
    if (narrow) {
      small = Arrays.copyOf(small, larger);
    } else {
      large = Arrays.copyOf(large, larger);
    }
  }

  /** SHA-256 of {@code first} and of the ids, four bytes each. */
  String hash(int first) {
    Hasher hasher = Hashing.sha256().newHasher().putInt(first);
    for (int i = 0; i < size; i++) {
      hasher.putInt(get(i));
    }
    return hasher.hash().toString();
  }
}
