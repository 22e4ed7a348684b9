package dev.manticore.compiler.recipe;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.hybrid.ProjectorFiles;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.hybrid.SpliceOptions.Gates;
import dev.manticore.compiler.hybrid.SpliceOptions.LayerRange;
import dev.manticore.compiler.hybrid.SpliceOptions.ProjectorInitialisation;
import dev.manticore.compiler.lower.DecodeLimits;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.lower.Target;
import dev.manticore.compiler.memory.ByteSize;
import dev.manticore.compiler.recipe.Recipe.AlphaWarmup;
import dev.manticore.compiler.recipe.Recipe.Comparison;
import dev.manticore.compiler.recipe.Recipe.Component;
import dev.manticore.compiler.recipe.Recipe.ComponentSource;
import dev.manticore.compiler.recipe.Recipe.Data;
import dev.manticore.compiler.recipe.Recipe.DataSource;
import dev.manticore.compiler.recipe.Recipe.Discretisation;
import dev.manticore.compiler.recipe.Recipe.Evaluation;
import dev.manticore.compiler.recipe.Recipe.FromScratch;
import dev.manticore.compiler.recipe.Recipe.Generated;
import dev.manticore.compiler.recipe.Recipe.InstructionFile;
import dev.manticore.compiler.recipe.Recipe.JsonLines;
import dev.manticore.compiler.recipe.Recipe.Keeping;
import dev.manticore.compiler.recipe.Recipe.Output;
import dev.manticore.compiler.recipe.Recipe.Pretrained;
import dev.manticore.compiler.recipe.Recipe.Projector;
import dev.manticore.compiler.recipe.Recipe.ProjectorKind;
import dev.manticore.compiler.recipe.Recipe.ProjectorMixture;
import dev.manticore.compiler.recipe.Recipe.ProjectorTraining;
import dev.manticore.compiler.recipe.Recipe.Sampling;
import dev.manticore.compiler.recipe.Recipe.Schedule;
import dev.manticore.compiler.recipe.Recipe.Search;
import dev.manticore.compiler.recipe.Recipe.SearchMethod;
import dev.manticore.compiler.recipe.Recipe.SearchUpdates;
import dev.manticore.compiler.recipe.Recipe.Splice;
import dev.manticore.compiler.recipe.Recipe.Temperature;
import dev.manticore.compiler.recipe.Recipe.TextFile;
import dev.manticore.compiler.recipe.Recipe.TokenizerFile;
import dev.manticore.compiler.recipe.Recipe.TokenizerOfComponent;
import dev.manticore.compiler.recipe.Recipe.TokenizerSource;
import dev.manticore.compiler.recipe.Recipe.TrainedTokenizer;
import dev.manticore.compiler.recipe.Recipe.Training;
import dev.manticore.compiler.recipe.Recipe.WarmupWeights;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Turns a valid tree with all defaults into a {@link Recipe}: resolves paths, derives names, and
 * checks what lies between values.
 */
final class RecipeBinder {

  private static final int DEFAULT_VOCABULARY = 512;

  private static final KeyPath COMPONENTS = KeyPath.ROOT.child("components");
  private static final KeyPath PARTITION = KeyPath.ROOT.child("splice").child("partition");
  private static final KeyPath TOKENIZER = KeyPath.ROOT.child("data").child("tokenizer");

  private final RecipeSchema schema;
  private final ObjectNode tree;
  private final Map<KeyPath, ValueSource> sources;
  private final Path recipeDirectory;
  private final Path workingDirectory;
  private final RecipeProblems problems;
  private final Map<KeyPath, Path> paths = new LinkedHashMap<>();

  RecipeBinder(
      RecipeSchema schema,
      ObjectNode tree,
      Map<KeyPath, ValueSource> sources,
      String file,
      Path recipeDirectory,
      Path workingDirectory) {
    this.schema = schema;
    this.tree = tree;
    this.sources = sources;
    this.recipeDirectory = recipeDirectory;
    this.workingDirectory = workingDirectory;
    this.problems = new RecipeProblems(file, sources);
  }

