package dev.manticore.compiler.component;

import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Value;
import dev.manticore.ir.lift.Lift;
import dev.manticore.onnx.HirFiles;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.OnnxFunctions;
import dev.manticore.onnx.OnnxImporter;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.io.ForeignFormats;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Opens language models in the forms that they come in: the one door for checkpoints and exports.
 */
public final class ModelFiles {

  /** The name of an exported model in a directory of its own. */
  public static final String EXPORT = "model.onnx";

  private static final String ONNX = ".onnx";
  private static final String CONFIGURATION = "config.json";

  private ModelFiles() {}

  /**
   * Whether a place holds an exported graph: an {@code .onnx} file, or a directory with one and no
   * configuration.
   */
  public static boolean isExport(Path place) {
    return export(place).isPresent();
  }

  /** Whether a place is named as a graph in its textual form. */
  public static boolean isText(Path place) {
    return place.toString().endsWith(HirFiles.SUFFIX) && !Files.isDirectory(place);
  }

  private static Optional<Path> export(Path place) {
    if (Files.isDirectory(place)) {
      Path file = place.resolve(EXPORT);
      boolean exported = Files.exists(file) && !Files.exists(place.resolve(CONFIGURATION));
      return exported ? Optional.of(file) : Optional.empty();
    }
    return Optional.of(place).filter(file -> file.toString().endsWith(ONNX));
  }

  /** What a model is called after its place: a file of no name of its own after its directory. */
  public static String nameOf(Path place) {
    Path absolute = place.toAbsolutePath().normalize();
    String name = String.valueOf(absolute.getFileName());
    return name.equals(EXPORT)
        ? String.valueOf(absolute.getParent().getFileName())
        : name.replaceAll("\\.(onnx|hir)$", "");
  }

  /**
   * The graph of a checkpoint directory, as its family's builder makes it, or of an export or a
   * text, as it is written there.
   *
   * @throws ManticoreException {@code MNT-MODEL} if the place holds neither, and what reading them
   *     throws
   */
  public static Graph read(Path place) {
    Optional<Path> export = export(place);
    if (export.isPresent()) {
      return OnnxImporter.read(export.get());
    }
    if (Files.isDirectory(place)) {
      return Models.load(place);
    }
    if (isText(place) && Files.exists(place)) {
      return HirFiles.read(place);
    }
    throw new ManticoreException(
        "MNT-MODEL",
        place
            + " "
            + (Files.exists(place)
                ? ForeignFormats.advice(place)
                    .orElse("is neither a checkpoint directory nor an .onnx or .hir file")
                : "does not exist"));
  }

  /**
   * Writes a graph: as ONNX, operators of our own with functions that define them, or as text with
   * its weights beside it.
   *
   * @param file ends in {@code .onnx} or {@code .hir}
   * @param placement where the weights of an ONNX model go
   * @throws ManticoreException {@code MNT-MODEL} if its name ends in neither, and what writing
   *     throws
   */
  public static void write(Graph graph, Path file, OnnxExporter.Placement placement) {
    if (file.toString().endsWith(HirFiles.SUFFIX)) {
      HirFiles.write(graph, file);
    } else if (file.toString().endsWith(ONNX)) {
      OnnxExporter.write(
          OnnxFunctions.define(graph), file, OnnxExporter.Options.DEFAULT.withPlacement(placement));
    } else {
      throw new ManticoreException(
          "MNT-MODEL", "graphs are written to .onnx and .hir files, and " + file + " is neither");
    }
  }

  /**
   * The model of a place, lifted and cut into blocks. In an export, a table that is stored a second
   * time for the head is joined with the first.
   *
   * @throws ManticoreException as {@link #read} does, or as {@link Lift} or {@link
   *     ComponentFinder#find}
   */
  public static Component component(String name, Path place) {
    Component component = ComponentFinder.find(name, new Lift().run(read(place)));
    return isExport(place) ? tied(component) : component;
  }

  /**
   * The component with one parameter for the table of embeddings and the head, where these hold the
   * same numbers: exporters store a tied table twice, the second time transposed.
   */
  static Component tied(Component component) {
    Graph graph = component.graph();
    List<Value> tables =
        graph.parameters().keySet().stream()
            .filter(parameter -> parameter.shape().rank() == 2)
            .filter(component::isVocabularyTable)
            .toList();
    if (tables.size() != 2) {
      return component;
    }
    Graph joined = ParameterMatching.join(graph, tables.get(0), tables.get(1));
    return joined == graph ? component : ComponentFinder.find(component.name(), joined);
  }
}
