package dev.manticore.onnx.conformance;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import dev.manticore.onnx.OnnxTensors;
import dev.manticore.onnx.io.FileProblems;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * A case as ONNX publishes them.
 *
 * @param name of its directory
 * @param model {@code model.onnx}
 * @param dataSets the directories {@code test_data_set_*}
 */
public record ConformanceCase(String name, Path model, ImmutableList<Path> dataSets) {

  private static final int DEEPEST = 8;

  /** ONNX's own test runner allows so much: relative and absolute. */
  private static final double RELATIVE = 1e-3;

  private static final double ABSOLUTE = 1e-7;

  /**
   * All cases in or below a directory, in the order of their paths.
   *
   * @throws ManticoreException {@code MNT-CONFORMANCE} if there are none, or they cannot be listed
   */
  public static ImmutableList<ConformanceCase> in(Path directory) {
    try (Stream<Path> files = Files.walk(directory, DEEPEST)) {
      ImmutableList<Path> models =
          files
              .filter(file -> file.endsWith("model.onnx"))
              .sorted()
              .collect(ImmutableList.toImmutableList());
      ImmutableList.Builder<ConformanceCase> cases = ImmutableList.builder();
      for (Path model : models) {
        cases.add(of(model));
      }
      if (models.isEmpty()) {
        throw new ManticoreException(
            "MNT-CONFORMANCE",
            "there is no conformance case in "
                + directory
                + ": a case is a directory with model.onnx and test_data_set_0/input_0.pb");
      }
      return cases.build();
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-CONFORMANCE", directory + " cannot be listed: " + FileProblems.reason(e), e);
    }
  }

  private static ConformanceCase of(Path model) throws IOException {
    Path home = model.toAbsolutePath().getParent();
    try (Stream<Path> files = Files.list(home)) {
      return new ConformanceCase(
          home.getFileName().toString(),
          model,
          files
              .filter(file -> file.getFileName().toString().startsWith("test_data_set_"))
              .filter(Files::isDirectory)
              .sorted()
              .collect(ImmutableList.toImmutableList()));
    }
  }

  /** The inputs of a data set, in the order of the model's. */
  public static ImmutableList<Tensor> inputs(Path dataSet) {
    return tensors(dataSet, "input_");
  }

  /** The outputs to expect, in the order of the model's. */
  public static ImmutableList<Tensor> outputs(Path dataSet) {
    return tensors(dataSet, "output_");
  }

  private static ImmutableList<Tensor> tensors(Path dataSet, String prefix) {
    ImmutableList.Builder<Tensor> tensors = ImmutableList.builder();
    for (int i = 0; Files.exists(dataSet.resolve(prefix + i + ".pb")); i++) {
      tensors.add(OnnxTensors.read(dataSet.resolve(prefix + i + ".pb")));
    }
    return tensors.build();
  }

  /** The same bits as another type of 16 bits: cases hold bfloat16 as {@code uint16}. */
  public static Tensor as(ElementType wanted, Tensor tensor) {
    boolean bits =
        wanted == ElementType.BFLOAT16 && tensor.elementType() == ElementType.UINT16
            || wanted == ElementType.UINT16 && tensor.elementType() == ElementType.BFLOAT16;
    return bits ? new Tensor(tensor.type().withElementType(wanted), tensor.data()) : tensor;
  }

  /**
   * How outputs differ from those to expect, in words; empty if they do not, by the tolerances of
   * ONNX's own test runner.
   */
  public static Optional<String> difference(List<Tensor> actual, List<Tensor> expected) {
    if (actual.size() < expected.size()) {
      return Optional.of(actual.size() + " outputs instead of " + expected.size());
    }
    for (int i = 0; i < expected.size(); i++) {
      Tensor wanted = expected.get(i);
      Optional<String> difference = difference(as(wanted.elementType(), actual.get(i)), wanted);
      if (difference.isPresent()) {
        return Optional.of("output " + i + ": " + difference.get());
      }
    }
    return Optional.empty();
  }

  private static Optional<String> difference(Tensor actual, Tensor expected) {
    if (!actual.type().equals(expected.type())) {
      return Optional.of(actual.type() + " instead of " + expected.type());
    }
    return switch (expected.elementType()) {
      case STRING ->
          actual.toStrings().equals(expected.toStrings())
              ? Optional.empty()
              : Optional.of("other strings");
      case COMPLEX64 ->
          difference(parts(actual, ElementType.FLOAT32), parts(expected, ElementType.FLOAT32));
      case COMPLEX128 ->
          difference(parts(actual, ElementType.FLOAT64), parts(expected, ElementType.FLOAT64));
      default -> difference(actual.toDoubles(), expected.toDoubles());
    };
  }

  private static Tensor parts(Tensor complex, ElementType part) {
    long count = 2 * complex.shape().elementCount();
    return new Tensor(new TensorType(part, Shape.of(count)), complex.data());
  }

  private static Optional<String> difference(double[] actual, double[] expected) {
    for (int i = 0; i < expected.length; i++) {
      boolean close =
          Double.isFinite(expected[i])
              ? Math.abs(actual[i] - expected[i]) <= ABSOLUTE + RELATIVE * Math.abs(expected[i])
              : Double.compare(actual[i], expected[i]) == 0;
      if (!close) {
        return Optional.of("element " + i + " is " + actual[i] + " instead of " + expected[i]);
      }
    }
    return Optional.empty();
  }
}
