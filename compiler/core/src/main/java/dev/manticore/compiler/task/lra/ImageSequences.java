package dev.manticore.compiler.task.lra;

import com.google.common.collect.ImmutableList;
import com.google.common.primitives.ImmutableIntArray;
import dev.manticore.compiler.data.Sample;
import dev.manticore.compiler.data.TextFiles;
import dev.manticore.compiler.task.Split;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.OptionalInt;

/**
 * Images in grey, row by row, a token a pixel (paper.md §7.4), from CIFAR-10's binary files or
 * MNIST's IDX files. Part of the training images is held out to validate on.
 */
final class ImageSequences extends FileTask {

  /** More than any published file has. */
  private static final int MOST_IMAGES = 1_000_000;

  private static final int CLASSES = 10;
  private static final int CIFAR_WIDTH = 32;
  private static final int CIFAR_PIXELS = CIFAR_WIDTH * CIFAR_WIDTH;
  private static final int CIFAR_RECORD = 1 + 3 * CIFAR_PIXELS;
  private static final int IMAGES_MAGIC = 0x803;
  private static final int LABELS_MAGIC = 0x801;

  /** Images in one file or two. */
  private interface Images {
    int size();

    int width();

    int pixels();

    Sample sample(int index);

    ImmutableList<Path> files();
  }

  private final ImmutableList<Images> training;
  private final Images test;
  private final Division division;

  private ImageSequences(
      LraFiles.Options options, ImmutableList<Images> training, Images test, Path directory) {
    super("image", options);
    this.training = training;
    this.test = test;
    int size = training.stream().mapToInt(Images::size).sum();
    this.division = Division.of(size, options, directory);
    for (Images images : training) {
      if (images.pixels() != test.pixels()) {
        throw new ManticoreException(
            "MNT-DATA", "The images of " + directory + " are not all of one size.");
      }
    }
  }

  static ImageSequences open(Path directory, LraFiles.Options options) {
    if (Files.exists(directory.resolve("train-images-idx3-ubyte"))) {
      return new ImageSequences(
          options,
          ImmutableList.of(Idx.open(directory, "train")),
          Idx.open(directory, "t10k"),
          directory);
    }
    ImmutableList.Builder<Images> training = ImmutableList.builder();
    for (int batch = 1; batch <= 5; batch++) {
      training.add(Cifar.open(directory.resolve("data_batch_" + batch + ".bin")));
    }
    return new ImageSequences(
        options, training.build(), Cifar.open(directory.resolve("test_batch.bin")), directory);
  }

  private static byte[] read(Path file, long position, int length) {
    ByteBuffer bytes = ByteBuffer.allocate(length);
    try (SeekableByteChannel channel = Files.newByteChannel(file)) {
      channel.position(position);
      while (bytes.hasRemaining()) {
        if (channel.read(bytes) < 0) {
          throw bad(file, "ends at byte " + (position + bytes.position()) + ", too early");
        }
      }
      return bytes.array();
    } catch (IOException e) {
      throw TextFiles.unreadable(file, e);
    }
  }

  private static long length(Path file) {
    try {
      return Files.size(file);
    } catch (IOException e) {
      throw TextFiles.unreadable(file, e);
    }
  }

  private static ManticoreException bad(Path file, String reason) {
    return new ManticoreException("MNT-DATA", "The file " + file + " " + reason + ".");
  }

  private static Sample classified(int[] grey, int label, Path file, int index) {
    if (label >= CLASSES) {
      throw bad(file, "has class " + label + " for image " + index + "; there are 0 to 9");
    }
    return Sample.classified(ImmutableIntArray.copyOf(grey), label);
  }

  /** A label, then the red, the green and the blue pixels of an image, and so on. */
  private record Cifar(Path file, int size) implements Images {

    static Cifar open(Path file) {
      long length = length(file);
      long size = length / CIFAR_RECORD;
      if (size == 0 || length % CIFAR_RECORD != 0 || size > MOST_IMAGES) {
        throw bad(
            file,
            "has "
                + length
                + " bytes, not those of 1 to "
                + MOST_IMAGES
                + " records of "
                + CIFAR_RECORD);
      }
      return new Cifar(file, (int) size);
    }

