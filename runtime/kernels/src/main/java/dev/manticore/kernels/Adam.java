package dev.manticore.kernels;

/** The factors of a step of AdamW, from the settings that the operator takes. */
record Adam(
    float rate,
    float beta1,
    float rest1,
    float beta2,
    float rest2,
    float epsilon,
    float kept,
    float correction2,
    float scale) {

  Adam(float[] settings) {
    this(
        settings[0] / settings[5],
        settings[1],
        1f - settings[1],
        settings[2],
        1f - settings[2],
        settings[3],
        1f - settings[0] * settings[4],
        1f / settings[6],
        settings[7]);
  }
}
