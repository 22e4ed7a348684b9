package dev.manticore.onnx;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.text.HirParser;
import dev.manticore.ir.text.HirPrinter;
import dev.manticore.onnx.proto.ModelProto;
import dev.manticore.onnx.proto.TensorProto;
import dev.manticore.testdata.fuzz.Fuzzer;
import dev.manticore.testdata.fuzz.Mutator;
import dev.manticore.testdata.fuzz.ProtobufMutator;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OnnxFuzzTest {

  private static final Mutator MUTATOR =
      Mutator.anyOf(
          new ProtobufMutator(), new ProtobufMutator(), new ProtobufMutator(), Mutator.bytes());

  @TempDir private Path directory;

  /** The graphs that the parser of texts begins with, and what exports of ours do not hold. */
  private static List<byte[]> seeds() {
    List<byte[]> seeds = new ArrayList<>();
    for (byte[] text : Fuzzer.files("hir")) {
      seeds.add(
          OnnxExporter.toBytes(OnnxFunctions.define(HirParser.parse(new String(text, UTF_8)))));
    }
    seeds.add(typedFields());
    return seeds;
  }

  private static byte[] typedFields() {
    ModelProto.Builder model = ModelProto.newBuilder().setIrVersion(8);
    model.addOpsetImportBuilder().setVersion(13);
    model
        .getGraphBuilder()
        .setName("g")
        .addInitializer(tensor("a", 1).addFloatData(1).addFloatData(2))
        .addInitializer(tensor("b", 7).addInt64Data(1).addInt64Data(2))
        .addInitializer(tensor("c", 10).addInt32Data(1).addInt32Data(2))
        .addInitializer(tensor("d", 11).addDoubleData(1).addDoubleData(2))
        .addInitializer(tensor("e", 13).addUint64Data(1).addUint64Data(2))
        .addInitializer(tensor("f", 21).addInt32Data(33))
        .addInitializer(external());
    model
        .getGraphBuilder()
        .addNodeBuilder()
        .setOpType("Add")
        .addInput("a")
        .addInput("a")
        .addOutput("y");
    model.getGraphBuilder().addOutputBuilder().setName("y");
    return model.build().toByteArray();
  }

  private static TensorProto.Builder tensor(String name, int type) {
    return TensorProto.newBuilder().setName(name).setDataType(type).addDims(2);
  }

  private static TensorProto.Builder external() {
    TensorProto.Builder tensor = tensor("g", 3).setDataLocation(TensorProto.DataLocation.EXTERNAL);
    tensor.addExternalDataBuilder().setKey("location").setValue("data");
    tensor.addExternalDataBuilder().setKey("offset").setValue("1");
    tensor.addExternalDataBuilder().setKey("length").setValue("2");
    return tensor;
  }

  @Test
  void bytesOfAnyKindAreAGraphOrATypedError() throws Exception {
    Files.write(directory.resolve("data"), new byte[] {1, 2, 3, 4});
    long executions =
        new Fuzzer("onnx", ManticoreException.class, MUTATOR, seeds())
            .run(
                input -> {
                  Optional<Path> home = Optional.of(directory);
                  OnnxImporter.read(input, home, OnnxImporter.Functions.RESOLVE);
                  Graph graph = OnnxImporter.read(input, home, OnnxImporter.Functions.KEEP);
                  assertKept(graph);
                });

    assertThat(executions).isPositive();
  }

  /** What was imported once is kept by the textual form, and by export and import. */
  private static void assertKept(Graph graph) {
    String text = HirPrinter.print(graph, HirPrinter.Tensors.ALL);
    try {
      assertThat(HirPrinter.print(HirParser.parse(text), HirPrinter.Tensors.ALL)).isEqualTo(text);
    } catch (ManticoreException e) {
      throw new AssertionError("what was printed is not parsed", e);
    }
    byte[] exported = OnnxExporter.toBytes(graph);
    try {
      Graph again = OnnxImporter.read(exported, Optional.empty(), OnnxImporter.Functions.KEEP);
      assertThat(OnnxExporter.toBytes(again)).isEqualTo(exported);
    } catch (ManticoreException e) {
      throw new AssertionError("what was exported is not imported", e);
    }
  }

  /** The reader of files leaves data in them; it has a parser of its own for that. */
  @Test
  void filesOfAnyKindAreAGraphOrATypedError() {
    Path file = directory.resolve("m.onnx");
    long executions =
        new Fuzzer("onnx-file", ManticoreException.class, MUTATOR, seeds())
            .run(
                input -> {
                  Files.write(file, input);
                  OnnxImporter.read(file);
                });

    assertThat(executions).isPositive();
  }
}
