package dev.manticore.compiler.data;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ManticoreException;
import java.nio.file.Path;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/**
 * A file with one JSON object a line, UTF-8, that holds a prompt and a response. A model learns to
 * say the response, and not the prompt. As a text, an example is the two with the separator
 * between.
 *
 * @param prompt the name of the field that holds the prompt
 * @param response the name of the field that holds the response
 * @param separator goes between the two, and belongs to the prompt
 */
public record Instructions(Path file, String prompt, String response, String separator)
    implements TextSource {

  /**
   * Reads the examples in order, each a prompt, the separator included, and a response. None of the
   * responses is blank.
   *
   * @throws ManticoreException {@code MNT-DATA} if the file cannot be read or is not what it should
   *     be; the message names the line
   */
  public void readExamples(BiConsumer<String, String> examples) {
    lines()
        .readFields(
            texts -> {
              if (texts.get(1).isBlank()) {
                throw new ManticoreException(
                    "MNT-DATA",
                    "The response to \""
                        + shortened(texts.get(0))
                        + "\" in "
                        + file
                        + " is empty.");
              }
              examples.accept(texts.get(0) + separator, texts.get(1));
            });
  }

  private JsonLines lines() {
    return new JsonLines(file, ImmutableList.of(prompt, response));
  }

  private static String shortened(String text) {
    return text.length() > 60 ? text.substring(0, 57) + "..." : text;
  }

  @Override
  public void read(Consumer<String> documents) {
    readExamples((asked, answer) -> documents.accept(asked + answer));
  }

  @Override
  public String fingerprint() {
    return TextFiles.fingerprint(
        file, "instructions " + ImmutableList.of(prompt, response, separator));
  }

  @Override
  public String description() {
    return "the instructions in " + file;
  }
}
