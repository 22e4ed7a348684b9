package dev.manticore.compiler.pipeline;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.time.Instant;

/** What differs between two equal runs: when, how long and where. */
final class HostFacts {

  private HostFacts() {}

  static String json(Instant finished, Duration took) {
    ObjectNode root =
        JsonNodeFactory.instance
            .objectNode()
            .put("finished", finished.toString())
            .put("seconds_of_last_run", took.toMillis() / 1000.0)
            .put("java", Runtime.version().toString())
            .put("java_vendor", System.getProperty("java.vendor", ""))
            .put("os", System.getProperty("os.name") + " " + System.getProperty("os.version"))
            .put("architecture", System.getProperty("os.arch"))
            .put("cores", Runtime.getRuntime().availableProcessors());
    return StableJson.text(root);
  }
}
