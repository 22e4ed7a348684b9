package dev.manticore.onnx.huggingface;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.collect.ImmutableMap;
import dev.manticore.ir.ManticoreException;
import dev.manticore.testdata.fuzz.Fuzzer;
import dev.manticore.testdata.fuzz.Mutator;
import dev.manticore.testdata.fuzz.TokenMutator;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

class ConfigFuzzTest {

  private static final List<String> DICTIONARY =
      List.of(
          "\"model_type\"",
          "\"gpt2\"",
          "\"gpt_neo\"",
          "\"gpt_neox\"",
          "\"mamba\"",
          "\"mamba2\"",
          "\"hidden_size\"",
          "\"num_layers\"",
          "\"num_hidden_layers\"",
          "\"n_layer\"",
          "\"d_model\"",
          "\"vocab_size\"",
          "\"attention_types\"",
          "\"intermediate_size\"",
          "\"rotary_pct\"",
          "\"rope_scaling\"",
          "\"expand\"",
          "\"ssm_cfg\"",
          "Infinity",
          "-Infinity",
          "NaN",
          "null",
          "true",
          "false",
          "\"auto\"",
          "\"relu\"",
          "[",
          "{",
          "[]",
          "{}",
          "1e400",
          "0.1",
          "-1",
          ",",
          ":",
          "\"\"");

  @Test
  void textOfAnyKindIsAConfigurationOrATypedError() {
    Mutator mutator =
        Mutator.anyOf(new TokenMutator(DICTIONARY), new TokenMutator(DICTIONARY), Mutator.bytes());
    long executions =
        new Fuzzer("config", ManticoreException.class, mutator, Fuzzer.files("config"))
            .run(
                input ->
                    // Up to the tensors that the model needs, of which there are none.
                    Models.build(
                        "m",
                        new Checkpoint(
                            Path.of("m"),
                            ModelConfig.parse("config.json", new String(input, UTF_8)),
                            Path.of("w"),
                            ImmutableMap.of())));

    assertThat(executions).isPositive();
  }
}
