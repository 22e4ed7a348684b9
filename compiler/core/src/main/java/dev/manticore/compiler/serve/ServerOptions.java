package dev.manticore.compiler.serve;

import static java.util.Objects.requireNonNull;

import dev.manticore.ir.ManticoreException;
import java.net.InetSocketAddress;
import java.time.Duration;

/**
 * The bounds of a server.
 *
 * @param name of the model, in paths and answers
 * @param address where it listens; port 0 for any that is free
 * @param queue requests that wait for the model; further ones are turned away
 * @param largestBody bytes of the largest body of a request that is read
 * @param timeout after which a request that is not answered is given up
 */
public record ServerOptions(
    String name, InetSocketAddress address, int queue, int largestBody, Duration timeout) {

  /** Tokens of the longest text, and of all sequences of a request, that are read. */
  public static final int LONGEST_TEXT = 1 << 14;

  public static final int DEFAULT_QUEUE = 64;
  public static final int DEFAULT_LARGEST_BODY = 4 << 20;
  public static final Duration DEFAULT_TIMEOUT = Duration.ofSeconds(60);

  public ServerOptions {
    requireNonNull(name, "name");
    requireNonNull(address, "address");
    requireNonNull(timeout, "timeout");
    if (queue < 1 || largestBody < 1 || timeout.isNegative() || timeout.isZero()) {
      throw new ManticoreException(
          "MNT-SERVE",
          "the number of waiting requests, the largest body and the timeout should be above 0, but"
              + " are "
              + queue
              + ", "
              + largestBody
              + " and "
              + timeout.toMillis()
              + " ms");
    }
  }
}
