package dev.manticore.compiler.extract;

import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.ir.ManticoreException;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Layers of a language model, chosen by their numbers.
 *
 * @param first counted from 0
 * @param last included
 */
public record LayerChoice(int first, int last) {

  private static final Pattern FORM = Pattern.compile("(\\d{1,6})(?:-(\\d{1,6}))?");

  /**
   * Reads {@code 3} or {@code 2-5}.
   *
   * @param from and to values that were asked for besides, of which there must be none
   * @throws ManticoreException {@code MNT-EXTRACT} if it is neither
   */
  public static LayerChoice parse(String text, List<String> from, List<String> to) {
    if (!from.isEmpty() || !to.isEmpty()) {
      throw new ManticoreException(
          "MNT-EXTRACT", "a region is given by its layers or by its values, not by both");
    }
    Matcher matcher = FORM.matcher(text);
    if (!matcher.matches()) {
      throw new ManticoreException(
          "MNT-EXTRACT", "'" + text + "' is not the number of a layer, nor a range such as 2-5");
    }
    int first = Integer.parseInt(matcher.group(1));
    return new LayerChoice(
        first, matcher.group(2) == null ? first : Integer.parseInt(matcher.group(2)));
  }

  /**
   * The layers of the model of a place.
   *
   * @throws ManticoreException if it has none of these numbers
   */
  public Extraction of(Path model) {
    return Extraction.layers(ModelFiles.component(ModelFiles.nameOf(model), model), first, last);
  }
}
