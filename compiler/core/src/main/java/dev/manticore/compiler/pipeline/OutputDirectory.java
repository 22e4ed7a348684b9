package dev.manticore.compiler.pipeline;

import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.stream.Stream;

/**
 * A directory that comes to be as a whole: it is filled beside its place, and put there by {@link
 * #commit}. An earlier result in its place is replaced, anything else is not.
 */
public final class OutputDirectory implements AutoCloseable {

  private final Path place;
  private final Path staging;

  private OutputDirectory(Path place) {
    this.place = place;
    this.staging = sibling(place, "partial");
  }

  /**
   * Prepares to write a directory.
   *
   * @param marker the name of a file that is in every result of this kind
   * @throws ManticoreException {@code MNT-OUTPUT} when the place holds something else or cannot be
   *     written
   */
  public static OutputDirectory open(Path place, String marker) {
    OutputDirectory output = new OutputDirectory(place.toAbsolutePath().normalize());
    output.requireReplaceable(marker);
    StageStore.delete(output.staging);
    try {
      Files.createDirectories(output.staging);
    } catch (IOException e) {
      throw output.failure(e);
    }
    return output;
  }

  /** Where the content is to be written; empty at first. */
  public Path staging() {
    return staging;
  }

  /**
   * Puts the content in its place.
   *
   * @throws ManticoreException {@code MNT-OUTPUT} when that fails
   */
  public void commit() {
    Path old = sibling(place, "old");
    StageStore.delete(old);
    try {
      if (Files.exists(place)) {
        Files.move(place, old, StandardCopyOption.ATOMIC_MOVE);
      }
      Files.move(staging, place, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      throw failure(e);
    }
    StageStore.delete(old);
  }

  /** The message for content that cannot be written. */
  public ManticoreException failure(IOException e) {
    return new ManticoreException(
        "MNT-OUTPUT",
        String.format(
            "cannot write the result to %s: %s; make room there, or choose another place",
            place, WriteErrors.reason(e)),
        e);
  }

  /** Removes the content unless it has been put in its place. */
  @Override
  public void close() {
    StageStore.delete(staging);
  }

  /** A hidden neighbour of a directory. */
  public static Path sibling(Path directory, String suffix) {
    return directory.resolveSibling("." + directory.getFileName() + "." + suffix);
  }

  private void requireReplaceable(String marker) {
    try {
      if (Files.isDirectory(place)) {
        try (Stream<Path> entries = Files.list(place)) {
          if (entries.findAny().isEmpty() || Files.exists(place.resolve(marker))) {
            return;
          }
        }
      } else if (Files.exists(place)) {
        throw new ManticoreException(
            "MNT-OUTPUT", place + " is not a directory; choose another place");
      } else {
        return;
      }
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-OUTPUT", String.format("%s cannot be read: %s", place, WriteErrors.reason(e)), e);
    }
    throw new ManticoreException(
        "MNT-OUTPUT",
        String.format(
            "%s is there and is not a result of Manticore (it has no %s); remove it, or choose"
                + " another place",
            place, marker));
  }
}
