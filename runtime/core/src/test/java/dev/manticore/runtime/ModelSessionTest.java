package dev.manticore.runtime;

import static dev.manticore.ir.ElementType.FLOAT32;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ModelSessionTest {

  private static final Device CPU = Devices.byName("cpu");
  private static final TensorType VECTOR = TensorType.of(FLOAT32, 3);
  private static final TensorType ANY_VECTOR = new TensorType(FLOAT32, Shape.of(Dim.of("n")));

  private long handlesBefore;

  @BeforeEach
  void countHandles() {
    handlesBefore = RuntimeInfo.openHandles();
  }

  @AfterEach
  void nothingIsLeftOpen() {
    assertThat(RuntimeInfo.openHandles()).isEqualTo(handlesBefore);
  }

  private static byte[] addModel(TensorType type) {
    return new TinyOnnx()
        .input("w", type)
        .input("d", type)
        .output("w_next", type)
        .node("", "Add", List.of("w", "d"), List.of("w_next"))
        .build();
  }

  @Test
  void namesAndTypesAreThoseOfTheModel() {
    try (ModelSession session =
        ModelSession.open(CPU, addModel(ANY_VECTOR), SessionConfig.defaults())) {
      assertThat(session.inputs()).containsExactly(entry("w"), entry("d"));
      assertThat(session.outputs()).containsExactly(entry("w_next"));
    }
  }

  private static java.util.Map.Entry<String, TensorType> entry(String name) {
    return java.util.Map.entry(name, ANY_VECTOR);
  }

  @Test
  void stringsGoInAndComeOut() {
    TensorType strings = TensorType.of(ElementType.STRING, 2, 2);
    byte[] model =
        new TinyOnnx()
            .input("s", strings)
            .output("t", strings)
            .node("", "Identity", List.of("s"), List.of("t"))
            .build();
    Tensor given = Tensor.ofStrings(Shape.of(2, 2), List.of("a", "", "\u00e9\u6f22", "x\0y"));
    try (ModelSession session = ModelSession.open(CPU, model, SessionConfig.defaults())) {
      Tensor result = session.run(Map.of("s", given)).get("t");

      assertThat(result.type()).isEqualTo(strings);
      assertThat(result.toStrings()).isEqualTo(given.toStrings());
    }
  }

  @Test
  void stateIsUpdatedInPlaceByEveryRun() {
    try (ModelSession session = ModelSession.open(CPU, addModel(VECTOR), SessionConfig.defaults());
        DeviceState state = DeviceState.allocate(CPU, ImmutableMap.of("w", VECTOR, "d", VECTOR));
        Binding step = session.bind()) {
      state.get("d").setFloats(1, 2, 3);
      step.bindInput("w", state.get("w"))
          .bindInput("d", state.get("d"))
          .bindOutput("w_next", state.get("w"));

      for (int run = 0; run < 5; run++) {
        step.run();
      }

      assertThat(state.get("w").toFloats()).containsExactly(5, 10, 15);
    }
  }

  @Test
  void twoSessionsShareOneState() {
    try (DeviceState state = DeviceState.allocate(CPU, ImmutableMap.of("w", VECTOR, "d", VECTOR));
        ModelSession first = ModelSession.open(CPU, addModel(VECTOR), SessionConfig.defaults());
        ModelSession second = ModelSession.open(CPU, addModel(VECTOR), SessionConfig.defaults())) {
      state.get("d").setFloats(1, 1, 1);
      Binding one = first.bind().bindAll(state).bindOutput("w_next", state.get("w"));
      Binding two = second.bind().bindAll(state).bindOutput("w_next", state.get("w"));

      one.run();
      two.run();
      one.run();

      assertThat(state.get("w").toFloats()).containsExactly(3, 3, 3);
    }
  }

  @Test
  void aMapRunTakesShapesAsTheyCome() {
    try (ModelSession session =
        ModelSession.open(CPU, addModel(ANY_VECTOR), SessionConfig.defaults())) {
      ImmutableMap<String, Tensor> result =
          session.run(
              ImmutableMap.of(
                  "w", Tensor.ofFloats(Shape.of(2), 1, 2),
                  "d", Tensor.ofFloats(Shape.of(2), 10, 20)));

      assertThat(result.get("w_next").shape()).isEqualTo(Shape.of(2));
      assertThat(result.get("w_next").toFloats()).containsExactly(11, 22);
      assertThat(
              session
                  .run(
                      ImmutableMap.of(
                          "w", Tensor.ofFloats(Shape.of(0)), "d", Tensor.ofFloats(Shape.of(0))))
                  .get("w_next")
                  .toFloats())
          .isEmpty();
    }
  }

  @Test
  void aModelThatIsNoModelIsRefusedWithTheMessageOfOnnxRuntime() {
    assertThatThrownBy(() -> ModelSession.open(CPU, new byte[] {1, 2, 3}, SessionConfig.defaults()))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("loading the model")
        .hasMessageContaining("ONNX Runtime says");
  }

  @Test
  void anUnknownOperatorIsNamed() {
    byte[] model =
        new TinyOnnx()
            .input("x", VECTOR)
            .output("y", VECTOR)
            .node(JavaKernel.DOMAIN, "NoSuchKernel", List.of("x"), List.of("y"))
            .build();

    assertThatThrownBy(() -> ModelSession.open(CPU, model, SessionConfig.defaults()))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("NoSuchKernel");
  }

  @Test
  void aBindingThatDoesNotFitIsRefused() {
    try (ModelSession session = ModelSession.open(CPU, addModel(VECTOR), SessionConfig.defaults());
        DeviceState state =
            DeviceState.allocate(CPU, ImmutableMap.of("w", TensorType.of(FLOAT32, 4)))) {
      Binding binding = session.bind();

      assertThatThrownBy(() -> binding.bindInput("w", state.get("w")))
          .isInstanceOf(ManticoreException.class)
          .hasMessage("input 'w' of the model is f32[3], not f32[4]");
      assertThatThrownBy(() -> binding.bindInput("v", state.get("w")))
          .hasMessage("the model has no input 'v'; it has [w, d]");
      assertThatThrownBy(binding::run)
          .isInstanceOf(ManticoreException.class)
          .hasMessageContaining("no output is bound");
    }
  }

  @Test
  void aRunAfterTheStateIsClosedIsRefused() {
    try (ModelSession session = ModelSession.open(CPU, addModel(VECTOR), SessionConfig.defaults());
        Binding binding = session.bind()) {
      try (DeviceState state =
          DeviceState.allocate(CPU, ImmutableMap.of("w", VECTOR, "d", VECTOR))) {
        binding.bindAll(state).bindOutput("w_next", state.get("w"));
      }

      assertThatThrownBy(binding::run)
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("w: f32[3] is closed");
    }
  }

  @Test
  void aProfileIsWrittenWhereAskedFor(@TempDir Path directory) throws Exception {
    SessionConfig config =
        SessionConfig.defaults().withProfilePrefix(directory.resolve("profile").toString());
    try (ModelSession session = ModelSession.open(CPU, addModel(VECTOR), config)) {
      session.run(
          ImmutableMap.of(
              "w", Tensor.ofFloats(Shape.of(3), 1, 2, 3),
              "d", Tensor.ofFloats(Shape.of(3), 1, 2, 3)));

      Path profile = session.finishProfile().orElseThrow();

      assertThat(profile.getParent()).isEqualTo(directory);
      assertThat(Files.readString(profile)).contains("\"op_name\" : \"Add\"");
    }
  }

  @Test
  void aModelIsLoadedFromAFile(@TempDir Path directory) throws Exception {
    Path file = Files.write(directory.resolve("add.onnx"), addModel(VECTOR));

    try (ModelSession session = ModelSession.open(CPU, file, SessionConfig.defaults())) {
      assertThat(session.inputs()).containsKeys("w", "d");
    }
    assertThatThrownBy(
            () -> ModelSession.open(CPU, directory.resolve("none.onnx"), SessionConfig.defaults()))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("none.onnx");
  }

  @Test
  void onTheCpuAllInputsAreReadWhereTheyAre() {
    try (ModelSession session =
        ModelSession.open(CPU, addModel(VECTOR), SessionConfig.defaults())) {
      assertThat(session.inputs()).isNotEmpty();
      assertThat(session.inputsElsewhere()).isEmpty();
    }
  }

  @Test
  void anAbsentDeviceIsRefusedByName() {
    assertThatThrownBy(() -> Devices.byName("cuda:0"))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("'cuda:0'");
  }

  @Test
  void theRuntimeTellsWhatItIs() {
    RuntimeInfo info = RuntimeInfo.read();

    assertThat(info.onnxRuntimeVersion()).startsWith("1.24.");
    assertThat(info.executionProviders()).contains("CPUExecutionProvider");
  }
}
