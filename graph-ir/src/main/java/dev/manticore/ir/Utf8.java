package dev.manticore.ir;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/**
 * Text of bytes that need not be UTF-8, without loss: a byte that is not part of a character
 * becomes the low surrogate {@code U+DC00} plus the byte, which no UTF-8 text has (the way of
 * Python's {@code surrogateescape}).
 */
public final class Utf8 {

  private static final char ESCAPE = 0xdc00;

  private Utf8() {}

  public static String decode(byte[] bytes) {
    CharsetDecoder decoder =
        StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT);
    ByteBuffer in = ByteBuffer.wrap(bytes);
    CharBuffer out = CharBuffer.allocate(bytes.length);
    while (decoder.decode(in, out, true).isError()) {
      // The decoder stops before the bytes that it does not accept.
      out.put((char) (ESCAPE + Byte.toUnsignedInt(in.get())));
      decoder.reset();
    }
    return out.flip().toString();
  }

  /** The bytes; of a surrogate without its other half that stands for no byte, {@code ?}. */
  public static byte[] encode(String text) {
    byte[] plain = text.getBytes(StandardCharsets.UTF_8);
    if (text.chars().noneMatch(Utf8::isEscape)) {
      return plain;
    }
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(plain.length);
    text.codePoints()
        .forEach(
            point -> {
              if (isEscape(point)) {
                bytes.write(point - ESCAPE);
              } else {
                bytes.writeBytes(Character.toString(point).getBytes(StandardCharsets.UTF_8));
              }
            });
    return bytes.toByteArray();
  }

  /** Of a pair of surrogates {@link String#chars} gives the low one too; it does no harm. */
  private static boolean isEscape(int point) {
    return point >= ESCAPE + 0x80 && point <= ESCAPE + 0xff;
  }
}
