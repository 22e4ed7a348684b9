package dev.manticore.testdata.fuzz;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Makes another input of one, and perhaps of a second one. Equal draws give equal inputs. */
@FunctionalInterface
public interface Mutator {

  /** Whole numbers at the edges of what readers can hold. */
  List<Long> EDGES =
      List.of(
          0L,
          1L,
          -1L,
          2L,
          7L,
          8L,
          127L,
          128L,
          255L,
          256L,
          65535L,
          1L << 20,
          (1L << 31) - 1,
          1L << 31,
          -(1L << 31),
          (1L << 32) - 1,
          1L << 53,
          1L << 61,
          1L << 62,
          Long.MAX_VALUE,
          Long.MIN_VALUE);

  /**
   * @param input not changed
   * @param other another well-formed or interesting input, to take parts of
   */
  byte[] mutate(byte[] input, byte[] other, Random random);

  /** A mutator that is each of these in turn, by chance. */
  static Mutator anyOf(Mutator... mutators) {
    return (input, other, random) ->
        mutators[random.nextInt(mutators.length)].mutate(input, other, random);
  }

  /** Bits, bytes and blocks, whatever they mean. */
  static Mutator bytes() {
    return Mutator::mutateBytes;
  }

  private static byte[] mutateBytes(byte[] input, byte[] other, Random random) {
    byte[] bytes = input.clone();
    if (bytes.length == 0) {
      return other.clone();
    }
    int at = random.nextInt(bytes.length);
    int length = 1 + random.nextInt(Math.min(16, bytes.length - at));
    switch (random.nextInt(8)) {
      case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
      case 1 -> bytes[at] = (byte) random.nextInt();
      case 2 -> {
        long edge = EDGES.get(random.nextInt(EDGES.size()));
        for (int i = 0; i < Math.min(8, bytes.length - at); i++) {
          bytes[at + i] = (byte) (edge >> 8 * i);
        }
      }
      case 3 -> bytes = replace(bytes, at, length, new byte[0]);
      case 4 -> bytes = replace(bytes, at, 0, Arrays.copyOfRange(bytes, at, at + length));
      case 5 -> bytes = Arrays.copyOf(bytes, at);
      case 6 -> {
        int from = other.length == 0 ? 0 : random.nextInt(other.length);
        int to = Math.min(other.length, from + 1 + random.nextInt(64));
        bytes = replace(bytes, at, length, Arrays.copyOfRange(other, from, to));
      }
      default -> {
        byte[] noise = new byte[1 + random.nextInt(8)];
        random.nextBytes(noise);
        bytes = replace(bytes, at, 0, noise);
      }
    }
    return bytes;
  }

  /** The bytes with {@code length} of them from {@code at} on replaced. */
  static byte[] replace(byte[] bytes, int at, int length, byte[] replacement) {
    ByteArrayOutputStream out = new ByteArrayOutputStream(bytes.length + replacement.length);
    out.write(bytes, 0, at);
    out.writeBytes(replacement);
    out.write(bytes, at + length, bytes.length - at - length);
    return out.toByteArray();
  }
}
