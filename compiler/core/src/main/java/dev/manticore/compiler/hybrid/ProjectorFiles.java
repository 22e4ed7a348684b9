package dev.manticore.compiler.hybrid;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Maps;
import com.google.common.collect.Sets;
import com.google.common.primitives.Ints;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.pipeline.Hashes;
import dev.manticore.compiler.pipeline.PrettyJson;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import dev.manticore.onnx.safetensors.SafetensorsWriter;
import dev.manticore.onnx.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/**
 * Trained projectors as files, for other hybrids of the same components: {@code projectors.json}
 * says what they were trained for, {@code projectors.safetensors} has what the hybrid adds to its
 * components, mixture weights aside (projectors, gates of their own, fresh tables), and {@code
 * tokenizer.json} is what the text was segmented with. Components are known by the hash of their
 * weights, so that the order may be another; indices in tensors' names are those of the
 * description.
 */
public final class ProjectorFiles {

  /** The description's name in a directory that {@link #write} has written. */
  public static final String DESCRIPTION = "projectors.json";

  /** All files of such a directory. */
  public static final ImmutableList<String> FILES =
      ImmutableList.of("projectors.safetensors", Vocabularies.FILE, DESCRIPTION);

  private static final String CODE = "MNT-PROJECTORS";
  private static final String TENSORS = FILES.get(0);
  private static final long LARGEST_DESCRIPTION = 1 << 20;
  private static final ObjectMapper JSON = new ObjectMapper();

  /** The index of a component in the name of a parameter. */
  private static final Pattern INDEX =
      Pattern.compile("((?:blocks\\.\\d+\\.[a-z_]+|embeddings)\\.)(\\d+)(.*)");

  /** What has to be alike for projectors to fit, besides the components and the tokenizer. */
  private static final ImmutableList<String> ALIKE =
      ImmutableList.of("blocks", "width", "gating", "embeddings", "projector");

  private ProjectorFiles() {}

  /**
   * Writes the projectors of a hybrid.
   *
   * @param components as they are in their checkpoints, in the hybrid's order
   * @param tokenizer the {@code tokenizer.json} of the text that they were trained on
   * @param training how they were trained and what it came to; it is kept, and nothing is read from
   *     it
   * @throws ManticoreException if a file cannot be read or written
   */
  public static void write(
      Path directory,
      Hybrid hybrid,
      List<Component> components,
      Path tokenizer,
      ObjectNode training) {
    ObjectNode description = describe(hybrid, components);
    description.put("tokenizer", hash(tokenizer));
    description.set("training", training);
    try {
      AtomicFiles.writeBytes(directory.resolve(Vocabularies.FILE), Files.readAllBytes(tokenizer));
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-INPUT", tokenizer + " cannot be read: " + e.getMessage(), e);
    }
    SafetensorsWriter.write(directory.resolve(TENSORS), kept(hybrid), ImmutableMap.of());
    AtomicFiles.writeString(directory.resolve(DESCRIPTION), PrettyJson.text(description));
  }

  /**
   * A hybrid with the projectors of a directory, which were trained for the same components, in
   * whatever order, cut alike. Its mixture weights stay as they are.
   *
   * @param components as they are in their checkpoints, in the hybrid's order
   * @param tokenizer the {@code tokenizer.json} of the hybrid's text
   * @throws ManticoreException {@code MNT-PROJECTORS} with all that does not fit, or if the files
   *     are damaged
   */
  public static Hybrid read(
      Path directory, Hybrid hybrid, List<Component> components, Path tokenizer) {
    JsonNode stored = parse(directory.resolve(DESCRIPTION));
    JsonNode wanted = describe(hybrid, components);
    Map<Integer, Integer> places = match(stored.path("components"), wanted.get("components"));
    List<String> differences = componentDifferences(stored, wanted, places);
    for (String key : ALIKE) {
      if (!areAlike(stored, wanted, List.of(key))) {
        differences.add(
            String.format("%s: %s there, %s here", key, shown(stored.path(key)), wanted.get(key)));
      }
    }
    tokenizerDifference(stored, directory, tokenizer).ifPresent(differences::add);
    if (!differences.isEmpty()) {
      throw failure(
          String.format(
              "the projectors in %s were trained for another hybrid:%n  %s%nTrain some for this one"
                  + " with manticore projectors, or start without splice.projector.from",
              directory, String.join(String.format("%n  "), differences)));
    }
    Path file = directory.resolve(TENSORS);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    SafetensorsFile.open(file)
        .tensors()
        .forEach((name, tensor) -> tensors.put(renamed(name, places), tensor));
    Set<String> odd = Sets.symmetricDifference(kept(hybrid).keySet(), tensors.keySet());
    if (!odd.isEmpty()) {
      throw failure(
          String.format(
              "%s does not hold what %s beside it describes: %s are too many or missing; take all"
                  + " files from one result",
              file, DESCRIPTION, odd));
    }
    return HybridFiles.withParameters(hybrid, tensors);
  }