  ResolvedRecipe bind() {
    ImmutableList<Component> components = components();
    JsonNode compare = tree.get("compare");
    JsonNode evaluate = tree.get("evaluate");
    Output output = output(tree.get("output"));
    JsonNode search = tree.get("search");
    Splice splice = splice(components);
    Data data = data(components);
    Optional<ProjectorTraining> projectors = projectors(tree.path("projectors"));
    Training searchTraining = training(KeyPath.ROOT.child("search"), search);
    Training tune = training(KeyPath.ROOT.child("tune"), tree.get("tune"));
    ImmutableList<ImmutableList<Double>> weights =
        weights(search, splice.blocks(), components.size());
    AlphaWarmup alphaWarmup =
        new AlphaWarmup(
            search.get("alpha_warmup").asInt(),
            choice(WarmupWeights.class, search.get("alpha_warmup_weights")));
    if (alphaWarmup.steps() > searchTraining.steps()) {
      problems.add(
          KeyPath.ROOT.child("search").child("alpha_warmup"),
          String.format(
              "%d steps before mixture weights are moved are more than the %d steps of the search",
              alphaWarmup.steps(), searchTraining.steps()));
    }
    Sampling sampling =
        sampling(search, splice.blocks(), components.size(), searchTraining.steps());
    problems.throwIfAny();
    Recipe recipe =
        new Recipe(
            tree.get("name").asText(),
            tree.get("seed").asInt(),
            tree.get("seeds").asInt(),
            tree.get("threads").asInt(),
            tree.get("device").asText(),
            components,
            splice,
            data,
            projectors,
            new Search(
                choice(SearchMethod.class, search.get("method")),
                choice(SearchUpdates.class, search.get("updates")),
                search.get("held_out").asDouble(),
                search.get("alpha_learning_rate").asDouble(),
                alphaWarmup,
                search.get("entropy").asDouble(),
                new Temperature(
                    search.get("temperature").get(0).asDouble(),
                    search.get("temperature").get(1).asDouble()),
                search.get("settled").asDouble(),
                weights,
                sampling,
                new Discretisation(
                    choice(Keeping.class, search.get("discretise")),
                    search.get("threshold").asDouble()),
                searchTraining),
            tune,
            new Evaluation(evaluate.get("batches").asInt(), evaluate.get("every").asInt()),
            new Comparison(
                compare.get("components").asBoolean(), compare.get("ensemble").asBoolean()),
            output);
    return new ResolvedRecipe(recipe, tree, sources, paths);
  }

  /** A list for all blocks, or one for each. */
  private ImmutableList<ImmutableList<Double>> weights(
      JsonNode search, int blocks, int components) {
    JsonNode given = search.get("weights");
    KeyPath place = KeyPath.ROOT.child("search").child("weights");
    if (given.isEmpty()) {
      return ImmutableList.of();
    }
    if (!given.path(0).isArray()) {
      return ImmutableList.copyOf(Collections.nCopies(blocks, weights(place, given, components)));
    }
    if (given.size() != blocks) {
      problems.add(place, "has " + given.size() + " lists for " + blocks + " blocks");
    }
    ImmutableList.Builder<ImmutableList<Double>> all = ImmutableList.builder();
    for (int i = 0; i < given.size(); i++) {
      all.add(weights(place.child(i), given.get(i), components));
    }
    return all.build();
  }

  private ImmutableList<Double> weights(KeyPath place, JsonNode given, int components) {
    ImmutableList.Builder<Double> numbers = ImmutableList.builder();
    given.forEach(weight -> numbers.add(weight.asDouble()));
    ImmutableList<Double> weights = numbers.build();
    if (weights.size() != components || !given.valueStream().allMatch(JsonNode::isNumber)) {
      problems.add(
          place, "should be " + components + " numbers, one for each component, not " + given);
    } else if (weights.stream().allMatch(weight -> weight == 0)) {
      problems.add(place, "has no number above 0");
    }
    return weights;
  }

