package dev.manticore.compiler.artifact;

import static org.assertj.core.api.Assertions.assertThat;

import dev.manticore.compiler.TinyHybrid;
import dev.manticore.compiler.data.DatasetSplit;
import dev.manticore.compiler.data.PlainText;
import dev.manticore.compiler.data.TokenDataset;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.io.AtomicFiles;
import dev.manticore.onnx.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HeldOutInputsTest {

  @TempDir private Path directory;

  @Test
  void areTheFirstSequencesWholeHalvedAndTheirFirstToken() {
    Path text = directory.resolve("text");
    AtomicFiles.writeString(text, "the cat sat on the mat. ".repeat(200));
    TokenDataset heldOut;
    try (Tokenizer tokenizer = Tokenizer.load(TinyHybrid.in(directory).tokenizer())) {
      heldOut =
          DatasetSplit.of(
                  new PlainText(text, PlainText.Splitting.END_OF_TEXT),
                  tokenizer,
                  new DatasetSplit.Options(7, tokenizer.vocabularySize(), 0.5, 1))
              .heldOut();
    }

    List<Tensor> inputs = HeldOutInputs.of(heldOut, 3);

    assertThat(inputs)
        .extracting(ids -> ids.shape().toString())
        .containsExactly("[3,7]", "[3,4]", "[1,1]");
    long[] whole = heldOut.batch(0, 1, 2).inputs();
    assertThat(inputs.get(0).toLongs()).isEqualTo(whole);
    assertThat(Arrays.copyOfRange(inputs.get(1).toLongs(), 4, 8))
        .isEqualTo(Arrays.copyOfRange(whole, 7, 11));
    assertThat(inputs.get(2).toLongs()).containsExactly(whole[0]);
  }
}
