package dev.manticore.onnx.huggingface;

import static dev.manticore.ir.ElementType.FLOAT32;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorContents;
import dev.manticore.ir.random.Draws;
import dev.manticore.onnx.ConvertedData;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Language models of the families that can be built: GPT-2, GPT-Neo, GPT-NeoX (Pythia), and Mamba-1
 * and Mamba-2 in Hugging Face's and in the state-spaces layout.
 *
 * <p>Graphs read {@code input_ids} i64[batch,length] and give {@code logits} f32[batch,length,V].
 * Their parameters have the names and the layout of the checkpoint, and are float32. A head tied to
 * the table is no parameter of its own.
 */
public final class Models {

  private static final ImmutableList<Family> FAMILIES =
      ImmutableList.of(new Gpt2(), new GptNeo(), new GptNeoX(), new Mamba(), new Mamba2());
  private static final int REPORTED = 5;

  /** Keys about training, generation, tasks and the library that wrote them. */
  private static final Pattern WITHOUT_INFLUENCE =
      Pattern.compile(
          "_.*|architectures|auto_map|(torch_)?dtype|transformers_version|.*_token_ids?|use_cache"
              + "|.*(dropout|pdrop).*|initializer_.*|init_.*|rescale_.*|gradient_checkpointing"
              + "|task_specific_params|summary_.*|return_dict|output_.*|id2label|label2id"
              + "|problem_type|finetuning_task|model_type|time_step_(rank|init_scheme|scale|min|max|floor)"
              // What every configuration of the library once had for generation, and more.
              + "|bad_words_ids|chunk_size_feed_forward|cross_attention_hidden_size"
              + "|decoder_start_token_id|diversity_penalty|do_sample|early_stopping"
              + "|(encoder_)?no_repeat_ngram_size|exponential_decay_length_penalty|forced_.*"
              + "|is_decoder|is_encoder_decoder|(min_|max_)?length(_penalty)?|num_beam_groups|num_beams"
              + "|num_return_sequences|prefix|remove_invalid_values|repetition_penalty"
              + "|(begin_)?suppress_tokens|temperature|tf_legacy_loss|tie_encoder_decoder"
              + "|tokenizer_class|top_[kp]|torchscript|typical_p|use_bfloat16|return_dict_in_generate"
              // No difference in float32, another spelling of a key that is read, and what shows in
              // the tensors anyway.
              + "|residual_in_fp32|fused_add_norm|use_mambapy|attention_types|add_cross_attention");

  private Models() {}

  /**
   * The graph of a model directory, called after it. Parameters in half precision are widened as
   * they are read.
   *
   * @throws ManticoreException {@code MNT-CONFIG}, {@code MNT-CHECKPOINT} or {@code
   *     MNT-SAFETENSORS}: a file is missing or wrong, a configuration is not supported, or the
   *     tensors do not fit it
   */
  public static Graph load(Path directory) {
    Path name = directory.toAbsolutePath().normalize().getFileName();
    return build(name == null ? "model" : name.toString(), Checkpoint.read(directory));
  }

  /**
   * The graph of a checkpoint.
   *
   * @throws ManticoreException as {@link #load} does
   */
  public static Graph build(String name, Checkpoint checkpoint) {
    Family.Architecture architecture = architecture(checkpoint.config());
    return architecture.build(name, fitting(checkpoint, architecture));
  }

  /**
   * A graph with initial parameters, drawn as the family's authors do ({@code paper.md} §3.1, §3.4
   * and §3.5); the same seed gives the same parameters on every machine.
   *
   * @throws ManticoreException {@code MNT-CONFIG} if the configuration is not supported
   */
  public static Graph fresh(String name, ModelConfig config, long seed) {
    Family.Architecture architecture = architecture(config);
    Draws draws = new Draws(seed);
    ImmutableMap.Builder<String, Tensor> values = ImmutableMap.builder();
    for (Parameter parameter : architecture.parameters()) {
      if (parameter.shape().elementCount() > Integer.MAX_VALUE / 4) {
        throw new ManticoreException(
            "MNT-CONFIG",
            config.source()
                + " asks for a parameter '"
                + parameter.name()
                + "' of "
                + parameter.shape()
                + ", too large to be drawn; choose a smaller model");
      }
      values.put(parameter.name(), parameter.draw(draws.split()));
    }
    return architecture.build(name, values.buildOrThrow());
  }

