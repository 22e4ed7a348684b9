package dev.manticore.compiler.task.lra;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.primitives.Bytes;
import com.google.common.primitives.Ints;
import dev.manticore.compiler.task.SampleSets;
import dev.manticore.compiler.task.Split;
import dev.manticore.compiler.task.Task;
import dev.manticore.ir.ManticoreException;
import dev.manticore.testdata.fuzz.Fuzzer;
import dev.manticore.testdata.fuzz.Mutator;
import dev.manticore.testdata.fuzz.TokenMutator;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LraFilesFuzzTest {

  private static final List<String> DICTIONARY =
      List.of(
          "Source\tTarget\n",
          "[MIN ",
          "[MAX",
          "[MED",
          "[SM",
          "]",
          "(",
          ") ",
          "X",
          "7",
          "<eos>",
          "1.0\t",
          "0\t",
          "pos\t",
          "neg\t",
          "\t",
          "\t\t\t\t",
          "\n",
          "\r\n",
          "\n\n",
          " ",
          "\0",
          "\u00e9");

  @TempDir private Path directory;

  /** Files of all these names are the one input. */
  private Path linked(String... names) throws IOException {
    Path input = Files.createFile(directory.resolve("input"));
    for (String name : names) {
      Files.createSymbolicLink(directory.resolve(name), input);
    }
    return input;
  }

  private void read(String task) {
    Task opened = LraFiles.open(task, directory, LraFiles.Options.of(task));
    for (Split split : Split.values()) {
      SampleSets.of(opened, split, opened.size(split))
          .forEach(sample -> assertThat(sample.length()).isLessThanOrEqualTo(opened.longest()));
    }
  }

  @Test
  void linesOfAnyKindAreSamplesOrATypedError() throws IOException {
    Path input =
        linked(
            "basic_train.tsv",
            "basic_val.tsv",
            "basic_test.tsv",
            "train.tsv",
            "test.tsv",
            "new_aan_pairs.train.tsv",
            "new_aan_pairs.eval.tsv",
            "new_aan_pairs.test.tsv");
    List<byte[]> seeds =
        List.of(
            bytes("Source\tTarget\n( ( ( [MAX 2 ) ( ( ( [SM 7 ) 8 ) ] ) ) ] )\t5\n3\t3\n"),
            bytes("pos\tgood\nneg\tbad\npos\tnice\n"),
            bytes("1.0\tP00-1\tP00-2\tab\tcde\n0\tP1\tP2\tx\ty\n"));
    Mutator mutator =
        Mutator.anyOf(new TokenMutator(DICTIONARY), new TokenMutator(DICTIONARY), Mutator.bytes());
    long executions =
        new Fuzzer("lra-lines", ManticoreException.class, mutator, seeds)
            .run(
                bytes -> {
                  Files.write(input, bytes);
                  ManticoreException last = null;
                  for (String task : List.of("listops", "text", "retrieval")) {
                    try {
                      read(task);
                    } catch (ManticoreException e) {
                      last = e;
                    }
                  }
                  if (last != null) {
                    throw last;
                  }
                });

    assertThat(executions).isPositive();
  }

  @Test
  void imagesOfAnyKindAreSamplesOrATypedError() throws IOException {
    Path input =
        linked(
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte");
    Path labels = Files.write(directory.resolve("labels"), idx(0x801, new int[] {2}, 3, 9));
    for (String part : List.of("train", "t10k")) {
      Path link = directory.resolve(part + "-labels-idx1-ubyte");
      Files.delete(link);
      Files.createSymbolicLink(link, labels);
    }
    Mutator mutator = Mutator.bytes();
    List<byte[]> seeds = List.of(idx(0x803, new int[] {2, 1, 3}, 1, 2, 3, 4, 5, 6));
    long executions =
        new Fuzzer("lra-images", ManticoreException.class, mutator, seeds)
            .run(
                bytes -> {
                  Files.write(input, bytes);
                  read("image");
                });

    assertThat(executions).isPositive();
  }

  private static byte[] idx(int magic, int[] extents, int... contents) {
    byte[] bytes = Ints.toByteArray(magic);
    for (int extent : extents) {
      bytes = Bytes.concat(bytes, Ints.toByteArray(extent));
    }
    for (int content : contents) {
      bytes = Bytes.concat(bytes, new byte[] {(byte) content});
    }
    return bytes;
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