  /** What is kept of a hybrid: all that it adds to its components but mixture weights. */
  private static Map<String, Tensor> kept(Hybrid hybrid) {
    return Maps.filterKeys(HybridFiles.own(hybrid), name -> !Hybrid.isAlpha(name));
  }

  private static ObjectNode describe(Hybrid hybrid, List<Component> components) {
    ObjectNode json = HybridFiles.describe(hybrid);
    // The one kind that there is.
    json.put("projector", "linear");
    JsonNode partition = json.remove("partition");
    ArrayNode described = json.putArray("components");
    for (int k = 0; k < components.size(); k++) {
      Component component = components.get(k);
      ObjectNode entry = described.addObject();
      entry.put("name", hybrid.names().get(k));
      entry.put("weights", "sha256:" + fingerprint(component));
      entry.put("width", component.width());
      entry.set("layers", partition.get(k));
    }
    return json;
  }

  /** Of names and values alone: however the checkpoint is divided into files. */
  private static String fingerprint(Component component) {
    return Hashes.sha256(new TreeMap<>(HybridFiles.parameters(component.graph())));
  }

  /**
   * For each component there its index here. Of several with the same weights those of one name go
   * together first.
   */
  private static Map<Integer, Integer> match(JsonNode there, JsonNode here) {
    Map<Integer, Integer> places = new LinkedHashMap<>();
    for (List<String> keys : List.of(List.of("weights", "name"), List.of("weights"))) {
      for (int k = 0; k < here.size(); k++) {
        JsonNode wanted = here.get(k);
        if (!places.containsValue(k)) {
          int place = k;
          IntStream.range(0, there.size())
              .filter(j -> !places.containsKey(j) && areAlike(there.get(j), wanted, keys))
              .findFirst()
              .ifPresent(j -> places.put(j, place));
        }
      }
    }
    return places;
  }

  private static boolean areAlike(JsonNode one, JsonNode other, List<String> keys) {
    return keys.stream().allMatch(key -> one.path(key).equals(other.path(key)));
  }

  /** What is unlike in the components, and in how they are cut where both are cut as often. */
  private static List<String> componentDifferences(
      JsonNode stored, JsonNode wanted, Map<Integer, Integer> places) {
    JsonNode there = stored.path("components");
    JsonNode here = wanted.path("components");
    List<String> differences = new ArrayList<>();
    Map<String, JsonNode> others = new LinkedHashMap<>();
    for (int j = 0; j < there.size(); j++) {
      JsonNode one = there.get(j);
      if (!places.containsKey(j)) {
        others.put(one.path("name").asText(), one.path("weights"));
      } else if (areAlike(stored, wanted, List.of("blocks"))) {
        JsonNode other = here.get(places.get(j));
        if (!areAlike(one, other, List.of("layers"))) {
          differences.add(
              String.format(
                  "the layers of component %s are cut into %s there, %s here",
                  other.get("name"), shown(one.path("layers")), other.get("layers")));
        }
      }
    }
    for (int k = 0; k < here.size(); k++) {
      if (!places.containsValue(k)) {
        JsonNode name = here.get(k).get("name");
        JsonNode weights = others.remove(name.asText());
        differences.add(
            weights == null
                ? String.format("component %s is none of those there", name)
                : String.format(
                    "component %s has other weights: %s there, %s here",
                    name, shown(weights), here.get(k).get("weights")));
      }
    }
    others.keySet().forEach(name -> differences.add("component \"" + name + "\" is not here"));
    return differences;
  }

  private static Optional<String> tokenizerDifference(
      JsonNode stored, Path directory, Path tokenizer) {
    if (stored.path("tokenizer").asText().equals(hash(tokenizer))) {
      return Optional.empty();
    }
    try (Tokenizer there = Tokenizer.load(directory.resolve(Vocabularies.FILE));
        Tokenizer here = Tokenizer.load(tokenizer)) {
      return there.differenceFrom(here).map(difference -> "the tokenizer: " + difference);
    }
  }

  private static String renamed(String parameter, Map<Integer, Integer> places) {
    Matcher matcher = INDEX.matcher(parameter);
    Integer there = matcher.matches() ? Ints.tryParse(matcher.group(2)) : null;
    return there == null || !places.containsKey(there)
        ? parameter
        : matcher.group(1) + places.get(there) + matcher.group(3);
  }

  private static String hash(Path file) {
    return "sha256:" + Hashes.sha256(file);
  }

  private static String shown(JsonNode value) {
    return value.isMissingNode() ? "nothing" : value.toString();
  }

  private static JsonNode parse(Path file) {
    try {
      if (Files.size(file) > LARGEST_DESCRIPTION) {
        throw failure(file + " is too large for the description of projectors");
      }
      return JSON.readTree(Files.readAllBytes(file));
    } catch (JsonProcessingException e) {
      throw new ManticoreException(CODE, file + " is not JSON: " + e.getOriginalMessage(), e);
    } catch (IOException e) {
      throw new ManticoreException(CODE, file + " cannot be read: " + e.getMessage(), e);
    }
  }

  private static ManticoreException failure(String message) {
    return new ManticoreException(CODE, message);
  }
}
