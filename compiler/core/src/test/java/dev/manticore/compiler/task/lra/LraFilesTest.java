package dev.manticore.compiler.task.lra;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.task.SampleSets;
import dev.manticore.compiler.task.Split;
import dev.manticore.compiler.task.Task;
import dev.manticore.compiler.task.lra.LraFiles.Options;
import dev.manticore.ir.ManticoreException;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The published formats, written small. */
class LraFilesTest {

  @TempDir private Path directory;

  private Path write(String name, String text) throws IOException {
    Path file = directory.resolve(name);
    Files.createDirectories(file.getParent());
    return Files.writeString(file, text);
  }

  private Task open(String task) {
    return LraFiles.open(task, directory, Options.of(task));
  }

  private static String read(Task task, Sample sample) {
    return sample.inputs().stream().mapToObj(task::symbol).collect(Collectors.joining(" "));
  }

  private static int label(Sample sample) {
    assertThat(sample.asked()).isEqualTo(1);
    return sample.targets().get(sample.length() - 1);
  }

  private void refused(String task, String message) {
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(
            () -> {
              Task opened = open(task);
              for (Split split : Split.values()) {
                SampleSets.of(opened, split, opened.size(split)).forEach(sample -> {});
              }
            })
        .withMessageContaining(message)
        .satisfies(e -> assertThat(e.code()).isEqualTo("MNT-DATA"));
  }

  private void writeListOps(String line) throws IOException {
    for (String part : List.of("train", "val", "test")) {
      write("basic_" + part + ".tsv", "Source\tTarget\r\n" + line + "\r\n");
    }
  }