  private Sampling sampling(JsonNode search, int blocks, int components, int steps) {
    KeyPath place = KeyPath.ROOT.child("search");
    double step = search.get("grid_step").asDouble();
    int divisions = (int) Math.round(1 / step);
    if (Math.abs(divisions * step - 1) > 1e-6) {
      problems.add(place.child("grid_step"), "is " + step + ", of which no number makes up 1");
    }
    Sampling sampling = new Sampling(divisions, search.get("points").asInt());
    SearchMethod method = choice(SearchMethod.class, search.get("method"));
    long count = sampling.count(method, blocks, components);
    if (count > steps) {
      problems.add(
          place.child("steps"),
          "is "
              + steps
              + ", too few for the "
              + (count == Long.MAX_VALUE ? "countless" : count)
              + " mixture weights to be tried, which share them"
              + (method == SearchMethod.GRID
                  ? ": make 'grid_step' larger, or choose random as 'method'"
                  : ": lower 'points'"));
    }
    return sampling;
  }

  private Optional<ProjectorTraining> projectors(JsonNode projectors) {
    return projectors.path("steps").asInt() == 0
        ? Optional.empty()
        : Optional.of(
            new ProjectorTraining(
                choice(ProjectorMixture.class, projectors.get("mixture")),
                training(KeyPath.ROOT.child("projectors"), projectors)));
  }

  private Output output(JsonNode output) {
    Target target = Target.of(output.get("target").asText());
    Precision precision = Precision.of(output.get("precision").asText());
    if (target == Target.ONNXRUNTIME_CPU && precision == Precision.BFLOAT16) {
      problems.add(
          KeyPath.ROOT.child("output").child("precision"),
          "is bfloat16, which ONNX Runtime does not compute in on the processor; choose float16 or"
              + " float32, or another 'output.target'");
    }
    JsonNode decode = output.get("decode");
    int prompt = decode.get("prompt").asInt();
    int capacity = decode.get("capacity").asInt();
    if (prompt > capacity) {
      problems.add(
          KeyPath.ROOT.child("output").child("decode").child("prompt"),
          "is " + prompt + ", more than the capacity of " + capacity + " tokens");
      capacity = prompt;
    }
    return new Output(
        output.get("verify_batches").asInt(),
        output.get("tolerance").asDouble(),
        target,
        precision,
        new DecodeLimits(decode.get("batch").asInt(), prompt, capacity));
  }

  private ImmutableList<Component> components() {
    ImmutableList.Builder<Component> components = ImmutableList.builder();
    Map<String, KeyPath> names = new LinkedHashMap<>();
    int index = 0;
    for (JsonNode element : tree.get("components")) {
      KeyPath place = COMPONENTS.child(index);
      index++;
      ComponentSource source = source(place, element);
      String name = nameOf(place, (ObjectNode) element, source);
      KeyPath earlier = names.putIfAbsent(name, place);
      if (earlier != null) {
        problems.add(
            place,
            String.format("is named '%s' as %s is; give it a 'name' of its own", name, earlier));
      }
      components.add(new Component(name, source));
    }
    return components.build();
  }

  private ComponentSource source(KeyPath place, JsonNode component) {
    JsonNode pretrain = component.path("pretrain");
    if (pretrain.isMissingNode()) {
      KeyPath model = place.child("model");
      Path given = path(model, component.get("model").asText());
      boolean exported = given.toString().endsWith(".onnx");
      if (exported && !Files.isRegularFile(given)) {
        problems.add(model, "there is no file " + given);
      } else if (!exported && !Files.isDirectory(given)) {
        problems.add(model, "there is no directory " + given);
      }
      return new Pretrained(given);
    }
    return new FromScratch(
        json(pretrain.get("config")), training(place.child("pretrain"), pretrain));
  }

  private String nameOf(KeyPath place, ObjectNode component, ComponentSource source) {
    if (component.has("name")) {
      return component.get("name").asText();
    }
    boolean pretrained = source instanceof Pretrained;
    String derived =
        source instanceof Pretrained model
            ? ModelFiles.nameOf(model.place())
            : component.path("pretrain").path("config").path("model_type").asText();
    String name = derived.replaceAll("[^A-Za-z0-9._-]", "-").replaceAll("^[._-]+", "");
    if (name.isEmpty()) {
      problems.add(place, "no name can be made from its directory; give it a 'name'");
      return "component";
    }
    String shortened = name.substring(0, Math.min(64, name.length()));
    ObjectNode others = component.deepCopy();
    component.removeAll();
    component.put("name", shortened);
    component.setAll(others);
    sources.put(
        place.child("name"),
        new ValueSource.Default(pretrained ? "the directory's name" : "the model type"));
    return shortened;
  }

