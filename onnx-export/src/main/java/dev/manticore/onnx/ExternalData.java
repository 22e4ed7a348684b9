package dev.manticore.onnx;

import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.TensorData;
import dev.manticore.onnx.io.FileProblems;
import dev.manticore.onnx.io.StableFile;
import dev.manticore.onnx.proto.StringStringEntryProto;
import dev.manticore.onnx.proto.TensorProto;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Finds the external data of tensors, within the rules that ONNX gives for it: a relative path
 * below the model's directory, without links on the way, to a regular file of one name, and a range
 * that the file holds. A checksum is accepted and not compared.
 */
final class ExternalData {

  private static final Set<String> KEYS = Set.of("location", "offset", "length", "checksum");
  private static final Pattern NUMBER = Pattern.compile("[0-9]{1,19}");
  private static final Pattern DRIVE = Pattern.compile("[A-Za-z]:.*");

  private final Optional<Path> baseDirectory;

  /**
   * @param baseDirectory the model's directory; empty if the model has none, and may have no
   *     external data
   */
  ExternalData(Optional<Path> baseDirectory) {
    this.baseDirectory = baseDirectory;
  }

  /**
   * The data of a tensor.
   *
   * @param byteSize what the tensor's type takes
   * @throws ManticoreException {@code MNT-ONNX-EXTERNAL} if a rule is broken
   */
  TensorData find(TensorProto proto, long byteSize, String where) {
    try {
      return locate(proto, byteSize);
    } catch (Refused e) {
      throw new ManticoreException(
          "MNT-ONNX-EXTERNAL", "external data of " + where + " is refused: " + e.getMessage(), e);
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-ONNX-EXTERNAL",
          "external data of " + where + " cannot be read: " + FileProblems.reason(e),
          e);
    }
  }

  private TensorData locate(TensorProto proto, long byteSize) throws IOException, Refused {
    Path base =
        baseDirectory
            .orElseThrow(() -> new Refused("the model was read without a directory"))
            .toRealPath();
    Map<String, String> entries = entries(proto);
    if (!entries.containsKey("location")) {
      throw new Refused("it has no location");
    }
    String location = entries.get("location");
    Path file = contained(base, location);
    StableFile data = StableFile.of(file, Problems.READING, LinkOption.NOFOLLOW_LINKS);
    long offset = number("offset", entries.getOrDefault("offset", "0"));
    if (offset > data.size()) {
      throw new Refused(
          "offset " + offset + " is past the end of '" + location + "', " + data.size());
    }
    // Without a length the data goes on for as long as the tensor needs.
    long length =
        entries.containsKey("length") ? number("length", entries.get("length")) : byteSize;
    if (length > data.size() - offset) {
      throw new Refused(
          length
              + " bytes from offset "
              + offset
              + " are more than '"
              + location
              + "' has, "
              + data.size());
    }
    if (length != byteSize) {
      throw new Refused("its length is " + length + " but the tensor takes " + byteSize);
    }
    return data.region(offset, length);
  }

  private static Map<String, String> entries(TensorProto proto) throws Refused {
    Map<String, String> entries = new LinkedHashMap<>();
    for (StringStringEntryProto entry : proto.getExternalDataList()) {
      if (!KEYS.contains(entry.getKey())) {
        throw new Refused("key '" + entry.getKey() + "' is not known");
      }
      if (entries.put(entry.getKey(), entry.getValue()) != null) {
        throw new Refused("key '" + entry.getKey() + "' is there twice");
      }
    }
    return entries;
  }

  private static Path contained(Path base, String location) throws IOException, Refused {
    // Both systems' forms are refused on both, so that a model is safe or unsafe everywhere.
    if (location.isEmpty()
        || location.startsWith("/")
        || location.contains("\\")
        || DRIVE.matcher(location).matches()) {
      throw new Refused("location '" + location + "' is not a relative path with '/'");
    }
    Path relative;
    try {
      relative = Path.of(location);
    } catch (InvalidPathException e) {
      throw new Refused("location '" + location + "' is not a path");
    }
    if (relative.isAbsolute()) {
      throw new Refused("location '" + location + "' is absolute");
    }
    Path file = base;
    for (Path part : relative) {
      if (part.toString().equals("..")) {
        throw new Refused("location '" + location + "' leaves the model's directory");
      }
      file = file.resolve(part);
      if (Files.isSymbolicLink(file)) {
        throw new Refused("'" + file + "' is a symbolic link; put the file itself there");
      }
    }
    if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
      throw new Refused("there is no file '" + file + "'");
    }
    if (!Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)) {
      throw new Refused("'" + file + "' is not a regular file");
    }
    if (!file.toRealPath().startsWith(base)) {
      throw new Refused("location '" + location + "' leaves the model's directory");
    }
    if (Files.getFileStore(file).supportsFileAttributeView("unix")
        && Files.getAttribute(file, "unix:nlink", LinkOption.NOFOLLOW_LINKS)
            instanceof Integer links
        && links > 1) {
      throw new Refused("'" + file + "' has " + links + " names (hard links); copy it");
    }
    return file;
  }

  private static long number(String key, String text) throws Refused {
    if (NUMBER.matcher(text).matches()) {
      try {
        return Long.parseLong(text);
      } catch (NumberFormatException e) {
        // Nineteen digits may still be too many: refused below.
      }
    }
    throw new Refused(key + " '" + text + "' is not a number from 0 to 2^63-1");
  }

  /** A rule that is broken. */
  private static final class Refused extends Exception {
    Refused(String message) {
      super(message);
    }
  }
}
