package dev.manticore.testdata.fuzz;

import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * Mutates protobuf messages field by field, whatever their types are: what looks like a message
 * within a message is taken for one, and all lengths are right afterwards.
 */
public final class ProtobufMutator implements Mutator {

  private static final int VARINT = 0;
  private static final int FIXED64 = 1;
  private static final int DELIMITED = 2;
  private static final int FIXED32 = 5;
  private static final int DEEPEST = 12;

  /**
   * @param content of a field that holds bytes, or what looks like a message
   */
  private static final class Field {
    private long number;
    private int wire;
    private long value;
    private byte[] content = {};
    private List<Field> message = List.of();

    Field copy() {
      Field copy = new Field();
      copy.number = number;
      copy.wire = wire;
      copy.value = value;
      copy.content = content;
      copy.message = new ArrayList<>(message.stream().map(Field::copy).toList());
      return copy;
    }
  }

  @Override
  public byte[] mutate(byte[] input, byte[] other, Random random) {
    List<Field> root = parse(input, 0);
    if (root.isEmpty()) {
      return Mutator.bytes().mutate(input, other, random);
    }
    List<List<Field>> messages = new ArrayList<>();
    collect(root, messages);
    List<Field> message = messages.get(random.nextInt(messages.size()));
    int at = random.nextInt(message.size());
    Field field = message.get(at);
    switch (random.nextInt(9)) {
      case 0 -> message.remove(at);
      case 1 -> message.add(at, field.copy());
      case 2 -> message.add(message.remove(random.nextInt(message.size())));
      case 3 -> field.number = 1 + random.nextInt(30);
      case 4 -> {
        // A field from elsewhere, which may be a whole graph.
        List<Field> from = messages.get(random.nextInt(messages.size()));
        message.add(at, from.get(random.nextInt(from.size())).copy());
      }
      case 5 -> {
        List<List<Field>> others = new ArrayList<>();
        collect(parse(other, 0), others);
        if (!others.isEmpty()) {
          List<Field> from = others.get(random.nextInt(others.size()));
          message.set(at, from.get(random.nextInt(from.size())).copy());
        }
      }
      case 6 -> {
        field.wire = VARINT;
        field.value = EDGES.get(random.nextInt(EDGES.size()));
      }
      default -> change(field, random);
    }
    return write(root);
  }

  private static void change(Field field, Random random) {
    switch (field.wire) {
      case VARINT ->
          field.value =
              random.nextBoolean()
                  ? EDGES.get(random.nextInt(EDGES.size()))
                  : field.value + random.nextInt(7) - 3;
      case DELIMITED -> {
        byte[] content = field.message.isEmpty() ? field.content : write(field.message);
        field.message = List.of();
        field.content = Mutator.bytes().mutate(content, content, random);
      }
      default -> field.value = random.nextLong();
    }
  }

  private static void collect(List<Field> message, List<List<Field>> messages) {
    if (!message.isEmpty()) {
      messages.add(message);
      message.forEach(field -> collect(field.message, messages));
    }
  }

  /** The fields; none if the bytes are no message. */
  private static List<Field> parse(byte[] bytes, int depth) {
    List<Field> fields = new ArrayList<>();
    int[] position = {0};
    while (position[0] < bytes.length) {
      Field field = new Field();
      long tag = varint(bytes, position);
      field.number = tag >>> 3;
      field.wire = (int) (tag & 7);
      if (tag < 0 || field.number == 0 || field.number > 1000) {
        return List.of();
      }
      switch (field.wire) {
        case VARINT -> field.value = varint(bytes, position);
        case FIXED64 -> field.value = fixed(bytes, position, 8);
        case FIXED32 -> field.value = fixed(bytes, position, 4);
        case DELIMITED -> {
          long length = varint(bytes, position);
          if (position[0] < 0 || length < 0 || length > bytes.length - position[0]) {
            return List.of();
          }
          field.content = Arrays.copyOfRange(bytes, position[0], position[0] + (int) length);
          position[0] += (int) length;
          field.message = depth == DEEPEST ? List.of() : parse(field.content, depth + 1);
        }
        default -> {
          return List.of();
        }
      }
      if (position[0] < 0) {
        return List.of();
      }
      fields.add(field);
    }
    return fields;
  }

  /** Sets the position to -1 where there is no such number. */
  private static long varint(byte[] bytes, int[] position) {
    long value = 0;
    for (int shift = 0; shift < 64 && position[0] >= 0 && position[0] < bytes.length; shift += 7) {
      byte next = bytes[position[0]++];
      value |= (long) (next & 0x7f) << shift;
      if (next >= 0) {
        return value;
      }
    }
    position[0] = -1;
    return -1;
  }

  private static long fixed(byte[] bytes, int[] position, int size) {
    if (position[0] < 0 || position[0] + size > bytes.length) {
      position[0] = -1;
      return 0;
    }
    long value = 0;
    for (int i = 0; i < size; i++) {
      value |= (bytes[position[0]++] & 0xffL) << 8 * i;
    }
    return value;
  }

  private static byte[] write(List<Field> message) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (Field field : message) {
      varint(field.number << 3 | field.wire, out);
      switch (field.wire) {
        case VARINT -> varint(field.value, out);
        case FIXED64 -> fixed(field.value, 8, out);
        case FIXED32 -> fixed(field.value, 4, out);
        default -> {
          byte[] content = field.message.isEmpty() ? field.content : write(field.message);
          varint(content.length, out);
          out.writeBytes(content);
        }
      }
    }
    return out.toByteArray();
  }

  private static void varint(long value, ByteArrayOutputStream out) {
    long left = value;
    while ((left & ~0x7fL) != 0) {
      out.write((int) (left & 0x7f | 0x80));
      left >>>= 7;
    }
    out.write((int) left);
  }

  private static void fixed(long value, int size, ByteArrayOutputStream out) {
    for (int i = 0; i < size; i++) {
      out.write((int) (value >> 8 * i));
    }
  }
}