  private Splice splice(ImmutableList<Component> components) {
    JsonNode splice = tree.get("splice");
    JsonNode projector = splice.get("projector");
    int blocks = splice.get("blocks").asInt();
    return new Splice(
        blocks,
        choice(Gates.class, splice.get("gates")),
        new Projector(
            choice(ProjectorKind.class, projector.get("kind")),
            choice(ProjectorInitialisation.class, projector.get("initialisation")),
            projectorsFrom(projector)),
        choice(Embeddings.class, splice.get("embeddings")),
        partition(splice.path("partition"), components, blocks));
  }

  private Optional<Path> projectorsFrom(JsonNode projector) {
    if (!projector.has("from")) {
      return Optional.empty();
    }
    KeyPath place = KeyPath.ROOT.child("splice").child("projector").child("from");
    Path directory = path(place, projector.get("from").asText());
    if (!Files.isRegularFile(directory.resolve(ProjectorFiles.DESCRIPTION))) {
      problems.add(
          place,
          String.format(
              "there is no %s in %s; manticore projectors writes such a directory",
              ProjectorFiles.DESCRIPTION, directory));
    }
    return Optional.of(directory);
  }

  private ImmutableList<ImmutableList<LayerRange>> partition(
      JsonNode partition, ImmutableList<Component> components, int blocks) {
    if (partition.isMissingNode()) {
      return ImmutableList.of();
    }
    if (partition.size() != components.size()) {
      problems.add(
          PARTITION,
          String.format("has %d lists for %d components", partition.size(), components.size()));
    }
    ImmutableList.Builder<ImmutableList<LayerRange>> all = ImmutableList.builder();
    for (int k = 0; k < partition.size(); k++) {
      KeyPath place = PARTITION.child(k);
      JsonNode ranges = partition.get(k);
      if (ranges.size() != blocks) {
        problems.add(place, String.format("has %d ranges for %d blocks", ranges.size(), blocks));
      }
      ImmutableList.Builder<LayerRange> component = ImmutableList.builder();
      int expected = 0;
      for (int i = 0; i < ranges.size(); i++) {
        int from = ranges.get(i).get(0).asInt();
        int to = ranges.get(i).get(1).asInt();
        if (from != expected || to <= from) {
          problems.add(
              place.child(i),
              String.format(
                  "[%d, %d) should begin at layer %d and hold at least one layer",
                  from, to, expected));
          break;
        }
        component.add(new LayerRange(from, to));
        expected = to;
      }
      all.add(component.build());
    }
    return all.build();
  }

  private Data data(ImmutableList<Component> components) {
    JsonNode data = tree.get("data");
    int buckets = data.get("buckets").asInt();
    if (buckets > 1 && !data.get("source").has("instructions")) {
      problems.add(
          KeyPath.ROOT.child("data").child("buckets"),
          "is "
              + buckets
              + ", but all sequences of a text have one length; remove it, or give 'instructions' as"
              + " 'data.source'");
    }
    return new Data(
        dataSource(data.get("source")),
        tokenizer(components),
        data.get("length").asInt(),
        buckets,
        data.get("holdout").asDouble(),
        data.get("test").asDouble());
  }

  private DataSource dataSource(JsonNode source) {
    KeyPath place = KeyPath.ROOT.child("data").child("source");
    if (source.has("text")) {
      return new TextFile(file(place.child("text"), source.get("text").asText()));
    }
    if (source.has("jsonl")) {
      ImmutableList.Builder<String> fields = ImmutableList.builder();
      source.get("fields").forEach(field -> fields.add(field.asText()));
      return new JsonLines(
          file(place.child("jsonl"), source.get("jsonl").asText()), fields.build());
    }
    if (source.has("instructions")) {
      return new InstructionFile(
          file(place.child("instructions"), source.get("instructions").asText()),
          source.get("prompt").asText(),
          source.get("response").asText(),
          source.get("separator").asText());
    }
    return new Generated(
        source.get("generator").asText(),
        source.get("characters").asInt(),
        source.get("seed").asInt());
  }

