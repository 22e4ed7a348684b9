package dev.manticore.onnx;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorContents;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import dev.manticore.ir.text.HirPrinter;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HirFilesTest {

  private static final int LARGE = HirPrinter.SMALL + 1;

  @TempDir private Path directory;

  /** A graph with small and large parameters and a large constant. */
  private static Graph graph() {
    GraphEditor editor = new GraphEditor("test");
    Value x = editor.input("x", new TensorType(ElementType.FLOAT32, Shape.of(LARGE)));
    Value large = editor.parameter("large", numbers(LARGE, 1));
    Value small = editor.parameter("small", numbers(1, 2));
    Value constant = editor.constant(numbers(LARGE, 3));
    Value sum = editor.add(OpId.onnx("Add"), editor.add(OpId.onnx("Add"), x, large), small);
    editor.output(editor.add(OpId.onnx("Mul"), sum, constant));
    return editor.freeze();
  }

  private static Tensor numbers(int count, float first) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = first + i;
    }
    return Tensor.ofFloats(Shape.of(count), values);
  }

  @Test
  void aGraphIsReadBackWithItsWeights() {
    Graph graph = graph();
    Path file = directory.resolve("model.hir");

    HirFiles.write(graph, file);
    Graph read = HirFiles.read(file);

    assertThat(HirPrinter.print(read, HirPrinter.Tensors.ALL))
        .isEqualTo(HirPrinter.print(graph, HirPrinter.Tensors.ALL));
    assertThat(SafetensorsFile.open(HirFiles.weights(file)).tensors())
        .hasSize(2)
        .containsKey("large");
    Tensor large = read.parameters().get(read.parameter("large").orElseThrow());
    assertThat(TensorContents.equal(large, numbers(LARGE, 1))).isTrue();
  }

  @Test
  void weightsOfACheckpointInTheSameDirectoryAreNotWrittenOver() throws IOException {
    Path weights = Files.writeString(directory.resolve("model.safetensors"), "of a checkpoint");

    HirFiles.write(graph(), directory.resolve("model.hir"));

    assertThat(weights).hasContent("of a checkpoint");
    assertThat(directory.resolve("model.hir.safetensors")).exists();
  }

  @Test
  void aTextOfSmallTensorsStandsAlone() throws IOException {
    GraphEditor editor = new GraphEditor("small");
    editor.output(
        editor.add(OpId.onnx("Exp"), editor.parameter("p", Tensor.ofFloats(Shape.of(2), 1, 2))));
    Path file = directory.resolve("small.hir");

    HirFiles.write(editor.freeze(), file);

    assertThat(HirFiles.weights(file)).doesNotExist();
    assertThat(HirFiles.read(file).parameters()).hasSize(1);
  }

  @Test
  void whatCannotBeReadIsSaid() throws IOException {
    Path file = directory.resolve("model.hir");
    assertThatThrownBy(() -> HirFiles.read(file))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("cannot be read");
    Files.write(file, new byte[] {(byte) 0xff, (byte) 0xfe});
    assertThatThrownBy(() -> HirFiles.read(file))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("not UTF-8");
    HirFiles.write(graph(), file);
    // Other weights of the same names and types.
    Path second = directory.resolve("second.hir");
    HirFiles.write(changed(), second);
    Files.copy(
        HirFiles.weights(second), HirFiles.weights(file), StandardCopyOption.REPLACE_EXISTING);
    assertThatThrownBy(() -> HirFiles.read(file))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("'large'")
        .hasMessageContaining("is not the tensor");
  }

  private static Graph changed() {
    Graph graph = graph();
    GraphEditor editor = graph.edit();
    editor.setParameter(graph.parameter("large").orElseThrow(), numbers(LARGE, 9));
    return editor.freeze();
  }
}