    @Override
    public int width() {
      return CIFAR_WIDTH;
    }

    @Override
    public int pixels() {
      return CIFAR_PIXELS;
    }

    @Override
    public Sample sample(int index) {
      byte[] bytes = read(file, (long) index * CIFAR_RECORD, CIFAR_RECORD);
      int[] grey = new int[CIFAR_PIXELS];
      for (int i = 0; i < grey.length; i++) {
        int red = bytes[1 + i] & 0xFF;
        int green = bytes[1 + CIFAR_PIXELS + i] & 0xFF;
        int blue = bytes[1 + 2 * CIFAR_PIXELS + i] & 0xFF;
        // 0.299, 0.587 and 0.114 in 65536ths, as PIL rounds them.
        grey[i] = (19595 * red + 38470 * green + 7471 * blue + 0x8000) >> 16;
      }
      return classified(grey, bytes[0] & 0xFF, file, index);
    }

    @Override
    public ImmutableList<Path> files() {
      return ImmutableList.of(file);
    }
  }

  /** A file of images and one of labels, each with a header of big-endian numbers. */
  private record Idx(Path images, Path labels, int size, int width, int pixels) implements Images {

    private static final int IMAGES_HEADER = 16;
    private static final int LABELS_HEADER = 8;

    static Idx open(Path directory, String part) {
      Path images = directory.resolve(part + "-images-idx3-ubyte");
      Path labels = directory.resolve(part + "-labels-idx1-ubyte");
      ByteBuffer header = ByteBuffer.wrap(read(images, 0, IMAGES_HEADER));
      int magic = header.getInt();
      int size = header.getInt();
      int rows = header.getInt();
      int columns = header.getInt();
      if (magic != IMAGES_MAGIC
          || size < 1
          || size > MOST_IMAGES
          || rows < 1
          || rows > 1024
          || columns < 1
          || columns > 1024
          || length(images) != IMAGES_HEADER + (long) size * rows * columns) {
        throw bad(images, "is no IDX file of images, of at most 1024 by 1024 bytes each");
      }
      ByteBuffer labelHeader = ByteBuffer.wrap(read(labels, 0, LABELS_HEADER));
      if (labelHeader.getInt() != LABELS_MAGIC
          || labelHeader.getInt() != size
          || length(labels) != LABELS_HEADER + (long) size) {
        throw bad(labels, "is no IDX file of " + size + " labels");
      }
      return new Idx(images, labels, size, columns, rows * columns);
    }

    @Override
    public Sample sample(int index) {
      byte[] bytes = read(images, IMAGES_HEADER + (long) index * pixels, pixels);
      int[] grey = new int[pixels];
      for (int i = 0; i < pixels; i++) {
        grey[i] = bytes[i] & 0xFF;
      }
      return classified(grey, read(labels, LABELS_HEADER + index, 1)[0] & 0xFF, labels, index);
    }

    @Override
    public ImmutableList<Path> files() {
      return ImmutableList.of(images, labels);
    }
  }

  @Override
  ImmutableList<Path> files() {
    ImmutableList.Builder<Path> files = ImmutableList.builder();
    training.forEach(images -> files.addAll(images.files()));
    return files.addAll(test.files()).build();
  }

  @Override
  public int size(Split split) {
    return switch (split) {
      case TRAINING -> division.training().length;
      case VALIDATION -> division.validation().length;
      case TEST -> test.size();
    };
  }

  @Override
  public Sample sample(Split split, int index) {
    Objects.checkIndex(index, size(split));
    if (split == Split.TEST) {
      return test.sample(index);
    }
    int number = (split == Split.TRAINING ? division.training() : division.validation())[index];
    int file = 0;
    while (number >= training.get(file).size()) {
      number -= training.get(file).size();
      file++;
    }
    return training.get(file).sample(number);
  }

  @Override
  public OptionalInt imageWidth() {
    return OptionalInt.of(test.width());
  }

  @Override
  public int vocabularySize() {
    return 256;
  }

  @Override
  public int classes() {
    return CLASSES;
  }

  @Override
  public int longest() {
    return test.pixels();
  }

  @Override
  public String symbol(int token) {
    return Integer.toString(token);
  }
}
