package dev.manticore.compiler.hybrid;

import static dev.manticore.compiler.TinyModels.VOCABULARY;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.google.common.collect.Iterables;
import com.google.common.collect.Maps;
import dev.manticore.compiler.Runs;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.ComponentFinder;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.hybrid.SpliceOptions.Gates;
import dev.manticore.compiler.hybrid.SpliceOptions.LayerRange;
import dev.manticore.compiler.hybrid.SpliceOptions.ProjectorInitialisation;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.safetensors.SafetensorsFile;
import dev.manticore.onnx.safetensors.SafetensorsWriter;
import dev.manticore.onnx.tokenizer.BpeTrainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ProjectorFilesTest {

  private static final Component MAMBA =
      ComponentFinder.find("mamba", TinyModels.build("mamba", TinyModels.mamba(3, 24), 1));
  private static final Component NEO =
      ComponentFinder.find("neo", TinyModels.build("neo", TinyModels.gptNeo(3, 16), 2));

  @TempDir private Path directory;
  private Path tokenizer;

  @BeforeEach
  void writeTokenizer() {
    tokenizer = tokenizer("tokenizer.json", "one word and another word");
  }

  private Path tokenizer(String name, String text) {
    Path file = directory.resolve(name);
    AtomicFiles.writeBytes(file, BpeTrainer.train(List.of(text.repeat(3)), 262).toJson());
    return file;
  }

  private static Hybrid splice(int blocks, Embeddings embeddings, Gates gates, Component... parts) {
    return splice(blocks, embeddings, gates, ImmutableList.of(), parts);
  }

  private static Hybrid splice(
      int blocks,
      Embeddings embeddings,
      Gates gates,
      ImmutableList<ImmutableList<LayerRange>> partition,
      Component... parts) {
    return Splicer.splice(
        List.of(parts),
        new SpliceOptions(
            blocks, gates, ProjectorInitialisation.IDENTITY, embeddings, partition, VOCABULARY, 5));
  }

  /** What the hybrid adds to its components away from what it was, mixture weights as they are. */
  private static Hybrid trained(Hybrid hybrid) {
    Map<String, Tensor> moved = new LinkedHashMap<>();
    HybridFiles.own(hybrid)
        .forEach(
            (name, tensor) -> {
              float[] values = tensor.toFloats();
              for (int i = 0; i < values.length && !Hybrid.isAlpha(name); i++) {
                values[i] += 0.01f * ((i + moved.size()) % 7 - 3);
              }
              moved.put(name, Tensor.ofFloats(tensor.shape(), values));
            });
    return HybridFiles.withParameters(hybrid, moved);
  }

  private Path write(Hybrid hybrid, Component... parts) throws IOException {
    Path place = Files.createDirectories(directory.resolve("projectors"));
    ProjectorFiles.write(
        place, hybrid, List.of(parts), tokenizer, JsonNodeFactory.instance.objectNode());
    return place;
  }

  private Hybrid read(Path place, Hybrid hybrid, Component... parts) {
    return ProjectorFiles.read(place, hybrid, List.of(parts), tokenizer);
  }

  private static byte[] bytes(Hybrid hybrid, String parameter) {
    return HybridFiles.parameters(hybrid.graph()).get(parameter).data().toByteArray();
  }

  @ParameterizedTest
  @CsvSource({"PRETRAINED,TIED", "PRETRAINED,SEPARATE", "FRESH,TIED", "FRESH,SEPARATE"})
  void whatIsWrittenIsReadBackToTheLastBit(Embeddings embeddings, Gates gates) throws IOException {
    Hybrid start = splice(2, embeddings, gates, MAMBA, NEO);
    Hybrid hybrid = trained(start);

    Path place = write(hybrid, MAMBA, NEO);
    Hybrid read = read(place, start, MAMBA, NEO);

    HybridFiles.parameters(hybrid.graph())
        .keySet()
        .forEach(name -> assertThat(bytes(read, name)).as(name).isEqualTo(bytes(hybrid, name)));
    Tensor ids = TinyModels.ids(2, 5, 1);
    assertThat(Runs.onDevice(read.graph(), ids).toDoubles())
        .isEqualTo(Runs.onDevice(hybrid.graph(), ids).toDoubles())
        .isNotEqualTo(Runs.onDevice(start.graph(), ids).toDoubles());
    assertThat(SafetensorsFile.open(place.resolve("projectors.safetensors")).tensors().keySet())
        .noneMatch(Hybrid::isOfComponent)
        .noneMatch(Hybrid::isAlpha);
  }

  @ParameterizedTest
  @CsvSource({"PRETRAINED,TIED", "FRESH,SEPARATE"})
  void componentsAreKnownByTheirWeightsInAnyOrderUnderAnyName(Embeddings embeddings, Gates gates)
      throws IOException {
    Hybrid hybrid = trained(splice(2, embeddings, gates, MAMBA, NEO));
    Path place = write(hybrid, MAMBA, NEO);
    // Names tell nothing: each is called as the other was.
    Component first = NEO.withName("mamba");
    Component second = MAMBA.withName("neo");

    Hybrid swapped = read(place, splice(2, embeddings, gates, first, second), first, second);

    for (String name : HybridFiles.parameters(hybrid.graph()).keySet()) {
      String other = name.replaceFirst("(in|out|embeddings|components)\\.0", "$1.x");
      other = other.replaceFirst("(in|out|embeddings|components)\\.1", "$1.0");
      other = other.replaceFirst("(in|out|embeddings|components)\\.x", "$1.1");
      assertThat(bytes(swapped, other)).as(other).isEqualTo(bytes(hybrid, name));
    }
    Tensor ids = TinyModels.ids(2, 5, 1);
    assertThat(
            Runs.difference(
                Runs.onDevice(swapped.graph(), ids),
                Runs.onDevice(hybrid.graph(), ids),
                VOCABULARY))
        .isLessThan(1e-5);
  }

  @Test
  void ofEqualComponentsThoseOfOneNameGoTogether() throws IOException {
    Component twin = NEO.withName("twin");
    Hybrid hybrid = trained(splice(1, Embeddings.PRETRAINED, Gates.TIED, NEO, twin));
    Path place = write(hybrid, NEO, twin);

    Hybrid swapped =
        read(place, splice(1, Embeddings.PRETRAINED, Gates.TIED, twin, NEO), twin, NEO);

    assertThat(bytes(swapped, "blocks.0.in.0.weight"))
        .isEqualTo(bytes(hybrid, "blocks.0.in.1.weight"))
        .isNotEqualTo(bytes(hybrid, "blocks.0.in.0.weight"));
    assertThat(bytes(swapped, "blocks.0.out.1.bias"))
        .isEqualTo(bytes(hybrid, "blocks.0.out.0.bias"));
  }

  @Test
  void refusesOtherComponentsAndNamesThem() throws IOException {
    Path place = write(splice(2, Embeddings.PRETRAINED, Gates.TIED, MAMBA, NEO), MAMBA, NEO);
    Component other =
        ComponentFinder.find("neo", TinyModels.build("neo", TinyModels.gptNeo(3, 16), 3));
    Component third =
        ComponentFinder.find("gpt2", TinyModels.build("gpt2", TinyModels.gpt2(3, 16), 4));
    Hybrid tuned = splice(2, Embeddings.PRETRAINED, Gates.TIED, MAMBA, other);
    Hybrid unknown = splice(2, Embeddings.PRETRAINED, Gates.TIED, MAMBA, third);
    Hybrid more = splice(2, Embeddings.PRETRAINED, Gates.TIED, MAMBA, NEO, third);

    assertRefused(() -> read(place, tuned, MAMBA, other))
        .hasMessageContaining("component \"neo\" has other weights: \"sha256:")
        .hasMessageNotContaining("\"mamba\"");
    assertRefused(() -> read(place, unknown, MAMBA, third))
        .hasMessageContaining("component \"gpt2\" is none of those there")
        .hasMessageContaining("component \"neo\" is not here");
    assertRefused(() -> read(place, more, MAMBA, NEO, third))
        .hasMessageContaining("component \"gpt2\" is none of those there");
  }

  @Test
  void refusesAnotherCutOtherGatesAndOtherTablesAllAtOnce() throws IOException {
    Path place = write(splice(2, Embeddings.PRETRAINED, Gates.TIED, MAMBA, NEO), MAMBA, NEO);
    Hybrid unlike = splice(3, Embeddings.FRESH, Gates.SEPARATE, MAMBA, NEO);
    ImmutableList<LayerRange> late = ImmutableList.of(new LayerRange(0, 2), new LayerRange(2, 3));
    ImmutableList<LayerRange> early = ImmutableList.of(new LayerRange(0, 1), new LayerRange(1, 3));
    Hybrid recut =
        splice(2, Embeddings.PRETRAINED, Gates.TIED, ImmutableList.of(late, early), MAMBA, NEO);

    assertRefused(() -> read(place, unlike, MAMBA, NEO))
        .hasMessageContaining("blocks: 2 there, 3 here")
        .hasMessageContaining("gating: \"tied\" there, \"separate\" here")
        .hasMessageContaining("embeddings: \"pretrained\" there, \"fresh\" here");
    assertRefused(() -> read(place, recut, MAMBA, NEO))
        .hasMessageContaining(
            "the layers of component \"mamba\" are cut into [[0,1],[1,3]] there, [[0,2],[2,3]]"
                + " here")
        .hasMessageNotContaining("\"neo\"");
  }

  @Test
  void refusesATokenizerThatSegmentsOtherwiseButNoneThatIsWrittenOtherwise() throws IOException {
    Hybrid hybrid = splice(1, Embeddings.PRETRAINED, Gates.TIED, MAMBA, NEO);
    Path place = write(trained(hybrid), MAMBA, NEO);
    Path other = tokenizer("other.json", "some quite different text");
    Path rewritten = directory.resolve("rewritten.json");
    ObjectMapper json = new ObjectMapper();
    Files.writeString(rewritten, json.readTree(tokenizer.toFile()).toString());

    assertRefused(() -> ProjectorFiles.read(place, hybrid, List.of(MAMBA, NEO), other))
        .hasMessageContaining("the tokenizer: ");
    assertThat(Files.readAllBytes(rewritten)).isNotEqualTo(Files.readAllBytes(tokenizer));
    assertThat(
            bytes(
                ProjectorFiles.read(place, hybrid, List.of(MAMBA, NEO), rewritten),
                "blocks.0.in.1.weight"))
        .isEqualTo(bytes(trained(hybrid), "blocks.0.in.1.weight"));
  }

  @Test
  void refusesDamagedFiles() throws IOException {
    Hybrid hybrid = splice(1, Embeddings.PRETRAINED, Gates.TIED, MAMBA, NEO);
    Path place = write(hybrid, MAMBA, NEO);
    Path tensors = place.resolve("projectors.safetensors");
    Map<String, Tensor> kept = SafetensorsFile.open(tensors).tensors();
    String first = Iterables.get(kept.keySet(), 0);
    SafetensorsWriter.write(
        directory.resolve("less"),
        ImmutableMap.copyOf(Maps.filterKeys(kept, name -> !name.equals(first))),
        ImmutableMap.of());
    Files.copy(directory.resolve("less"), tensors, StandardCopyOption.REPLACE_EXISTING);

    assertRefused(() -> read(place, hybrid, MAMBA, NEO)).hasMessageContaining(first);
    Files.writeString(place.resolve("projectors.json"), "[]");
    assertRefused(() -> read(place, hybrid, MAMBA, NEO))
        .hasMessageContaining("blocks: nothing there, 1 here");
    Files.writeString(place.resolve("projectors.json"), "{");
    assertRefused(() -> read(place, hybrid, MAMBA, NEO)).hasMessageContaining("is not JSON");
  }

  private static AbstractThrowableAssert<?, ? extends Throwable> assertRefused(
      ThrowableAssert.ThrowingCallable reading) {
    return assertThatThrownBy(reading)
        .isInstanceOf(ManticoreException.class)
        .satisfies(e -> assertThat(((ManticoreException) e).code()).isEqualTo("MNT-PROJECTORS"));
  }
}
