package dev.manticore.compiler.triton;

import com.google.common.collect.ImmutableList;
import com.google.protobuf.TextFormat;
import dev.manticore.compiler.triton.proto.DataType;
import dev.manticore.compiler.triton.proto.ModelConfig;
import dev.manticore.compiler.triton.proto.ModelInput;
import dev.manticore.compiler.triton.proto.ModelOutput;
import dev.manticore.compiler.triton.proto.ModelSequenceBatching;
import dev.manticore.compiler.triton.proto.ModelWarmup;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Value;
import dev.manticore.onnx.OnnxImporter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Checks a model repository against what Triton's documentation demands of it (its model
 * repository, model configuration and implicit state pages), so that it is told here and not by the
 * server.
 */
public final class RepositoryCheck {

  private static final Pattern VERSION = Pattern.compile("[1-9][0-9]*");
  private static final int LARGEST_CONFIG = 1 << 20;

  private final List<String> problems = new ArrayList<>();

  private RepositoryCheck() {}

  /**
   * Checks all models of a repository.
   *
   * @throws ManticoreException {@code MNT-TRITON}, naming all that is wrong
   */
  public static void check(Path repository) throws IOException {
    List<String> problems = problems(repository);
    if (!problems.isEmpty()) {
      throw new ManticoreException(
          "MNT-TRITON", "not a repository that Triton loads:\n  " + String.join("\n  ", problems));
    }
  }

  /** What is wrong with a repository, each with the model that it concerns. */
  public static ImmutableList<String> problems(Path repository) throws IOException {
    RepositoryCheck check = new RepositoryCheck();
    List<Path> models;
    try (Stream<Path> entries = Files.list(repository)) {
      models = entries.filter(Files::isDirectory).sorted().toList();
    }
    if (models.isEmpty()) {
      check.problems.add(repository + " holds no directory of a model");
    }
    for (Path model : models) {
      check.model(model);
    }
    return ImmutableList.copyOf(check.problems);
  }

  private void model(Path directory) throws IOException {
    String name = directory.getFileName().toString();
    Optional<ModelConfig> read = config(directory, name);
    if (read.isEmpty()) {
      return;
    }
    ModelConfig config = read.get();
    require(
        name, config.getName().equals(name), "config.pbtxt calls it '" + config.getName() + "'");
    require(
        name,
        config.getBackend().equals("onnxruntime") || config.getBackend().equals("tensorrt"),
        "its backend is '" + config.getBackend() + "'");
    List<Path> versions;
    try (Stream<Path> entries = Files.list(directory)) {
      versions =
          entries
              .filter(entry -> VERSION.matcher(entry.getFileName().toString()).matches())
              .toList();
    }
    require(
        name, !versions.isEmpty(), "it has no version: a directory named by a number from 1 on");
    for (Path version : versions) {
      if (config.getBackend().equals("onnxruntime")) {
        onnx(name, version, config);
      } else {
        // What a plan takes only TensorRT knows.
        require(
            name,
            Files.isRegularFile(version.resolve("model.plan")),
            "it has no " + version + "/model.plan");
        config.getSequenceBatching().getStateList().forEach(state -> state(name, state));
      }
    }
  }

  private Optional<ModelConfig> config(Path directory, String name) throws IOException {
    Path file = directory.resolve("config.pbtxt");
    if (!Files.isRegularFile(file) || Files.size(file) > LARGEST_CONFIG) {
      problems.add(name + ": it has no config.pbtxt");
      return Optional.empty();
    }
    ModelConfig.Builder config = ModelConfig.newBuilder();
    try {
      TextFormat.getParser().merge(Files.readString(file), config);
    } catch (TextFormat.ParseException e) {
      problems.add(name + ": config.pbtxt is not a model configuration: " + e.getMessage());
      return Optional.empty();
    }
    return Optional.of(config.build());
  }

  private void require(String model, boolean holds, String otherwise) {
    if (!holds) {
      problems.add(model + ": " + otherwise);
    }
  }

  private void onnx(String name, Path version, ModelConfig config) {
    Path file = version.resolve("model.onnx");
    if (Files.isDirectory(file)) {
      file = file.resolve("model.onnx");
    }
    if (!Files.isRegularFile(file)) {
      problems.add(name + ": version " + version.getFileName() + " has no model.onnx");
      return;
    }
    Graph graph = OnnxImporter.read(file);
    Set<String> inputs = new HashSet<>();
    Set<String> outputs = new HashSet<>();
    for (ModelInput input : config.getInputList()) {
      inputs.add(input.getName());
      tensor(name, graph.inputs(), input.getName(), input.getDataType(), input.getDimsList());
    }
    for (ModelOutput output : config.getOutputList()) {
      outputs.add(output.getName());
      tensor(name, graph.outputs(), output.getName(), output.getDataType(), output.getDimsList());
    }
    for (ModelSequenceBatching.State state : config.getSequenceBatching().getStateList()) {
      inputs.add(state.getInputName());
      outputs.add(state.getOutputName());
      List<Long> dims = state.getDimsList();
      tensor(name, graph.inputs(), state.getInputName(), state.getDataType(), dims);
      tensor(name, graph.outputs(), state.getOutputName(), state.getDataType(), dims);
      state(name, state);
    }
    for (Value input : graph.inputs()) {
      require(name, inputs.contains(input.name()), "nothing is given to its input " + input.name());
    }
    for (Value output : graph.outputs()) {
      require(
          name, outputs.contains(output.name()), "its output " + output.name() + " is not taken");
    }
    for (ModelWarmup warmUp : config.getModelWarmupList()) {
      require(
          name,
          warmUp.getInputsMap().keySet().equals(inputs),
          "warm-up '" + warmUp.getName() + "' does not give all inputs");
      require(
          name,
          warmUp.getBatchSize() >= 1 && warmUp.getBatchSize() <= config.getMaxBatchSize(),
          "warm-up '" + warmUp.getName() + "' is of a batch that is not allowed");
    }
  }

  private void state(String model, ModelSequenceBatching.State state) {
    List<Long> dims = state.getDimsList();
    require(
        model,
        dims.stream().allMatch(dim -> dim > 0),
        "state " + state.getInputName() + " has no fixed size: " + dims);
    require(
        model,
        state.getInitialStateCount() == 1
            && state.getInitialState(0).getDimsList().equals(dims)
            && state.getInitialState(0).getDataType() == state.getDataType(),
        "state " + state.getInputName() + " does not begin as it goes on");
  }

  private void tensor(
      String model, List<Value> values, String name, DataType type, List<Long> dims) {
    Optional<Value> found = values.stream().filter(value -> value.name().equals(name)).findFirst();
    if (found.isEmpty()) {
      problems.add(model + ": the model has no '" + name + "'");
      return;
    }
    Value value = found.get();
    require(
        model,
        TritonRepository.dataType(value.elementType()) == type,
        name + " is " + value.type() + ", not " + type);
    List<Long> own = TritonRepository.dims(value.type());
    boolean fits = own.size() == dims.size();
    for (int axis = 0; fits && axis < dims.size(); axis++) {
      // An open dimension of the model may be fixed by the configuration, not the other way.
      fits = own.get(axis) == -1 || own.get(axis).equals(dims.get(axis));
    }
    require(
        model, fits, name + " is " + value.type() + ", which [batch] and " + dims + " do not fit");
  }
}
