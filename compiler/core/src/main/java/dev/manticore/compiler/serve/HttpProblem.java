package dev.manticore.compiler.serve;

/** What is answered in place of a result: a status and a message for whoever asked. */
final class HttpProblem extends RuntimeException {

  private static final long serialVersionUID = 1;

  static final int BAD_REQUEST = 400;
  static final int NOT_FOUND = 404;
  static final int METHOD_NOT_ALLOWED = 405;
  static final int TOO_LARGE = 413;
  static final int INTERNAL = 500;
  static final int UNAVAILABLE = 503;
  static final int TIMED_OUT = 504;

  private final int status;

  HttpProblem(int status, String message) {
    super(message);
    this.status = status;
  }

  int status() {
    return status;
  }
}