  @Test
  void listOps() throws IOException {
    writeListOps("( ( ( [MAX 2 ) ( ( ( [SM 7 ) 8 ) ] ) ) ] )\t5");
    Task task = open("listops");
    assertThat(task.size(Split.VALIDATION)).isEqualTo(1);
    Sample sample = task.sample(Split.TEST, 0);
    assertThat(read(task, sample)).isEqualTo("[MAX 2 [SM 7 8 X X <eos>");
    assertThat(label(sample)).isEqualTo(5);
    assertThat(task.vocabularySize()).isEqualTo(18);
    Task cut = LraFiles.open("listops", directory, new Options(4, 0.1, 1));
    assertThat(read(cut, cut.sample(Split.TEST, 0))).isEqualTo("[MAX 2 [SM <eos>");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "( [MAX 2 ) ] ) 5; Line 2 of; is not an expression, a tab and a digit",
        "( [MAX 2 ) ] )|12; Line 2 of; is not an expression, a tab and a digit",
        "( [MUL 2 ) ] )|1; Line 2 of; has '[MUL', which is no part of an expression",
        "( )|1; Line 2 of; has no expression",
        "<eos>|1; Line 2 of; has '<eos>', which is no part",
      })
  void listOpsLinesThatAreNone(String line, String where, String reason) throws IOException {
    writeListOps(line.replace('|', '\t'));
    refused("listops", where + " " + directory.resolve("basic_train.tsv") + " " + reason);
  }

  @Test
  void listOpsFilesThatAreNone() throws IOException {
    refused("listops", directory.resolve("basic_train.tsv") + ": there is no such file");
    writeListOps("5\t5");
    write("basic_val.tsv", "5\t5\n");
    refused("listops", "Line 1 of " + directory.resolve("basic_val.tsv") + " is not the header");
    write("basic_val.tsv", "Source\tTarget\n\n");
    refused("listops", "is followed by no sample");
    write("basic_val.tsv", "\n");
    refused("listops", "There are no lines in");
  }

  @Test
  void textInDirectories() throws IOException {
    for (int i = 0; i < 10; i++) {
      write("train/pos/" + i + "_9.txt", "good \u00e9" + i);
      write("train/neg/" + i + "_1.txt", "bad" + i);
      write("train/unsup/" + i + "_0.txt", "?");
    }
    write("train/urls_pos.txt", "http");
    write("test/pos/0_10.txt", "fine");
    write("test/neg/0_3.txt", "x".repeat(5000));
    Task task = open("text");
    assertThat(task.size(Split.TRAINING)).isEqualTo(18);
    assertThat(task.size(Split.VALIDATION)).isEqualTo(2);
    assertThat(task.size(Split.TEST)).isEqualTo(2);
    assertThat(task.classes()).isEqualTo(2);
    Set<String> texts = new HashSet<>();
    for (Split split : List.of(Split.TRAINING, Split.VALIDATION)) {
      SampleSets.of(task, split, task.size(split))
          .forEach(
              sample -> {
                String text = read(task, sample);
                assertThat(texts.add(text)).isTrue();
                assertThat(text).startsWith(label(sample) == 1 ? "g o o d x20 xc3 xa9 " : "b a d ");
                assertThat(text).endsWith(" <eos>");
              });
    }
    assertThat(texts).hasSize(20);
    Sample long1 = task.sample(Split.TEST, 0);
    assertThat(long1.length()).isEqualTo(2048);
    assertThat(label(long1)).isZero();
    assertThat(read(task, task.sample(Split.TEST, 1))).isEqualTo("f i n e <eos>");
    assertThat(LraFiles.open("text", directory, new Options(2048, 0.1, 2)).fingerprint())
        .isNotEqualTo(task.fingerprint());
  }

  @Test
  void textInTables() throws IOException {
    write("train.tsv", "pos\tvery\tgood\nneg\tbad\npos\tnice\n");
    write("test.tsv", "neg\tawful\n");
    write("validation.tsv", "pos\tfine\n\nneg\tpoor\n");
    Task task = open("text");
    assertThat(task.size(Split.TRAINING)).isEqualTo(3);
    assertThat(task.size(Split.VALIDATION)).isEqualTo(2);
    assertThat(read(task, task.sample(Split.TRAINING, 0))).isEqualTo("v e r y x09 g o o d <eos>");
    assertThat(label(task.sample(Split.TRAINING, 0))).isEqualTo(1);
    assertThat(read(task, task.sample(Split.VALIDATION, 1))).isEqualTo("p o o r <eos>");
    assertThat(label(task.sample(Split.VALIDATION, 1))).isZero();
    assertThat(task.vocabularySize()).isEqualTo(259);
  }

  @Test
  void textThatIsNone() throws IOException {
    refused("text", "Cannot list the directory " + directory.resolve("train"));
    write("train/pos/0.txt", "a");
    write("test/pos/0.txt", "a");
    refused("text", "are of one class: [pos]");
    write("train/neg/0.txt", "");
    write("test/other/0.txt", "a");
    refused("text", "is of class 'other', which no training text has");
    Files.delete(directory.resolve("test/other/0.txt"));
    refused("text", "0.txt has no text");
    write("train.tsv", "pos\ta\nbad\n");
    write("test.tsv", "pos\ta\n");
    refused("text", "Line 2 of " + directory.resolve("train.tsv") + " is not a class of at most");
    write("train.tsv", "pos\ta\nneg\tb\n");
    write("test.tsv", "\n\nmaybe\ta\n");
    refused("text", "Line 3 of " + directory.resolve("test.tsv") + " is of class 'maybe'");
  }

  private void writePairs(String line) throws IOException {
    for (String part : List.of("train", "eval", "test")) {
      write("new_aan_pairs." + part + ".tsv", line);
    }
  }

  @Test
  void retrieval() throws IOException {
    writePairs("1.0\tP00-1\tP00-2\tab\tcde\n0\tP1\tP2\tx\t" + "y".repeat(5000) + "\n");
    Task task = open("retrieval");
    assertThat(task.size(Split.TEST)).isEqualTo(2);
    assertThat(read(task, task.sample(Split.TEST, 0))).isEqualTo("a b <eos> c d e <eos>");
    assertThat(label(task.sample(Split.TEST, 0))).isEqualTo(1);
    assertThat(task.sample(Split.TEST, 1).length()).isEqualTo(2 + 4000);
    assertThat(label(task.sample(Split.TEST, 1))).isZero();
    assertThat(task.longest()).isEqualTo(8000);
  }

  @Test
  void pairsThatAreNone() throws IOException {
    writePairs("1.0\tP00-1\tP00-2\tab\n");
    refused("retrieval", "has 4 columns, not a label, two ids and two texts");
    writePairs("1\ta\tb\tc\td\n2\ta\tb\tc\td\n");
    refused("retrieval", "Line 2 of " + directory.resolve("new_aan_pairs.train.tsv"));
  }

  private static byte[] cifar(int... labels) {
    byte[] bytes = new byte[labels.length * 3073];
    for (int i = 0; i < labels.length; i++) {
      bytes[3073 * i] = (byte) labels[i];
      Arrays.fill(bytes, 3073 * i + 1, 3073 * i + 1025, (byte) (200 + labels[i]));
      Arrays.fill(bytes, 3073 * i + 1025, 3073 * i + 2049, (byte) 100);
      bytes[3073 * i + 2049] = (byte) 255;
    }
    return bytes;
  }

  @Test
  void cifarInGrey() throws IOException {
    for (int batch = 1; batch <= 5; batch++) {
      Files.write(directory.resolve("data_batch_" + batch + ".bin"), cifar(batch, batch + 4));
    }
    Files.write(directory.resolve("test_batch.bin"), cifar(0, 3));
    Task task = open("image");
    assertThat(task.size(Split.TRAINING)).isEqualTo(9);
    assertThat(task.size(Split.VALIDATION)).isEqualTo(1);
    Sample sample = task.sample(Split.TEST, 1);
    assertThat(sample.length()).isEqualTo(1024);
    assertThat(label(sample)).isEqualTo(3);
    // .299 * 203 + .587 * 100 + .114 * 255 = 148.467; without blue 119.397.
    assertThat(sample.inputs().get(0)).isEqualTo(148);
    assertThat(sample.inputs().subArray(1, 1024).stream().distinct().toArray())
        .containsExactly(119);
    List<Integer> labels =
        IntStream.range(0, 9).mapToObj(i -> label(task.sample(Split.TRAINING, i))).toList();
    assertThat(labels).doesNotContain(label(task.sample(Split.VALIDATION, 0)));
    assertThat(new HashSet<>(labels)).hasSizeGreaterThan(7);

    Files.write(directory.resolve("data_batch_3.bin"), new byte[3072]);
    refused("image", "has 3072 bytes, not those of 1 to 1000000 records of 3073");
    Files.write(directory.resolve("data_batch_3.bin"), cifar(10));
    refused("image", "data_batch_3.bin has class 10 for image 0");
    Files.delete(directory.resolve("data_batch_3.bin"));
    refused("image", "data_batch_3.bin: there is no such file");
  }

  private void writeIdx(String part, int... labels) throws IOException {
    ByteArrayOutputStream images = new ByteArrayOutputStream();
    ByteArrayOutputStream numbers = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(images);
    for (int value : new int[] {0x803, labels.length, 2, 3}) {
      out.writeInt(value);
    }
    DataOutputStream labelOut = new DataOutputStream(numbers);
    labelOut.writeInt(0x801);
    labelOut.writeInt(labels.length);
    for (int label : labels) {
      labelOut.writeByte(label);
      for (int pixel = 0; pixel < 6; pixel++) {
        out.writeByte(250 + pixel - label);
      }
    }
    Files.write(directory.resolve(part + "-images-idx3-ubyte"), images.toByteArray());
    Files.write(directory.resolve(part + "-labels-idx1-ubyte"), numbers.toByteArray());
  }

  @Test
  void mnist() throws IOException {
    writeIdx("train", 1, 2, 3, 4);
    writeIdx("t10k", 9, 5);
    Task task = open("image");
    assertThat(task.size(Split.TRAINING)).isEqualTo(3);
    Sample sample = task.sample(Split.TEST, 0);
    assertThat(SampleSets.inputs(sample)).containsExactly(241, 242, 243, 244, 245, 246);
    assertThat(label(sample)).isEqualTo(9);

    byte[] images = Files.readAllBytes(directory.resolve("t10k-images-idx3-ubyte"));
    Files.write(directory.resolve("t10k-images-idx3-ubyte"), Arrays.copyOf(images, 20));
    refused("image", "t10k-images-idx3-ubyte is no IDX file of images");
    Files.write(directory.resolve("t10k-images-idx3-ubyte"), new byte[5]);
    refused("image", "t10k-images-idx3-ubyte ends at byte 5, too early");
    writeIdx("t10k", 9, 5);
    Files.write(directory.resolve("t10k-labels-idx1-ubyte"), new byte[20]);
    refused("image", "t10k-labels-idx1-ubyte is no IDX file of 2 labels");
  }

  @Test
  void whatIsAskedForIsChecked() {
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> LraFiles.open("pathfinder", directory, Options.of("text")))
        .withMessageContaining("There is no LRA task 'pathfinder' that reads files");
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> LraFiles.open("text", directory.resolve("no"), Options.of("text")))
        .withMessageContaining("There is no directory");
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> new Options(1, 0.1, 1))
        .withMessageContaining("must be from 2");
    assertThatExceptionOfType(ManticoreException.class)
        .isThrownBy(() -> new Options(10, 1, 1))
        .withMessageContaining("below 1");
  }
}