  /** The parameters of a graph by name, in its order. */
  public static ImmutableMap<String, Tensor> parameters(Graph graph) {
    ImmutableMap.Builder<String, Tensor> parameters = ImmutableMap.builder();
    graph.parameters().forEach((value, tensor) -> parameters.put(value.name(), tensor));
    return parameters.buildOrThrow();
  }

  /**
   * Writes parameters as a model directory of the configuration's layout, which the Hugging Face
   * libraries and {@link #load} read, in float32. The configuration is completed with the defaults
   * that it left out.
   *
   * @param parameters exactly those of the model's graph
   * @throws ManticoreException as the other forms do
   */
  public static void write(Path directory, ModelConfig config, Map<String, Tensor> parameters) {
    write(directory, config, parameters, WriteOptions.DEFAULT);
  }

  /**
   * The same with options.
   *
   * @throws ManticoreException {@code MNT-CHECKPOINT} if the parameters do not fit the
   *     configuration, or one is too large a number for float16; {@code MNT-WRITE} if the files
   *     cannot be written, or the directory holds a checkpoint of another layout
   */
  public static void write(
      Path directory, ModelConfig config, Map<String, Tensor> parameters, WriteOptions options) {
    Family.Architecture architecture = architecture(config);
    Map<String, Tensor> written = new LinkedHashMap<>();
    fitting(directory, architecture, config, parameters)
        .forEach(
            (name, tensor) ->
                written.put(
                    name, ConvertedData.convert(name, tensor, options.dtype().type(FLOAT32))));
    Dtype dtype = options.dtype() == Dtype.AS_STORED ? Dtype.FLOAT32 : options.dtype();
    Checkpoint.write(
        directory, architecture.completed().withDtype(dtype), written, options.shardBytes());
  }

  /**
   * Writes parameters as the checkpoint that they came from is written: its configuration, its
   * tensors under their names and, where the options do not say otherwise, of their element types;
   * buffers, and copies of tied tensors where it has them. Parameters that did not change come out
   * bit for bit as they were.
   *
   * @param like the checkpoint that they came from, which stays as it is
   * @param parameters exactly those of the model's graph
   * @throws ManticoreException as the other forms do, and if {@code like} is not well formed
   */
  public static void write(
      Path directory, Checkpoint like, Map<String, Tensor> parameters, WriteOptions options) {
    Family.Architecture architecture = architecture(like.config());
    fitting(like, architecture);
    ImmutableMap<String, Tensor> values =
        fitting(directory, architecture, like.config(), parameters);
    Map<String, Tensor> written = new LinkedHashMap<>();
    like.tensors()
        .forEach(
            (name, stored) -> {
              String full = fullName(architecture, values.keySet(), name);
              Tensor value = values.get(architecture.tiedTo(full).orElse(full));
              written.put(
                  name,
                  value == null
                      ? stored
                      : ConvertedData.convert(
                          name, value, options.dtype().type(stored.elementType())));
            });
    Checkpoint.write(
        directory, like.config().withDtype(options.dtype()), written, options.shardBytes());
  }

  private static ImmutableMap<String, Tensor> fitting(
      Checkpoint checkpoint, Family.Architecture architecture) {
    return fit(
        architecture,
        checkpoint.tensors(),
        checkpoint.weights() + " does not fit " + checkpoint.config().source());
  }

  private static ImmutableMap<String, Tensor> fitting(
      Path directory,
      Family.Architecture architecture,
      ModelConfig config,
      Map<String, Tensor> parameters) {
    return fit(
        architecture,
        parameters,
        "cannot write " + directory + ": the parameters do not fit " + config.source());
  }

  /**
   * The keys of a configuration that its family does not read, and that are not known to have no
   * influence on what a model computes.
   *
   * @throws ManticoreException {@code MNT-CONFIG} if the configuration is not supported
   */
  public static ImmutableList<String> ignoredKeys(ModelConfig config) {
    ModelConfig copy = ModelConfig.parse(config.source(), config.toText());
    architecture(copy);
    return copy.notAskedFor().stream()
        .filter(key -> !WITHOUT_INFLUENCE.matcher(key).matches())
        .collect(ImmutableList.toImmutableList());
  }

