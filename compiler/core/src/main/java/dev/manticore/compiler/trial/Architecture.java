package dev.manticore.compiler.trial;

import com.google.common.base.Joiner;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.recipe.Spelling;
import dev.manticore.ir.ManticoreException;
import java.util.Arrays;
import java.util.Locale;

/** A kind of model that is trained from scratch on a task. */
public enum Architecture {
  /** A GPT-Neo with attention over all earlier positions, one layer a block. */
  GPT_NEO("gpt-neo", "attention and MLP, one layer a block"),
  /** A Mamba, two layers a block, which is about the size of a layer of a GPT-Neo. */
  MAMBA("mamba", "two Mamba layers a block"),
  /** The paper's hybrid of those two, block by block, its mixture weights searched. */
  HYBRID("hybrid", "the two side by side in each block, mixture weights searched"),
  /** Mamba, then attention and Mamba by turns, without positions and without MLP. */
  MAMBAFORMER("mambaformer", "a Mamba layer, then in each block an attention and a Mamba layer"),
  /** The hybrid's own layers one after the other: two of Mamba, one of GPT-Neo, in each block. */
  STRIPED("striped", "the hybrid's layers one after the other");

  private final String label;
  private final String title;

  Architecture(String label, String title) {
    this.label = label;
    this.title = title;
  }

  /** All of them by name. */
  public static ImmutableList<String> names() {
    return Arrays.stream(values())
        .map(Architecture::toString)
        .collect(ImmutableList.toImmutableList());
  }

  /**
   * @throws ManticoreException {@code MNT-MODEL} if there is none of that name
   */
  public static Architecture of(String name) {
    return Arrays.stream(values())
        .filter(architecture -> architecture.label.equals(name.toLowerCase(Locale.ROOT)))
        .findFirst()
        .orElseThrow(
            () ->
                new ManticoreException(
                    "MNT-MODEL",
                    "There is no model '"
                        + name
                        + "'"
                        + Spelling.nearest(name, names())
                            .map(nearest -> "; did you mean '" + nearest + "'?")
                            .orElse(". There are: " + Joiner.on(", ").join(names()) + ".")));
  }

  /** What it is made of, in a few words. */
  public String title() {
    return title;
  }

  @Override
  public String toString() {
    return label;
  }
}
