package dev.manticore.compiler.triton;

import com.google.protobuf.TextFormat;
import dev.manticore.compiler.artifact.Artifact;
import dev.manticore.compiler.decode.Decoder;
import dev.manticore.compiler.decode.DecoderBuilder;
import dev.manticore.compiler.decode.DecoderState;
import dev.manticore.compiler.engine.EngineBuilder;
import dev.manticore.compiler.engine.EngineManifest;
import dev.manticore.compiler.lower.Deployment;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.compiler.lower.Target;
import dev.manticore.compiler.pipeline.OutputDirectory;
import dev.manticore.compiler.triton.proto.DataType;
import dev.manticore.compiler.triton.proto.ModelConfig;
import dev.manticore.compiler.triton.proto.ModelDynamicBatching;
import dev.manticore.compiler.triton.proto.ModelInput;
import dev.manticore.compiler.triton.proto.ModelInstanceGroup;
import dev.manticore.compiler.triton.proto.ModelOutput;
import dev.manticore.compiler.triton.proto.ModelSequenceBatching;
import dev.manticore.compiler.triton.proto.ModelWarmup;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.io.AtomicFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Writes a model repository for Triton Inference Server, run by its ONNX Runtime backend:
 *
 * <ul>
 *   <li>{@code <name>/}: the model over whole sequences; requests of one length are batched;
 *   <li>{@code <name>-decoder/}: the decoder. A client sends the tokens of a sequence piece by
 *       piece, with one correlation id, and gets the logits after each; the server keeps the
 *       states, each of a fixed size, and batches steps of different sequences, whatever their
 *       positions.
 * </ul>
 *
 * <p>Weights of more than 64 MiB lie beside a model in a directory {@code 1/model.onnx/}, where the
 * backend looks for them.
 */
public final class TritonRepository {

  /** A file that tells a repository of ours from other directories. */
  public static final String MARKER = "README.txt";

  private static final String CONFIG = "config.pbtxt";
  private static final String MODEL = "model.onnx";
  private static final String VERSION = "1";
  private static final String BACKEND = "onnxruntime";

  /** A sequence that nothing comes for is forgotten after a minute. */
  private static final long IDLE_MICROSECONDS = 60_000_000;

  private static final int WARM_UP_TOKENS = 8;

  private TritonRepository() {}

  /**
   * Writes a repository, in the place of one that is there, and checks it.
   *
   * @param model reads token ids [batch,length] of any batch and length
   * @throws ManticoreException {@code MNT-OUTPUT} if it cannot be written; {@code MNT-DECODE} if no
   *     decoder can be made of the model
   */
  public static void write(Graph model, Path place, TritonRequest request) {
    Deployment deployment = request.deployment();
    if (deployment.target().isTensorRt()) {
      throw new ManticoreException(
          "MNT-TRITON",
          "ONNX Runtime runs this repository, not " + deployment.target() + ": engines go first");
    }
    Graph whole = Lowering.forTarget(model, deployment.target(), deployment.precision());
    Decoder decoder = DecoderBuilder.withCapacity(model, request.capacity());
    Graph stepwise =
        Lowering.forTarget(decoder.graph(), deployment.target(), deployment.precision());
    try (OutputDirectory output = OutputDirectory.open(place, MARKER)) {
      try {
        Path repository = output.staging();
        writeModel(repository, request.name(), whole, wholeConfig(whole, request));
        writeModel(repository, request.decoder(), stepwise, decoderConfig(stepwise, request));
        AtomicFiles.writeString(
            repository.resolve(MARKER),
            readme(
                request,
                request.name()
                    + " reads whole sequences: input_ids to logits.\n"
                    + request.decoder()
                    + " reads sequences piece by piece"));
        RepositoryCheck.check(repository);
      } catch (IOException e) {
        throw output.failure(e);
      }
      output.commit();
    }
  }

