package dev.manticore.testdata.fuzz;

import dev.manticore.testdata.Fixtures;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Hands mutations of seeds to a reader, as many as the system property {@code
 * manticore.fuzz.executions} says. An input that ends in a way that none before did becomes a seed
 * itself. Everything follows from the seeds and from {@code manticore.fuzz.seed}.
 *
 * <p>An input fails that ends in another error than the typed one, or in a typed one that memory
 * has run out, or that takes more than {@link #PATIENCE}; it is written to {@code target/fuzz}, and
 * what is to stay is moved to {@code testdata/fuzz/regressions}, whose files are run first.
 */
public final class Fuzzer {

  /** The processor time that one input may take at most; most take a ten-thousandth of it. */
  public static final Duration PATIENCE = Duration.ofSeconds(5);

  /** Larger inputs are not made. */
  public static final int LARGEST_INPUT = 32 << 10;

  private static final int SHORT_RUN = 3_000;
  private static final int LARGEST_POOL = 1_000;
  private static final int LARGEST_SEED = 4 << 10;
  private static final int TOLD = 50_000;
  private static final int FRAMES = 6;

  /** What reads an input; all that it throws but the typed error is a failure. */
  @FunctionalInterface
  public interface Reader {
    void read(byte[] input) throws IOException;
  }

  private final String name;
  private final Class<? extends RuntimeException> typed;
  private final Mutator mutator;
  private final List<byte[]> pool;
  private final Set<Integer> endings = new HashSet<>();
  private final ThreadMXBean clock = ManagementFactory.getThreadMXBean();

  /**
   * @param name of the reader, and of its folder of regressions
   * @param typed the error that a reader may throw
   * @param seeds well-formed inputs
   */
  public Fuzzer(
      String name, Class<? extends RuntimeException> typed, Mutator mutator, List<byte[]> seeds) {
    this.name = name;
    this.typed = typed;
    this.mutator = mutator;
    this.pool = new ArrayList<>(seeds);
  }

  /** The files of a folder of {@code testdata/fuzz}, in the order of their names. */
  public static List<byte[]> files(String folder) {
    Path place = Fixtures.testdata("fuzz").resolve(folder);
    if (!Files.isDirectory(place)) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(place)) {
      List<byte[]> contents = new ArrayList<>();
      for (Path file : files.sorted().toList()) {
        contents.add(Files.readAllBytes(file));
      }
      return contents;
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /**
   * Runs the reader.
   *
   * @return how many inputs it was given
   * @throws AssertionError if one has failed
   */
  public long run(Reader reader) {
    List<byte[]> seeds = List.copyOf(pool);
    List<byte[]> regressions = files("regressions/" + name);
    for (byte[] seed : seeds) {
      execute(reader, seed);
    }
    for (byte[] regression : regressions) {
      execute(reader, regression);
    }
    pool.addAll(regressions);
    long executions = Long.getLong("manticore.fuzz.executions", SHORT_RUN);
    Random random = new Random(Long.getLong("manticore.fuzz.seed", 1L));
    for (long i = 0; i < executions; i++) {
      byte[] input = pool.get(random.nextInt(pool.size()));
      for (int changes = 1 + random.nextInt(random.nextInt(4) + 1); changes > 0; changes--) {
        input = mutator.mutate(input, pool.get(random.nextInt(pool.size())), random);
      }
      if (input.length > LARGEST_INPUT) {
        input = Arrays.copyOf(input, LARGEST_INPUT);
      }
      boolean interesting = execute(reader, input);
      if (interesting && input.length <= LARGEST_SEED && pool.size() < LARGEST_POOL) {
        pool.add(input);
      }
      if ((i + 1) % TOLD == 0) {
        System.out.println(name + ": " + (i + 1) + " inputs, " + endings.size() + " endings");
      }
    }
    return executions + seeds.size() + regressions.size();
  }

  /** Whether the input ended as none before. */
  private boolean execute(Reader reader, byte[] input) {
    long start = clock.getCurrentThreadCpuTime();
    int ending = 0;
    try {
      reader.read(input);
    } catch (Throwable e) {
      if (!typed.isInstance(e) || e.getCause() instanceof OutOfMemoryError) {
        throw failure(input, e.toString(), e);
      }
      ending = ending(e);
    }
    if (clock.getCurrentThreadCpuTime() - start > PATIENCE.toNanos()) {
      throw failure(input, "it takes more than " + PATIENCE, null);
    }
    return endings.add(ending);
  }

  private static int ending(Throwable e) {
    StackTraceElement[] trace = e.getStackTrace();
    int hash = 1;
    for (int i = 0; i < Math.min(FRAMES, trace.length); i++) {
      hash = 31 * hash + trace[i].getMethodName().hashCode() + 7 * trace[i].getLineNumber();
    }
    return e.getCause() == null ? hash : 31 * hash + ending(e.getCause());
  }

  private AssertionError failure(byte[] input, String what, Throwable cause) {
    Path file = Path.of("target", "fuzz", name + "-" + hash(input));
    try {
      Files.createDirectories(file.getParent());
      Files.write(file, input);
    } catch (IOException e) {
      throw new AssertionError("an input that fails cannot be kept: " + file, e);
    }
    return new AssertionError(name + ": " + file.toAbsolutePath() + ": " + what, cause);
  }

  private static String hash(byte[] input) {
    try {
      byte[] digest = MessageDigest.getInstance("SHA-256").digest(input);
      return new BigInteger(1, digest).toString(16).substring(0, 12);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }
}
