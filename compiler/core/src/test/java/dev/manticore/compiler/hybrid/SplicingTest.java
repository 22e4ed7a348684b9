package dev.manticore.compiler.hybrid;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.Runs;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.inspect.Inspection;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.random.Draws;
import dev.manticore.onnx.huggingface.ModelConfig;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.tokenizer.BpeTrainer;
import dev.manticore.onnx.tokenizer.BytePairVocabulary;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class SplicingTest {

  @TempDir private Path directory;

  private Path write(String name, ModelConfig config) {
    Path place = directory.resolve(name);
    Models.write(place, config, Models.parameters(TinyModels.build(name, config, 1)));
    return place;
  }

  @ParameterizedTest
  @EnumSource
  void writesAFileAndADirectoryOfTheSameHybrid(SpliceOptions.Embeddings embeddings) {
    Splicing.Request request =
        new Splicing.Request(
            ImmutableList.of(
                write("neo", TinyModels.gptNeo(4, 16)), write("mamba", TinyModels.mamba(3, 24))),
            OptionalInt.empty(),
            SpliceOptions.Gates.TIED,
            SpliceOptions.ProjectorInitialisation.PAPER,
            embeddings,
            OptionalInt.empty(),
            5);
    Hybrid hybrid = Splicing.splice(request);
    assertThat(hybrid.blocks()).isEqualTo(3);
    assertThat(hybrid.names()).containsExactly("neo", "mamba");
    assertThat(hybrid.options().vocabulary()).isEqualTo(TinyModels.VOCABULARY);

    Splicing.write(hybrid, request, directory.resolve("hybrid.onnx"));
    Splicing.write(hybrid, request, directory.resolve("hybrid"));

    Tensor ids = TinyModels.ids(2, 5, 1);
    Tensor expected = Runs.onDevice(hybrid.graph(), ids);
    Hybrid read =
        HybridFiles.read(
            directory.resolve("hybrid/hybrid.json"), directory.resolve("hybrid/components"));
    assertThat(Runs.onDevice(read.graph(), ids).toDoubles()).isEqualTo(expected.toDoubles());
    assertThat(
            Runs.difference(
                Runs.fromFile(directory.resolve("hybrid.onnx"), ids),
                expected,
                TinyModels.VOCABULARY))
        .isLessThan(1e-5);
  }

  @Test
  void modelsOfOtherTokenizersAreRefusedOrMerged() {
    BytePairVocabulary first = BpeTrainer.train(List.of("one two three ".repeat(5)), 270);
    BytePairVocabulary second = BpeTrainer.train(List.of("drei vier f\u00fcnf ".repeat(5)), 266);
    Path neo = write("neo", TinyModels.gptNeo(2, 16, first.tokens().size() + 2));
    Path mamba = write("mamba", TinyModels.mamba(2, 24).with("vocab_size", second.tokens().size()));
    AtomicFiles.writeBytes(neo.resolve("tokenizer.json"), first.toJson());
    AtomicFiles.writeBytes(mamba.resolve("tokenizer.json"), second.toJson());
    ImmutableList<Path> models = ImmutableList.of(neo, mamba);

    assertThatThrownBy(() -> Splicing.splice(request(models, SpliceOptions.Embeddings.PRETRAINED)))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("another tokenizer");
    Hybrid merged = Splicing.splice(request(models, SpliceOptions.Embeddings.MERGED));

    assertThat(merged.options().vocabulary()).isEqualTo(first.tokens().size());
    Path output = directory.resolve("merged");
    Splicing.write(merged, request(models, SpliceOptions.Embeddings.MERGED), output);
    assertThat(output.resolve("tokenizer.json")).hasBinaryContent(first.toJson());
    assertThat(
            Inspection.open(output, Optional.empty(), Inspection.Extents.USUAL)
                .summary()
                .vocabulary())
        .isEqualTo(first.tokens().size());
  }

  private static Splicing.Request request(
      ImmutableList<Path> models, SpliceOptions.Embeddings embeddings) {
    return new Splicing.Request(
        models,
        OptionalInt.empty(),
        SpliceOptions.Gates.TIED,
        SpliceOptions.ProjectorInitialisation.IDENTITY,
        embeddings,
        OptionalInt.empty(),
        5);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 4, 7, 16, 1000})
  void drawnValuesAreTheSameInAnyWindow(int window) {
    Tensor tensor = Initial.normal(new Draws(3), 0.5, 5, 7);
    byte[] whole = tensor.data().toByteArray();
    byte[] pieces = new byte[whole.length];
    for (int at = 0; at < pieces.length; at += window) {
      tensor.data().read(at, ByteBuffer.wrap(pieces, at, Math.min(window, pieces.length - at)));
    }

    assertThat(pieces).isEqualTo(whole);
    assertThat(tensor.data().toByteArray()).isEqualTo(whole);
    assertThat(tensor.toFloats()).doesNotContain(0f).doesNotHaveDuplicates();
  }

  @Test
  void identityIsRectangular() {
    assertThat(Initial.identity(2, 3).toFloats()).containsExactly(1, 0, 0, 0, 1, 0);
    assertThat(Initial.identity(3, 2).toFloats()).containsExactly(1, 0, 0, 1, 0, 0);
    assertThat(Initial.constant(2, 3).shape()).isEqualTo(Shape.of(3));
    assertThat(Initial.constant(2, 3).toFloats()).containsExactly(2, 2, 2);
  }
}