  /**
   * Writes a repository that is run by Triton's TensorRT backend, of the engine for prompts, which
   * reads single tokens too, in the place of one that is there; and checks it. It holds the decoder
   * only.
   *
   * @param artifact with engines
   * @param target what they were built for
   * @param name of the model; the decoder is called {@code <name>-decoder}
   * @throws ManticoreException {@code MNT-ENGINE} if there are no engines, or they have changed or
   *     are of another result; {@code MNT-TRITON} if they are for another target; {@code
   *     MNT-OUTPUT} if it cannot be written
   */
  public static void writeEngine(Artifact artifact, Target target, Path place, String name) {
    Path engines = artifact.directory().resolve(EngineBuilder.DIRECTORY);
    EngineManifest manifest = EngineManifest.of(artifact);
    if (!manifest.target().equals(target.toString())) {
      throw new ManticoreException(
          "MNT-TRITON",
          "the engines in " + engines + " are for " + manifest.target() + ", not for " + target);
    }
    Graph decoder = EngineBuilder.decoder(artifact.hybrid().graph(), manifest.options());
    TritonRequest request =
        new TritonRequest(
            name, manifest.batch(), manifest.capacity(), artifact.manifest().deployment());
    ModelConfig config =
        decoderConfig(decoder, request).toBuilder()
            .setBackend("tensorrt")
            .setInstanceGroup(
                0,
                ModelInstanceGroup.newBuilder()
                    .setCount(1)
                    .setKind(ModelInstanceGroup.Kind.KIND_GPU))
            .build();
    try (OutputDirectory output = OutputDirectory.open(place, MARKER)) {
      try {
        Path model = output.staging().resolve(request.decoder());
        Path version = Files.createDirectories(model.resolve(VERSION));
        Files.copy(engines.resolve(EngineBuilder.PREFILL), version.resolve("model.plan"));
        AtomicFiles.writeString(model.resolve(CONFIG), TextFormat.printer().printToString(config));
        AtomicFiles.writeString(
            output.staging().resolve(MARKER),
            readme(request, request.decoder() + " reads sequences piece by piece")
                + "It runs with TensorRT "
                + manifest.platform().tensorrt()
                + " on GPUs of compute capability "
                + manifest.platform().computeCapability()
                + ", and reads up to "
                + manifest.prompt()
                + " tokens at once.\n");
        RepositoryCheck.check(output.staging());
      } catch (IOException e) {
        throw output.failure(e);
      }
      output.commit();
    }
  }

  private static void writeModel(Path repository, String name, Graph graph, ModelConfig config)
      throws IOException {
    Path version = Files.createDirectories(repository.resolve(name).resolve(VERSION));
    Path exported = Files.createDirectory(version.resolve("exported"));
    OnnxExporter.write(graph, exported.resolve(MODEL), OnnxExporter.Options.DEFAULT);
    if (Files.exists(exported.resolve(MODEL + ".data"))) {
      Files.move(exported, version.resolve(MODEL));
    } else {
      Files.move(exported.resolve(MODEL), version.resolve(MODEL));
      Files.delete(exported);
    }
    AtomicFiles.writeString(
        repository.resolve(name).resolve(CONFIG), TextFormat.printer().printToString(config));
  }

  private static ModelConfig wholeConfig(Graph graph, TritonRequest request) {
    ModelConfig.Builder config = config(request.name(), request);
    graph.inputs().forEach(input -> config.addInput(input(input)));
    graph.outputs().forEach(output -> config.addOutput(output(output)));
    config.setDynamicBatching(ModelDynamicBatching.getDefaultInstance());
    ModelWarmup.Builder warmUp = ModelWarmup.newBuilder().setName("first").setBatchSize(1);
    for (Value input : graph.inputs()) {
      warmUp.putInputs(
          input.name(),
          ModelWarmup.Input.newBuilder()
              .setDataType(dataType(input.elementType()))
              .addDims(WARM_UP_TOKENS)
              .setZeroData(true)
              .build());
    }
    return config.addModelWarmup(warmUp).build();
  }

