package dev.manticore.tensorrt;

/** Why a request cannot be fulfilled, in words for whoever asked. */
final class EngineException extends Exception {

  /** What kind of reason it is. */
  enum Kind {
    /** There is no TensorRT, no driver or no device here. */
    UNAVAILABLE,
    /** TensorRT does not take the model, or the engine. */
    REFUSED
  }

  private final Kind kind;

  EngineException(Kind kind, String message) {
    super(message);
    this.kind = kind;
  }

  Kind kind() {
    return kind;
  }

  static EngineException unavailable(String message) {
    return new EngineException(Kind.UNAVAILABLE, message);
  }

  static EngineException refused(String message) {
    return new EngineException(Kind.REFUSED, message);
  }
}
