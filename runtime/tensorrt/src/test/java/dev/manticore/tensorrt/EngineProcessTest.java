package dev.manticore.tensorrt;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** What can be told without a device; with one, engines are tested by {@code manticore engine}. */
class EngineProcessTest {

  @Test
  void whereThereIsNoDeviceItSaysWhatIsMissing() throws IOException {
    ObjectNode answer = EngineProcess.answer("{\"command\": \"probe\"}");

    if (answer.has("platform")) {
      assertThat(answer.get("platform").get("compute_capability").asText()).matches("\\d+\\.\\d+");
    } else {
      assertThat(answer.get("unavailable").asText())
          .containsAnyOf("mvn -Ptensorrt package", "NVIDIA driver", "no CUDA device", "cuDNN");
    }
  }

  @Test
  void aRequestThatIsNoneIsRefused() throws IOException {
    assertThat(EngineProcess.answer("{").get("refused").asText()).contains("not well formed");
  }
}