  private TokenizerSource tokenizer(ImmutableList<Component> components) {
    ObjectNode data = (ObjectNode) tree.get("data");
    JsonNode tokenizer = data.path("tokenizer");
    if (tokenizer.isTextual()) {
      return new TokenizerFile(file(TOKENIZER, tokenizer.asText()));
    }
    if (tokenizer.isObject()) {
      return new TrainedTokenizer(tokenizer.path("train").path("vocabulary").asInt());
    }
    for (int k = 0; k < components.size(); k++) {
      if (components.get(k).source() instanceof Pretrained model) {
        Path file = model.directory().resolve("tokenizer.json");
        if (Files.exists(model.place()) && !Files.isRegularFile(file)) {
          problems.add(
              COMPONENTS.child(k).child("model"),
              "has no tokenizer.json; name one in data.tokenizer");
        }
        return new TokenizerOfComponent(file);
      }
    }
    data.putObject("tokenizer").putObject("train").put("vocabulary", DEFAULT_VOCABULARY);
    sources.put(TOKENIZER, new ValueSource.Default("no component brings a tokenizer"));
    return new TrainedTokenizer(DEFAULT_VOCABULARY);
  }

  /** A size in bytes; 0 for none. */
  private long memory(KeyPath place, String text) {
    OptionalLong bytes = ByteSize.parse(text);
    if (bytes.isEmpty() && !text.isEmpty()) {
      problems.add(place, "is '" + text + "', no size such as 4 GB or 700 MB");
    }
    return bytes.orElse(0);
  }

  private Training training(KeyPath place, JsonNode node) {
    int steps = node.get("steps").asInt();
    int warmup = node.get("warmup").asInt();
    if (warmup > steps) {
      problems.add(
          place.child("warmup"),
          String.format(
              "%d steps of warm-up are more than the %d steps of training", warmup, steps));
    }
    Precision precision = Precision.of(node.get("precision").asText());
    if (precision != Precision.FLOAT32 && tree.get("device").asText().equals("cpu")) {
      problems.add(
          place.child("precision"),
          "is "
              + precision
              + ", which the processor does not train in; choose float32, or a GPU as"
              + " 'device'");
    }
    return new Training(
        steps,
        node.get("batch").asInt(),
        node.get("accumulation").asInt(),
        node.get("learning_rate").asDouble(),
        node.get("weight_decay").asDouble(),
        node.get("clip").asDouble(),
        node.get("betas").get(0).asDouble(),
        node.get("betas").get(1).asDouble(),
        node.get("epsilon").asDouble(),
        choice(Schedule.class, node.get("schedule")),
        warmup,
        precision,
        memory(place.child("memory"), node.path("memory").asText()));
  }

  private Path file(KeyPath place, String text) {
    Path path = path(place, text);
    if (!Files.isRegularFile(path)) {
      problems.add(place, "there is no file " + path);
    }
    return path;
  }

  /** Resolves a path: of the command line as a shell does, of the recipe against its directory. */
  private Path path(KeyPath place, String text) {
    if (!schema.isPath(place)) {
      throw new IllegalStateException("the schema does not mark " + place + " as a path");
    }
    boolean override = sources.get(place) instanceof ValueSource.CommandLine;
    Path base = override ? workingDirectory : recipeDirectory;
    try {
      Path path = base.resolve(text).normalize();
      paths.put(place, path);
      return path;
    } catch (InvalidPathException e) {
      problems.add(place, "is not a path: " + e.getReason());
      return base;
    }
  }

  private static <E extends Enum<E>> E choice(Class<E> type, JsonNode value) {
    return Enum.valueOf(type, value.asText().toUpperCase(Locale.ROOT).replace('-', '_'));
  }

  private static String json(JsonNode node) {
    try {
      return JsonMapper.builder()
          .disable(JsonWriteFeature.WRITE_NAN_AS_STRINGS)
          .build()
          .writeValueAsString(node);
    } catch (JsonProcessingException e) {
      throw new UncheckedIOException(e);
    }
  }
}
