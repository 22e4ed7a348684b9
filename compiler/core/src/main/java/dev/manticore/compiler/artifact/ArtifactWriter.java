package dev.manticore.compiler.artifact;

import com.google.common.collect.ImmutableMap;
import com.google.common.io.MoreFiles;
import com.google.common.io.RecursiveDeleteOption;
import dev.manticore.compiler.decode.Decoder;
import dev.manticore.compiler.decode.DecoderBuilder;
import dev.manticore.compiler.decode.GenAiConfig;
import dev.manticore.compiler.hybrid.Hybrid;
import dev.manticore.compiler.hybrid.HybridFiles;
import dev.manticore.compiler.hybrid.SpliceOptions;
import dev.manticore.compiler.lower.Deployment;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.lower.Target;
import dev.manticore.compiler.pipeline.ToolVersion;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.OnnxFunctions;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.tokenizer.Tokenizer;
import dev.manticore.runtime.Device;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Stream;

/**
 * Writes artifacts. Everything is written into a directory beside the target, which takes its name
 * when it is complete; the manifest is the last file. The same request gives the same bytes.
 */
public final class ArtifactWriter {

  private static final int OPSET = 23;

  private final Device device;

  /**
   * @param device what the models are compared on
   */
  public ArtifactWriter(Device device) {
    this.device = device;
  }

