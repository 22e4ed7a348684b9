package dev.manticore.compiler.triton;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.TextFormat;
import dev.manticore.compiler.TinyHybrid;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.lower.Deployment;
import dev.manticore.compiler.lower.Precision;
import dev.manticore.compiler.lower.Target;
import dev.manticore.compiler.triton.proto.DataType;
import dev.manticore.compiler.triton.proto.ModelConfig;
import dev.manticore.compiler.triton.proto.ModelInstanceGroup;
import dev.manticore.compiler.triton.proto.ModelSequenceBatching;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TritonRepositoryTest {

  private static final TritonRequest REQUEST = new TritonRequest("tiny", 4, 20, Deployment.DEFAULT);

  @TempDir private Path directory;
  private Graph model;
  private Path repository;

  @BeforeEach
  void write() {
    model = TinyHybrid.in(directory.resolve("given")).splice(Embeddings.PRETRAINED).graph();
    repository = directory.resolve("repository");
    TritonRepository.write(model, repository, REQUEST);
  }

  @Test
  void hasTheFilesThatTritonLooksFor() throws IOException {
    try (Stream<Path> files = Files.walk(repository)) {
      assertThat(
              files
                  .filter(Files::isRegularFile)
                  .map(file -> repository.relativize(file).toString()))
          .containsExactlyInAnyOrder(
              "README.txt",
              "tiny/config.pbtxt",
              "tiny/1/model.onnx",
              "tiny-decoder/config.pbtxt",
              "tiny-decoder/1/model.onnx");
    }
    assertThat(RepositoryCheck.problems(repository)).isEmpty();
  }

  @Test
  void wholeSequencesAreBatched() throws IOException {
    ModelConfig config = config("tiny");

    assertThat(config.getBackend()).isEqualTo("onnxruntime");
    assertThat(config.getMaxBatchSize()).isEqualTo(4);
    assertThat(config.hasDynamicBatching()).isTrue();
    assertThat(config.getInput(0).getName()).isEqualTo("input_ids");
    assertThat(config.getInput(0).getDataType()).isEqualTo(DataType.TYPE_INT64);
    assertThat(config.getInput(0).getDimsList()).containsExactly(-1L);
    assertThat(config.getOutput(0).getDataType()).isEqualTo(DataType.TYPE_FP32);
    assertThat(config.getModelWarmupCount()).isEqualTo(1);
  }

  @Test
  void theServerKeepsTheStatesOfTheDecoder() throws IOException {
    ModelConfig config = config("tiny-decoder");

    assertThat(config.getInputList()).hasSize(1);
    assertThat(config.getOutputList()).hasSize(1);
    List<ModelSequenceBatching.State> states = config.getSequenceBatching().getStateList();
    assertThat(states)
        .extracting(ModelSequenceBatching.State::getInputName)
        .startsWith("past_length")
        .contains("past_key_values.0.conv_state", "past_key_values.0.recurrent_state");
    assertThat(states)
        .filteredOn(state -> state.getInputName().endsWith(".key"))
        .isNotEmpty()
        .allMatch(state -> state.getDimsList().get(1) == 20);
    assertThat(states).allMatch(state -> state.getInitialState(0).getZeroData());
    assertThat(config.getSequenceBatching().getOldest().getMaxCandidateSequences()).isEqualTo(16);
  }

  @Test
  void statesAreOfThePrecisionThatTheDecoderCarriesThemIn() throws IOException {
    Deployment deployment = new Deployment(Target.ONNXRUNTIME_CUDA, Precision.BFLOAT16);

    TritonRepository.write(model, repository, new TritonRequest("tiny", 4, 20, deployment));

    ModelConfig config = config("tiny-decoder");
    assertThat(config.getInstanceGroup(0).getKind()).isEqualTo(ModelInstanceGroup.Kind.KIND_GPU);
    for (ModelSequenceBatching.State state : config.getSequenceBatching().getStateList()) {
      boolean isCache =
          state.getInputName().endsWith(".key") || state.getInputName().endsWith(".value");
      boolean isCounter = state.getInputName().equals("past_length");
      assertThat(state.getDataType())
          .isEqualTo(
              isCache ? DataType.TYPE_BF16 : isCounter ? DataType.TYPE_INT64 : DataType.TYPE_FP32);
    }
    Deployment other = new Deployment(Target.TENSORRT_10, Precision.FLOAT16);
    TritonRequest ofEngine = new TritonRequest("tiny", 4, 20, other);
    assertThatThrownBy(() -> TritonRepository.write(model, repository, ofEngine))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("not tensorrt-10");
  }

  @Test
  void whatTheServerWouldRefuseIsTold() throws IOException {
    Path config = repository.resolve("tiny-decoder/config.pbtxt");
    String good = Files.readString(config);

    Files.writeString(config, good.replace("name: \"tiny-decoder\"", "name: \"other\""));
    assertThat(RepositoryCheck.problems(repository)).anyMatch(p -> p.contains("'other'"));
    Files.writeString(config, good.replaceFirst("past_length", "nothing"));
    assertThat(RepositoryCheck.problems(repository))
        .anyMatch(p -> p.contains("the model has no 'nothing'"))
        .anyMatch(p -> p.contains("nothing is given to its input past_length"));
    Files.writeString(config, good.replace("dims: 20", "dims: 21"));
    assertThat(RepositoryCheck.problems(repository)).anyMatch(p -> p.contains("do not fit"));
    Files.writeString(config, good + "no_such_field: 1\n");
    assertThat(RepositoryCheck.problems(repository)).anyMatch(p -> p.contains("no_such_field"));
    Files.writeString(config, good);
    Files.delete(repository.resolve("tiny-decoder/1/model.onnx"));
    assertThat(RepositoryCheck.problems(repository)).anyMatch(p -> p.contains("model.onnx"));
    Files.delete(config);
    assertThatThrownBy(() -> RepositoryCheck.check(repository))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("config.pbtxt");
  }

  @Test
  void aDirectoryOfSomebodyElseIsLeftAlone() throws IOException {
    Path other = Files.createDirectory(directory.resolve("other"));
    Files.writeString(other.resolve("thesis.txt"), "years of work");

    assertThatThrownBy(() -> TritonRepository.write(model, other, REQUEST))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("not a result of Manticore");
    assertThat(Files.readString(other.resolve("thesis.txt"))).isEqualTo("years of work");
    assertThatThrownBy(() -> new TritonRequest("../up", 1, 1, Deployment.DEFAULT))
        .isInstanceOf(ManticoreException.class);
  }

  private ModelConfig config(String name) throws IOException {
    ModelConfig.Builder config = ModelConfig.newBuilder();
    TextFormat.getParser()
        .merge(Files.readString(repository.resolve(name).resolve("config.pbtxt")), config);
    return config.build();
  }
}
