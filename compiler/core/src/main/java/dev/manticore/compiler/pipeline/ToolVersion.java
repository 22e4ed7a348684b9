package dev.manticore.compiler.pipeline;

import com.google.common.io.Resources;
import java.io.IOException;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Properties;

/** The version of Manticore, as its build wrote it. */
public final class ToolVersion {

  private ToolVersion() {}

  /** Such as {@code 0.1.0}. */
  public static String current() {
    Properties properties = new Properties();
    try (Reader reader =
        Resources.asCharSource(
                Resources.getResource(ToolVersion.class, "version.properties"),
                StandardCharsets.UTF_8)
            .openStream()) {
      properties.load(reader);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return properties.getProperty("version");
  }
}
