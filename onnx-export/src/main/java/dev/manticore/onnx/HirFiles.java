package dev.manticore.onnx;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.SparseTensor;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.text.HirParser;
import dev.manticore.ir.text.HirPrinter;
import dev.manticore.ir.text.TensorResolver;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import dev.manticore.onnx.safetensors.SafetensorsWriter;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Graphs as text with their weights: {@code <name>.hir}, and in {@code <name>.hir.safetensors}
 * beside it the tensors that the text gives by their hashes only. Parameters are there under their
 * names, constants under their hashes.
 */
public final class HirFiles {

  /** What the names of such files end in. */
  public static final String SUFFIX = ".hir";

  private static final String WEIGHTS = ".safetensors";
  private static final String BY_HASH = "sha256:";
  private static final long LARGEST_TEXT = 1L << 28;

  private HirFiles() {}

  /**
   * Writes a graph, the weights first.
   *
   * @param file its name ends in {@value #SUFFIX}
   * @throws ManticoreException {@code MNT-WRITE} if it cannot be written; {@code MNT-SAFETENSORS}
   *     if a large tensor is of a type that safetensors files do not hold
   */
  public static void write(Graph graph, Path file) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    graph
        .parameters()
        .forEach(
            (value, tensor) -> {
              if (isElided(tensor)) {
                tensors.put(value.name(), tensor);
              }
            });
    collect(graph, tensors);
    graph.functions().forEach(function -> collect(function.body(), tensors));
    if (!tensors.isEmpty()) {
      SafetensorsWriter.write(weights(file), tensors, ImmutableMap.of());
    }
    AtomicFiles.writeString(file, HirPrinter.print(graph));
  }

  /**
   * Reads a graph. A tensor whose values are neither in the text nor beside it has none: reading it
   * is an error.
   *
   * @throws ManticoreException {@code MNT-HIR} if the text cannot be read, is not well formed, or
   *     if a tensor beside it is not the one that was written with it; {@code MNT-SAFETENSORS} if
   *     the weights are not well formed
   */
  public static Graph read(Path file) {
    Path weights = weights(file);
    ImmutableMap<String, Tensor> tensors =
        Files.exists(weights) ? SafetensorsFile.open(weights).tensors() : ImmutableMap.of();
    TensorResolver without = TensorResolver.withoutValues();
    return HirParser.parse(
        text(file),
        elided -> {
          Tensor tensor =
              tensors.getOrDefault(elided.name(), tensors.get(BY_HASH + elided.sha256()));
          if (tensor == null) {
            return without.resolve(elided);
          }
          if (!tensor.type().equals(elided.type())
              || !elided.sha256().isEmpty() && !HirPrinter.sha256(tensor).equals(elided.sha256())) {
            throw new ManticoreException(
                "MNT-HIR",
                "'"
                    + elided.name()
                    + "' in "
                    + weights
                    + " is not the tensor that "
                    + file
                    + " was written with; write both again");
          }
          return tensor;
        });
  }

  private static String text(Path file) {
    try {
      if (Files.size(file) > LARGEST_TEXT) {
        throw new ManticoreException(
            "MNT-HIR", file + " cannot be read: it has more than " + LARGEST_TEXT + " bytes");
      }
      return Files.readString(file);
    } catch (CharacterCodingException e) {
      throw new ManticoreException("MNT-HIR", file + " cannot be read: it is not UTF-8", e);
    } catch (IOException e) {
      throw new ManticoreException("MNT-HIR", file + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** The file that the weights of a text are in. */
  public static Path weights(Path file) {
    return file.resolveSibling(file.getFileName() + WEIGHTS);
  }

  private static void collect(Graph graph, Map<String, Tensor> tensors) {
    for (Node node : graph.nodes()) {
      for (Attribute attribute : node.attributes().values().values()) {
        if (attribute instanceof Attribute.TensorValue constant) {
          put(constant.value(), tensors);
        } else if (attribute instanceof Attribute.TensorsValue constants) {
          constants.values().forEach(constant -> put(constant, tensors));
        }
      }
      node.attributes().graphs().forEach(inner -> collectInner(inner, tensors));
    }
  }

  private static void collectInner(Graph graph, Map<String, Tensor> tensors) {
    graph.parameters().values().forEach(tensor -> put(tensor, tensors));
    collect(graph, tensors);
  }

  private static void put(Tensor tensor, Map<String, Tensor> tensors) {
    if (isElided(tensor)) {
      tensors.putIfAbsent(BY_HASH + HirPrinter.sha256(tensor), tensor);
    }
  }

  private static boolean isElided(Tensor tensor) {
    return tensor.shape().elementCount() > HirPrinter.SMALL
        && !(tensor.data() instanceof SparseTensor.Dense)
        && !(tensor.data() instanceof TensorResolver.NoData);
  }
}
