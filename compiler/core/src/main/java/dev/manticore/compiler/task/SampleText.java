package dev.manticore.compiler.task;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.manticore.compiler.data.Sample;

/** Samples as people and programs read them. */
public final class SampleText {

  private static final int COLUMNS = 96;

  /** From dark to bright. */
  private static final String SHADES = " .:-=+*#%@";

  private SampleText() {}

  /**
   * The tokens in lines, each that is asked followed by an arrow and what is asked; an image as an
   * image.
   */
  public static String text(Task task, Split split, int index) {
    Sample sample = task.sample(split, index);
    StringBuilder text = new StringBuilder();
    text.append(
        String.format(
            "%s, %s %d: %d tokens, %d asked%n",
            task.name(), split, index, sample.length(), sample.asked()));
    if (task.imageWidth().isPresent()) {
      image(text, sample, task.imageWidth().getAsInt());
    } else {
      tokens(text, task, sample);
    }
    if (task.kind() == Task.Kind.CLASS) {
      text.append(String.format("class %d%n", sample.targets().get(sample.length() - 1)));
    }
    return text.toString();
  }

  private static void tokens(StringBuilder text, Task task, Sample sample) {
    int column = 0;
    for (int i = 0; i < sample.length(); i++) {
      String word = task.symbol(sample.inputs().get(i));
      if (task.kind() != Task.Kind.CLASS && sample.isAsked(i)) {
        word += "\u2192" + task.symbol(sample.targets().get(i));
      }
      if (column > 0 && column + 1 + word.length() > COLUMNS) {
        text.append(System.lineSeparator());
        column = 0;
      }
      text.append(column == 0 ? "" : " ").append(word);
      column += word.length() + (column == 0 ? 0 : 1);
    }
    text.append(System.lineSeparator());
  }

  private static void image(StringBuilder text, Sample sample, int width) {
    for (int i = 0; i < sample.length(); i++) {
      int shade = (sample.inputs().get(i) * SHADES.length()) >> 8;
      // Characters are about twice as high as wide.
      text.append(SHADES.charAt(shade)).append(SHADES.charAt(shade));
      if ((i + 1) % width == 0) {
        text.append(System.lineSeparator());
      }
    }
  }

  /** The same as one JSON object: inputs, targets, and for each position whether it is asked. */
  public static ObjectNode json(Task task, Split split, int index) {
    Sample sample = task.sample(split, index);
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("task", task.name()).put("split", split.toString()).put("index", index);
    ArrayNode inputs = json.putArray("inputs");
    ArrayNode targets = json.putArray("targets");
    ArrayNode asked = json.putArray("asked");
    for (int i = 0; i < sample.length(); i++) {
      inputs.add(sample.inputs().get(i));
      targets.add(sample.targets().get(i));
      asked.add(sample.isAsked(i));
    }
    return json;
  }

  /**
   * A generated task with its settings and sweeps.
   *
   * @param json as one JSON object, instead of lines to read
   */
  public static String of(TaskDefinition definition, boolean json) {
    return json ? json(definition).toString() : text(definition);
  }

  private static String text(TaskDefinition definition) {
    StringBuilder text = new StringBuilder();
    text.append(String.format("%s: %s%n", definition.name(), definition.title()));
    for (Setting setting : definition.baseline().declared().values()) {
      text.append(
          String.format(
              "  %-16s %-9s %s%s%n",
              setting.name(),
              setting.print(setting.value()),
              setting.meaning(),
              sweep(definition, setting)));
    }
    return text.toString();
  }

  private static String sweep(TaskDefinition definition, Setting setting) {
    StringBuilder text = new StringBuilder();
    for (Sweep sweep : definition.sweeps()) {
      if (sweep.setting().equals(setting.name())) {
        text.append("; sweep");
        sweep.values().forEach(value -> text.append(' ').append(setting.print(value)));
      }
    }
    double hard = definition.hard(Faults.MENDED).real(setting);
    if (hard != setting.value()) {
      text.append("; hard ").append(setting.print(hard));
    }
    return text.toString();
  }

  private static ObjectNode json(TaskDefinition definition) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("task", definition.name()).put("title", definition.title());
    ObjectNode settings = json.putObject("settings");
    for (Setting setting : definition.baseline().declared().values()) {
      ObjectNode described = settings.putObject(setting.name());
      described.put("meaning", setting.meaning());
      described.put("default", setting.value()).put("least", setting.least());
      described.put("most", setting.most());
      described.put("hard", definition.hard(Faults.MENDED).real(setting));
      described.put("hard_upstream", definition.hard(Faults.UPSTREAM).real(setting));
    }
    ObjectNode sweeps = json.putObject("sweeps");
    for (Sweep sweep : definition.sweeps()) {
      ArrayNode values = sweeps.putArray(sweep.setting());
      sweep.values().forEach(values::add);
    }
    return json;
  }
}
