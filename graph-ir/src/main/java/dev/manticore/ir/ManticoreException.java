package dev.manticore.ir;

import static java.util.Objects.requireNonNull;

/**
 * An error that a user can act on: what is wrong, where, and what to do. The command line prints
 * the message alone and exits with status 2; anything else that escapes is a programming error.
 */
public class ManticoreException extends RuntimeException {

  private final String code;

  /**
   * @param code a stable code, {@code MNT-...}
   * @param message one sentence or two: what, where (file, key, node, operator, shapes), and what
   *     to do
   */
  public ManticoreException(String code, String message) {
    super(message);
    this.code = requireNonNull(code, "code");
  }

  public ManticoreException(String code, String message, Throwable cause) {
    super(message, cause);
    this.code = requireNonNull(code, "code");
  }

  public String code() {
    return code;
  }
}