  private static Family.Architecture architecture(ModelConfig config) {
    // What changes the tensors of any family.
    for (String key : List.of("quantization_config", "pruned_heads")) {
      boolean none =
          !config.has(key) || config.value(key).isObject() && config.value(key).isEmpty();
      if (!none) {
        throw config.refuse(key, "left out: only whole models of unquantised weights are read");
      }
    }
    return FAMILIES.stream()
        .filter(family -> family.recognises(config))
        .findFirst()
        .orElseThrow(
            () ->
                config.refuse(
                    "model_type",
                    "one of "
                        + FAMILIES.stream().map(Family::name).toList()
                        + ", or absent with d_model and n_layer of the state-spaces layout"))
        .architecture(config);
  }

  /** The values of all parameters, after a check that there are these and nothing unknown. */
  private static ImmutableMap<String, Tensor> fit(
      Family.Architecture architecture, Map<String, Tensor> tensors, String where) {
    List<String> problems = new ArrayList<>();
    Map<String, Tensor> named = named(architecture, tensors);
    Map<String, Tensor> unused = new LinkedHashMap<>(named);
    ImmutableMap.Builder<String, Tensor> fitting = ImmutableMap.builder();
    for (Parameter parameter : architecture.parameters()) {
      Optional<Tensor> tensor = Optional.ofNullable(unused.remove(parameter.name()));
      Optional<String> problem = problem(parameter, tensor);
      problem.ifPresent(problems::add);
      if (problem.isEmpty()) {
        fitting.put(
            parameter.name(),
            ConvertedData.convert(parameter.name(), tensor.orElseThrow(), FLOAT32));
      }
    }
    unused.forEach(
        (name, tensor) -> {
          Optional<Tensor> tied = architecture.tiedTo(name).map(named::get);
          if (tied.isPresent() && !TensorContents.equal(tensor, tied.get())) {
            problems.add(
                "tensor '"
                    + name
                    + "' differs from '"
                    + architecture.tiedTo(name).orElseThrow()
                    + "', but the configuration ties them");
          } else if (architecture.tiedTo(name).isEmpty() && !isBuffer(architecture, name)) {
            problems.add("tensor '" + name + "', " + tensor.type() + ", has no place in the model");
          }
        });
    if (!problems.isEmpty()) {
      int more = problems.size() - REPORTED;
      throw Checkpoint.failure(
          where
              + ": "
              + String.join("; ", problems.subList(0, Math.min(REPORTED, problems.size())))
              + (more > 0 ? "; and " + more + " more" : ""));
    }
    return fitting.buildOrThrow();
  }

  /** Tensors under the names that the model with its head gives them. */
  private static Map<String, Tensor> named(
      Family.Architecture architecture, Map<String, Tensor> tensors) {
    Set<String> parameters =
        architecture.parameters().stream().map(Parameter::name).collect(Collectors.toSet());
    Map<String, Tensor> named = new LinkedHashMap<>(tensors);
    tensors.forEach(
        (name, tensor) -> {
          String full = fullName(architecture, parameters, name);
          if (!full.equals(name) && named.putIfAbsent(full, tensor) == null) {
            named.remove(name);
          }
        });
    return named;
  }

  /** What the model with its head calls a tensor that a checkpoint without it may hold. */
  private static String fullName(
      Family.Architecture architecture, Set<String> parameters, String name) {
    String full = architecture.base() + name;
    return parameters.contains(full) ? full : name;
  }

  private static boolean isBuffer(Family.Architecture architecture, String name) {
    return architecture.isBuffer(name) || architecture.isBuffer(architecture.base() + name);
  }

  private static Optional<String> problem(Parameter parameter, Optional<Tensor> tensor) {
    String name = "tensor '" + parameter.name() + "'";
    if (tensor.isEmpty()) {
      return Optional.of(name + ", " + parameter.type() + ", is missing");
    }
    if (!Dtype.isParameter(tensor.get().elementType())
        || !tensor.get().shape().equals(parameter.shape())) {
      return Optional.of(
          name
              + " is "
              + tensor.get().type()
              + ", but should be "
              + parameter.type()
              + " (or f16, bf16)");
    }
    return Optional.empty();
  }
}