  private static ModelConfig decoderConfig(Graph decoder, TritonRequest request) {
    ModelConfig.Builder config = config(request.decoder(), request);
    config.addInput(input(decoder.input(Decoder.INPUT_IDS)));
    config.addOutput(output(decoder.output(Decoder.LOGITS)));
    ModelSequenceBatching.Builder sequences =
        ModelSequenceBatching.newBuilder()
            .setMaxSequenceIdleMicroseconds(IDLE_MICROSECONDS)
            .setOldest(
                ModelSequenceBatching.StrategyOldest.newBuilder()
                    .setMaxCandidateSequences(4 * request.batch()));
    for (DecoderState state : DecoderState.of(decoder)) {
      List<Long> dims = dims(state.type());
      DataType type = dataType(state.type().elementType());
      sequences.addState(
          ModelSequenceBatching.State.newBuilder()
              .setInputName(state.past())
              .setOutputName(state.present())
              .setDataType(type)
              .addAllDims(dims)
              .addInitialState(
                  ModelSequenceBatching.InitialState.newBuilder()
                      .setName("no tokens")
                      .setDataType(type)
                      .addAllDims(dims)
                      .setZeroData(true)));
    }
    return config.setSequenceBatching(sequences).build();
  }

  private static ModelConfig.Builder config(String name, TritonRequest request) {
    ModelInstanceGroup.Builder instances = ModelInstanceGroup.newBuilder().setCount(1);
    if (request.deployment().target() == Target.ONNXRUNTIME_CUDA) {
      instances.setKind(ModelInstanceGroup.Kind.KIND_GPU);
    }
    return ModelConfig.newBuilder()
        .setName(name)
        .setBackend(BACKEND)
        .setMaxBatchSize(request.batch())
        .addInstanceGroup(instances);
  }

  private static ModelInput input(Value input) {
    return ModelInput.newBuilder()
        .setName(input.name())
        .setDataType(dataType(input.elementType()))
        .addAllDims(dims(input.type()))
        .build();
  }

  private static ModelOutput output(Value output) {
    return ModelOutput.newBuilder()
        .setName(output.name())
        .setDataType(dataType(output.elementType()))
        .addAllDims(dims(output.type()))
        .build();
  }

  /** The dimensions after that of the batch; -1 for any extent. */
  static List<Long> dims(TensorType type) {
    Shape shape = type.shape();
    if (!shape.isRanked() || shape.rank() < 2 || shape.dim(0).isKnown()) {
      throw new ManticoreException(
          "MNT-TRITON",
          "a value of type " + type + " cannot be batched: its first dimension should be open");
    }
    List<Long> dims = new ArrayList<>();
    for (Dim dim : shape.dims().subList(1, shape.rank())) {
      dims.add(dim.isKnown() ? dim.extent() : -1);
    }
    return dims;
  }

  static DataType dataType(ElementType type) {
    return switch (type) {
      case BOOL -> DataType.TYPE_BOOL;
      case UINT8 -> DataType.TYPE_UINT8;
      case UINT16 -> DataType.TYPE_UINT16;
      case UINT32 -> DataType.TYPE_UINT32;
      case UINT64 -> DataType.TYPE_UINT64;
      case INT8 -> DataType.TYPE_INT8;
      case INT16 -> DataType.TYPE_INT16;
      case INT32 -> DataType.TYPE_INT32;
      case INT64 -> DataType.TYPE_INT64;
      case FLOAT16 -> DataType.TYPE_FP16;
      case FLOAT32 -> DataType.TYPE_FP32;
      case FLOAT64 -> DataType.TYPE_FP64;
      case BFLOAT16 -> DataType.TYPE_BF16;
      case STRING -> DataType.TYPE_STRING;
      default ->
          throw new ManticoreException("MNT-TRITON", "Triton has no tensors of type " + type);
    };
  }

  private static String readme(TritonRequest request, String what) {
    return String.join(
        "\n",
        "A model repository for Triton Inference Server, written by Manticore. Start it with",
        "",
        "  tritonserver --model-repository=<this directory>",
        "",
        what + ": give each a correlation id, mark its first",
        "request as the start and its last as the end of the sequence. It holds "
            + request.capacity()
            + " tokens of a",
        "sequence; end sequences before they are longer.",
        "");
  }
}
