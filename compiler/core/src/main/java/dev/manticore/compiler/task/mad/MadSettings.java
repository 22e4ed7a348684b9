package dev.manticore.compiler.task.mad;

import dev.manticore.compiler.task.GeneratedTask;
import dev.manticore.compiler.task.Setting;
import dev.manticore.compiler.task.Settings;

/** The settings of the MAD tasks, at the values of the benchmark's baseline for most of them. */
final class MadSettings {

  static final Setting VOCABULARY =
      Setting.integer("vocabulary", "tokens there are, the special ones included", 2, 1 << 20, 16);
  static final Setting LENGTH = Setting.integer("length", "tokens of a sequence", 2, 1 << 20, 128);
  static final Setting NOISE_VOCABULARY =
      Setting.integer("noise_vocabulary", "tokens of the vocabulary that are noise", 0, 1 << 20, 0);
  static final Setting NOISE = Setting.real("noise", "share of noise", 0, 1, 0);
  static final Setting MULTI_QUERY =
      Setting.flag("multi_query", "whether every repeated key is asked, or one at the end", 1);
  static final Setting KEY_MOTIF =
      Setting.integer("key_motif", "the most tokens of a key", 1, 64, 3);
  static final Setting VALUE_MOTIF =
      Setting.integer("value_motif", "the most tokens of a value", 1, 64, 3);
  static final Setting COPIES = Setting.integer("copies", "tokens to be copied", 1, 1 << 20, 16);

  private MadSettings() {}

  /** The settings of a task: those that all have, then its own. */
  static Settings of(String task, int vocabulary, int length, int training, Setting... own) {
    Setting[] all = new Setting[5 + own.length];
    all[0] = VOCABULARY.by(vocabulary);
    all[1] = LENGTH.by(length);
    all[2] = GeneratedTask.TRAINING.by(training);
    all[3] = GeneratedTask.VALIDATION;
    all[4] = GeneratedTask.TEST;
    System.arraycopy(own, 0, all, 5, own.length);
    return Settings.of(task, all);
  }

  /** Refuses noise without tokens to make it of. */
  static void requireNoiseTokens(Settings settings) {
    settings.require(
        settings.real(NOISE) == 0 || settings.integer(NOISE_VOCABULARY) > 0,
        "noise is made of the tokens of the noise_vocabulary, which is empty");
  }
}
