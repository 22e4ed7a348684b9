package dev.manticore.maven;

import java.util.concurrent.CountDownLatch;

/** A program that speaks as Manticore does. */
final class Speaker {

  private Speaker() {}

  /**
   * @param args lines, of which those that begin with an exclamation mark go to standard error; and
   *     the status, or {@code wait}
   */
  public static void main(String[] args) throws InterruptedException {
    for (int i = 0; i < args.length - 1; i++) {
      if (args[i].startsWith("!")) {
        System.err.println(args[i].substring(1));
      } else {
        System.out.println(args[i]);
      }
    }
    String end = args[args.length - 1];
    if (end.equals("wait")) {
      new CountDownLatch(1).await();
    }
    System.exit(Integer.parseInt(end));
  }
}
