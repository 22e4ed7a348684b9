package dev.manticore.kernels;

/** What both forms of the softmax of a row share. */
final class Softmax {

  /** The exponential of what lies below is zero; it keeps the argument in the range of ours. */
  static final float LEAST = -200f;

  private Softmax() {}
}
