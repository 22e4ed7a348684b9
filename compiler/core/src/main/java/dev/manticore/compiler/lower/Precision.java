package dev.manticore.compiler.lower;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.ManticoreException;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** What a deployed model computes its matrix products with, and holds its weights in. */
public enum Precision {
  FLOAT32(ElementType.FLOAT32, 0),
  FLOAT16(ElementType.FLOAT16, 0.015),
  BFLOAT16(ElementType.BFLOAT16, 0.12);

  private final ElementType type;
  private final double share;

  Precision(ElementType type, double share) {
    this.type = type;
    this.share = share;
  }

  /**
   * The largest difference that a logit may have from that in float32, given the largest logit and
   * what is allowed of float32. In 16 bits it is a share of the largest logit: a little more than
   * the most that models of the families have shown.
   */
  public double limit(double largestLogit, double ofFloat32) {
    return this == FLOAT32 ? ofFloat32 : share * largestLogit;
  }

  ElementType type() {
    return type;
  }

  /**
   * The precision of a name.
   *
   * @throws ManticoreException {@code MNT-PRECISION} if there is none
   */
  public static Precision of(String name) {
    return Arrays.stream(values())
        .filter(precision -> precision.toString().equals(name))
        .findFirst()
        .orElseThrow(
            () ->
                new ManticoreException(
                    "MNT-PRECISION",
                    "there is no precision '"
                        + name
                        + "'; choose one of "
                        + Arrays.stream(values())
                            .map(Precision::toString)
                            .collect(Collectors.joining(", "))));
  }

  /** The name on the command line and in recipes: {@code float16}. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
