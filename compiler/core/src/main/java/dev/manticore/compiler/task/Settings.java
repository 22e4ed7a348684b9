package dev.manticore.compiler.task;

import com.google.common.base.Joiner;
import com.google.common.collect.ImmutableMap;
import com.google.common.primitives.Doubles;
import com.google.errorprone.annotations.CheckReturnValue;
import dev.manticore.compiler.recipe.Spelling;
import dev.manticore.ir.ManticoreException;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/** The settings of a task with a value each. */
@CheckReturnValue
public final class Settings {

  private final String task;
  private final ImmutableMap<String, Setting> declared;
  private final ImmutableMap<String, Double> values;

  private Settings(
      String task, ImmutableMap<String, Setting> declared, ImmutableMap<String, Double> values) {
    this.task = task;
    this.declared = declared;
    this.values = values;
  }

  /** All settings at their defaults, in the order given. */
  public static Settings of(String task, Setting... settings) {
    ImmutableMap.Builder<String, Setting> declared = ImmutableMap.builder();
    ImmutableMap.Builder<String, Double> values = ImmutableMap.builder();
    for (Setting setting : settings) {
      declared.put(setting.name(), setting);
      values.put(setting.name(), setting.value());
    }
    return new Settings(task, declared.buildOrThrow(), values.buildOrThrow());
  }

  /** The settings that there are, by name. */
  public ImmutableMap<String, Setting> declared() {
    return declared;
  }

  /**
   * The same with another value.
   *
   * @throws ManticoreException {@code MNT-TASK} if there is no such setting, or the value is
   *     outside its range
   */
  public Settings with(String name, double value) {
    Setting setting = setting(name);
    boolean whole = setting.kind() == Setting.Kind.REAL || value == Math.rint(value);
    if (!whole || !(setting.least() <= value && value <= setting.most())) {
      throw wrong(setting, Double.toString(value));
    }
    Map<String, Double> changed = new LinkedHashMap<>(values);
    changed.put(name, value);
    return new Settings(task, declared, ImmutableMap.copyOf(changed));
  }

  /**
   * The same with another value, as users write it.
   *
   * @throws ManticoreException {@code MNT-TASK} if there is no such setting, or the text is none of
   *     its values
   */
  public Settings with(String name, String text) {
    Setting setting = setting(name);
    Double value = Doubles.tryParse(text);
    if (setting.kind() == Setting.Kind.FLAG) {
      value = text.equals("true") ? Double.valueOf(1) : text.equals("false") ? 0.0 : null;
    }
    if (value == null || value.isNaN()) {
      throw wrong(setting, text);
    }
    return with(name, value);
  }

  private Setting setting(String name) {
    Setting setting = declared.get(name);
    if (setting == null) {
      throw new ManticoreException(
          "MNT-TASK",
          "The task "
              + task
              + " has no setting '"
              + name
              + "'"
              + Spelling.nearest(name, declared.keySet())
                  .map(nearest -> "; did you mean '" + nearest + "'?")
                  .orElse(". It has: " + Joiner.on(", ").join(declared.keySet()) + "."));
    }
    return setting;
  }

  private ManticoreException wrong(Setting setting, String text) {
    String allowed =
        setting.kind() == Setting.Kind.FLAG
            ? "true or false"
            : (setting.kind() == Setting.Kind.INTEGER ? "a whole number" : "a number")
                + " from "
                + setting.print(setting.least())
                + " to "
                + setting.print(setting.most());
    return new ManticoreException(
        "MNT-TASK",
        "The task "
            + task
            + " takes for "
            + setting.name()
            + " "
            + allowed
            + ", not "
            + text
            + ".");
  }

  public int integer(Setting setting) {
    return values.get(setting.name()).intValue();
  }

  public double real(Setting setting) {
    return values.get(setting.name());
  }

  public boolean flag(Setting setting) {
    return values.get(setting.name()) != 0;
  }

  /**
   * Refuses settings that are each in its range and do not go together.
   *
   * @param reason why, a clause
   * @throws ManticoreException {@code MNT-TASK} unless {@code holds}
   */
  public void require(boolean holds, String reason) {
    if (!holds) {
      throw new ManticoreException(
          "MNT-TASK", "The task " + task + " cannot be made with " + this + ": " + reason + ".");
    }
  }

  /** Every setting's value as {@link #with(String, String)} takes it. */
  public ImmutableMap<String, String> texts() {
    ImmutableMap.Builder<String, String> texts = ImmutableMap.builder();
    values.forEach((name, value) -> texts.put(name, declared.get(name).print(value)));
    return texts.buildOrThrow();
  }

  /** Every setting as {@code name=value}. */
  @Override
  public String toString() {
    return values.entrySet().stream()
        .map(entry -> entry.getKey() + "=" + declared.get(entry.getKey()).print(entry.getValue()))
        .collect(Collectors.joining(" "));
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Settings that && task.equals(that.task) && values.equals(that.values);
  }

  @Override
  public int hashCode() {
    return values.hashCode();
  }
}