  /**
   * Writes an artifact, in the place of one that is there.
   *
   * @param target what must not be there yet, or be empty, or an artifact
   * @throws ManticoreException {@code MNT-DISCREPANCY} if an exported model is further from the
   *     hybrid than the tolerance; {@code MNT-VOCABULARY} if the tokenizer is not the hybrid's;
   *     {@code MNT-WRITE} or {@code MNT-ONNX-WRITE} if it cannot be written, and what reading the
   *     checkpoints throws. The target is then as it was.
   */
  public Artifact write(Path target, ArtifactRequest request) {
    Path place = target.toAbsolutePath().normalize();
    Path partial = place.resolveSibling("." + place.getFileName() + ".partial");
    try {
      if (!replaceable(place)) {
        throw new ManticoreException(
            "MNT-WRITE",
            "cannot write the artifact "
                + target
                + ": something else is there; remove it, or choose another place");
      }
      delete(partial);
      Files.createDirectories(partial);
      try {
        fill(partial, request);
        replace(place, partial);
      } finally {
        delete(partial);
      }
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-WRITE",
          "cannot write the artifact "
              + target
              + ": "
              + (e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage())
              + "; free space there, or choose another place",
          e);
    }
    return Artifact.open(target);
  }

  private void fill(Path directory, ArtifactRequest request) throws IOException {
    try (Tokenizer tokenizer = Tokenizer.load(request.tokenizer())) {
      fill(directory, request, tokenizer);
    }
  }

  private void fill(Path directory, ArtifactRequest request, Tokenizer tokenizer)
      throws IOException {
    Hybrid hybrid = request.hybrid();
    requireVocabulary(tokenizer, request);
    OnnxExporter.Options options =
        new OnnxExporter.Options(request.options().placement(), 10, ToolVersion.current());
    Path model = directory.resolve(Artifact.MODEL);
    Path deployed = directory.resolve(Artifact.DEPLOYED);
    OnnxExporter.write(OnnxFunctions.define(hybrid.graph()), model, options);
    Files.createDirectories(deployed.getParent());
    Deployment deployment = request.options().deployment();
    Graph plain = Lowering.forTarget(hybrid.graph(), deployment.target(), deployment.precision());
    OnnxExporter.write(plain, deployed, options);
    AtomicFiles.writeBytes(directory.resolve(Artifact.TOKENIZER), tokenizer.json());
    String genAi = writeDecoder(directory, request, tokenizer, options);
    HybridFiles.write(directory, hybrid, request.checkpoints());
    for (int k = 0; k < hybrid.names().size(); k++) {
      Path component = directory.resolve(HybridFiles.COMPONENTS).resolve(hybrid.names().get(k));
      Provenance.carryLicence(request.checkpoints().get(k), component);
    }
    AtomicFiles.writeString(
        directory.resolve(Artifact.DISCREPANCY), Artifact.toText(check(directory, request)));
    AtomicFiles.writeString(
        directory.resolve(Manifest.FILE), Artifact.toText(manifest(directory, request, genAi)));
  }

  /**
   * Writes the decoder.
   *
   * @return {@code supported}, or why GenAI cannot run it
   */
  private static String writeDecoder(
      Path directory, ArtifactRequest request, Tokenizer tokenizer, OnnxExporter.Options options)
      throws IOException {
    Hybrid hybrid = request.hybrid();
    Decoder decoder = DecoderBuilder.build(hybrid.graph());
    Deployment deployment = request.options().deployment();
    GraphEditor told =
        Lowering.forTarget(decoder.graph(), deployment.decoderTarget(), deployment.precision())
            .edit();
    if (hybrid.maxLength() > 0) {
      told.metadata(Decoder.MAX_LENGTH, Long.toString(hybrid.maxLength()));
    }
    Graph plain = told.freeze();
    Path file = directory.resolve(Artifact.DECODER);
    Files.createDirectories(file.getParent());
    OnnxExporter.write(plain, file, options);
    Optional<String> obstacle = GenAiConfig.obstacle(decoder.states());
    if (obstacle.isPresent()) {
      return obstacle.get();
    }
    int length =
        hybrid.maxLength() == 0
            ? GenAiConfig.ANY_LENGTH
            : (int) Math.min(hybrid.maxLength(), GenAiConfig.ANY_LENGTH);
    GenAiConfig config =
        new GenAiConfig(
            file.getFileName().toString(),
            hybrid.options().vocabulary(),
            hybrid.width(),
            length,
            tokenizer.endOfText(),
            deployment.decoderTarget() == Target.ONNXRUNTIME_CUDA);
    AtomicFiles.writeString(
        file.resolveSibling(GenAiConfig.FILE), Artifact.toText(config.json(decoder.states())));
    AtomicFiles.writeBytes(file.resolveSibling(Artifact.TOKENIZER), tokenizer.json());
    AtomicFiles.writeString(
        file.resolveSibling("tokenizer_config.json"),
        Artifact.toText(tokenizerConfig(tokenizer, length)));
    return "supported";
  }

  /** Byte-level BPE is what GenAI calls by the name of GPT-2's. */
  private static SortedMap<String, Object> tokenizerConfig(Tokenizer tokenizer, int length) {
    SortedMap<String, Object> config = new TreeMap<>();
    config.put("tokenizer_class", "GPT2Tokenizer");
    config.put("model_max_length", length);
    if (tokenizer.endOfText().isPresent()) {
      for (String key : List.of("bos_token", "eos_token", "unk_token")) {
        config.put(key, Tokenizer.END_OF_TEXT);
      }
    }
    return config;
  }

  private static void requireVocabulary(Tokenizer tokenizer, ArtifactRequest request) {
    int vocabulary = request.hybrid().options().vocabulary();
    if (tokenizer.vocabularySize() > vocabulary) {
      throw new ManticoreException(
          "MNT-VOCABULARY",
          "the tokenizer "
              + request.tokenizer()
              + " has "
              + tokenizer.vocabularySize()
              + " ids, but the vocabulary of hybrid '"
              + request.name()
              + "' is "
              + vocabulary
              + ": use the tokenizer that it was trained with");
    }
  }

  private ExportDiscrepancy check(Path directory, ArtifactRequest request) throws IOException {
    if (request.heldOut().isEmpty()) {
      throw Artifact.failure("there are no held-out inputs to compare the exported models on");
    }
    Path scratch = Files.createDirectory(directory.resolve(".check"));
    ImmutableMap.Builder<String, ExportCheck.Exported> files = ImmutableMap.builder();
    for (String file : List.of(Artifact.MODEL, Artifact.DEPLOYED, Artifact.DECODER)) {
      files.put(
          file,
          new ExportCheck.Exported(
              directory.resolve(file),
              file.equals(Artifact.MODEL)
                  ? Precision.FLOAT32
                  : request.options().deployment().precision()));
    }
    ExportDiscrepancy discrepancy =
        new ExportCheck(device)
            .run(
                request.hybrid().graph(),
                files.buildOrThrow(),
                request.heldOut(),
                request.options().tolerance(),
                scratch);
    delete(scratch);
    for (ExportDiscrepancy.Model model : discrepancy.models()) {
      if (!model.passed()) {
        throw new ManticoreException(
            "MNT-DISCREPANCY",
            String.format(
                Locale.ROOT,
                "%s is not the hybrid '%s': over %d held-out tokens a logit differs by %.3e, where"
                    + " at most %.1e may be; nothing was written. Logits go up to %.1f: where that"
                    + " is the reason, allow a larger difference.",
                model.file(),
                request.name(),
                discrepancy.tokens(),
                model.logitsMaxAbs(),
                model.limit(),
                discrepancy.largestLogit()));
      }
    }
    return discrepancy;
  }

  private static Manifest manifest(Path directory, ArtifactRequest request, String genAi)
      throws IOException {
    Hybrid hybrid = request.hybrid();
    SpliceOptions options = hybrid.options();
    List<Manifest.Component> components = new ArrayList<>();
    for (int k = 0; k < hybrid.names().size(); k++) {
      String name = hybrid.names().get(k);
      components.add(
          new Manifest.Component(name, HybridFiles.COMPONENTS + "/" + name, hybrid.parameters(k)));
    }
    List<List<List<Integer>>> partition =
        options.partition().stream()
            .map(ranges -> ranges.stream().map(range -> List.of(range.from(), range.to())).toList())
            .toList();
    List<List<Float>> weights = new ArrayList<>();
    for (int i = 0; i < hybrid.blocks(); i++) {
      weights.add(hybrid.weights(i));
    }
    return new Manifest(
        Manifest.FORMAT,
        request.name(),
        ToolVersion.current(),
        components,
        hybrid.blocks(),
        hybrid.width(),
        options.vocabulary(),
        hybrid.maxLength(),
        options.gates().name().toLowerCase(Locale.ROOT),
        options.embeddings().name().toLowerCase(Locale.ROOT),
        partition,
        weights,
        request.options().deployment().target().toString(),
        request.options().deployment().precision().toString(),
        request.options().limits(),
        OPSET,
        request.seeds(),
        request.options().threads(),
        genAi,
        files(directory));
  }

  private static SortedMap<String, Manifest.FileEntry> files(Path directory) throws IOException {
    SortedMap<String, Manifest.FileEntry> files = new TreeMap<>();
    List<Path> paths;
    try (Stream<Path> all = Files.walk(directory)) {
      paths = all.filter(Files::isRegularFile).toList();
    }
    for (Path path : paths) {
      String name = directory.relativize(path).toString().replace('\\', '/');
      files.put(name, Artifact.describe(path));
    }
    return files;
  }

  private static boolean replaceable(Path place) throws IOException {
    if (!Files.exists(place)) {
      return true;
    }
    if (!Files.isDirectory(place)) {
      return false;
    }
    try (Stream<Path> files = Files.list(place)) {
      return Artifact.isArtifact(place) || files.findAny().isEmpty();
    }
  }

  /** Between the two renames nothing is there, but what was is still on the disk, whole. */
  private static void replace(Path place, Path complete) throws IOException {
    Path old = place.resolveSibling("." + place.getFileName() + ".old");
    delete(old);
    boolean replaced = Files.exists(place);
    if (replaced) {
      Files.move(place, old, StandardCopyOption.ATOMIC_MOVE);
    }
    try {
      Files.move(complete, place, StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException e) {
      if (replaced) {
        Files.move(old, place, StandardCopyOption.ATOMIC_MOVE);
      }
      throw e;
    }
    delete(old);
  }

  private static void delete(Path directory) throws IOException {
    if (Files.exists(directory)) {
      MoreFiles.deleteRecursively(directory, RecursiveDeleteOption.ALLOW_INSECURE);
    }
  }
}
