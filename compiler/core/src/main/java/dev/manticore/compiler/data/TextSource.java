package dev.manticore.compiler.data;

import dev.manticore.ir.ManticoreException;
import java.util.function.Consumer;

/** Where the documents of a data set come from. */
public sealed interface TextSource permits PlainText, JsonLines, Instructions, GeneratedText {

  /**
   * Reads the documents in order. None is blank.
   *
   * @throws ManticoreException {@code MNT-DATA} if the source cannot be read or is not what it
   *     should be; the message names the file and the place
   */
  void read(Consumer<String> documents);

  /**
   * SHA-256, in hexadecimal, of all that the documents depend on: the bytes of the file and how it
   * is read, or the parameters of the generator.
   *
   * @throws ManticoreException {@code MNT-DATA} if the source cannot be read
   */
  String fingerprint();

  /** What the source is, for messages and reports. */
  String description();
}
