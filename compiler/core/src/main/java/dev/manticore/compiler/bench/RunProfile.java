package dev.manticore.compiler.bench;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Node;
import dev.manticore.ir.Origin;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;

/**
 * Where the time of a run goes: ONNX Runtime's profile, read back into the nodes of the graph and
 * what they were made from.
 *
 * @param nodes in the order of their first run
 * @param runMilliseconds the median of whole runs, profiling included
 */
public record RunProfile(ImmutableList<Entry> nodes, double runMilliseconds) {

  private static final String KERNEL = "_kernel_time";
  private static final ObjectMapper JSON = new ObjectMapper();

  /**
   * A node of the session.
   *
   * @param name as the session has it
   * @param operator what ran, without its domain: {@code MatMul}, or {@code AdamW} of ours
   * @param origin the module of the model, {@code transformer.h.0.mlp.c_fc}; of an update {@code
   *     update}, of what belongs to no module empty
   * @param milliseconds the median of its runs
   */
  public record Entry(String name, String operator, String origin, double milliseconds) {}

  /**
   * The time of some nodes together.
   *
   * @param share of the time of all nodes, from 0 to 1
   */
  public record Part(String what, int nodes, double milliseconds, double share) {}

  /**
   * Reads a profile; the first half of the runs, in which the virtual machine compiles itself, is
   * left out.
   *
   * @param file as ONNX Runtime wrote it
   * @param graph what ran
   * @throws IOException if the file cannot be read
   */
  public static RunProfile read(Path file, Graph graph) throws IOException {
    Map<String, List<Double>> times = new LinkedHashMap<>();
    Map<String, String> operators = new LinkedHashMap<>();
    List<Double> runs = new ArrayList<>();
    try (JsonParser parser = JSON.createParser(file.toFile())) {
      parser.nextToken();
      parser.nextToken();
      MappingIterator<JsonNode> events = JSON.readValues(parser, JsonNode.class);
      while (events.hasNext()) {
        JsonNode event = events.next();
        String name = event.path("name").asText();
        double milliseconds = event.path("dur").asDouble() / 1e3;
        if (name.equals("model_run")) {
          runs.add(milliseconds);
        } else if (name.endsWith(KERNEL)) {
          String node = name.substring(0, name.length() - KERNEL.length());
          times.computeIfAbsent(node, unused -> new ArrayList<>()).add(milliseconds);
          operators.put(node, event.path("args").path("op_name").asText());
        }
      }
    }
    TreeMap<String, Node> byName = new TreeMap<>();
    graph.nodes().forEach(node -> byName.put(node.name(), node));
    ImmutableList.Builder<Entry> nodes = ImmutableList.builder();
    times.forEach(
        (name, durations) ->
            nodes.add(
                new Entry(
                    name,
                    operators.get(name),
                    origin(byName, name),
                    medianOfLatterHalf(durations))));
    return new RunProfile(nodes.build(), medianOfLatterHalf(runs));
  }

  /** Nodes that ONNX Runtime fused are named after the first of them, and more. */
  private static String origin(TreeMap<String, Node> byName, String name) {
    Map.Entry<String, Node> entry = byName.floorEntry(name);
    while (entry != null && !name.startsWith(entry.getKey())) {
      entry = byName.lowerEntry(entry.getKey());
    }
    if (entry == null) {
      return "";
    }
    Origin origin = entry.getValue().origin();
    if (!origin.nodes().isEmpty()) {
      return origin.nodes().get(0);
    }
    return name.startsWith("update/") ? "update" : "";
  }

  private static double medianOfLatterHalf(List<Double> values) {
    if (values.isEmpty()) {
      return 0;
    }
    List<Double> latter = new ArrayList<>(values.subList(values.size() / 2, values.size()));
    latter.sort(Comparator.naturalOrder());
    return latter.get(latter.size() / 2);
  }

  /** The time by operator, the most expensive first. */
  public ImmutableList<Part> byOperator() {
    return by(Entry::operator);
  }

  /** The time by module of the model, the most expensive first. */
  public ImmutableList<Part> byOrigin() {
    return by(Entry::origin);
  }

  private ImmutableList<Part> by(Function<Entry, String> key) {
    double all = nodes.stream().mapToDouble(Entry::milliseconds).sum();
    Map<String, List<Entry>> groups = new LinkedHashMap<>();
    nodes.forEach(
        entry -> groups.computeIfAbsent(key.apply(entry), unused -> new ArrayList<>()).add(entry));
    return groups.entrySet().stream()
        .map(
            group -> {
              double sum = group.getValue().stream().mapToDouble(Entry::milliseconds).sum();
              return new Part(group.getKey(), group.getValue().size(), sum, sum / all);
            })
        .sorted(Comparator.comparingDouble(Part::milliseconds).reversed())
        .collect(ImmutableList.toImmutableList());
  }
}
