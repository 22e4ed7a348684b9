package dev.manticore.compiler.task.lra;

/** An image of one number a pixel, by row and column, at least 0. Drawn alike on every machine. */
final class Raster {

  final int height;
  final int width;
  private final double[] pixels;

  Raster(int height, int width) {
    this.height = height;
    this.width = width;
    this.pixels = new double[height * width];
  }

  boolean contains(int y, int x) {
    return y >= 0 && y < height && x >= 0 && x < width;
  }

  double get(int y, int x) {
    return pixels[y * width + x];
  }

  void set(int y, int x, double value) {
    pixels[y * width + x] = value;
  }

  Raster copy() {
    Raster copy = new Raster(height, width);
    System.arraycopy(pixels, 0, copy.pixels, 0, pixels.length);
    return copy;
  }

  double most() {
    double most = 0;
    for (double pixel : pixels) {
      most = Math.max(most, pixel);
    }
    return most;
  }

  /** Takes over, pixel by pixel, what is larger in an image of the same size. */
  void merge(Raster other) {
    for (int i = 0; i < pixels.length; i++) {
      pixels[i] = Math.max(pixels[i], other.pixels[i]);
    }
  }

  /**
   * Takes over what is larger in a stamp of odd sides whose middle is put to a place, each pixel
   * multiplied by {@code scale}; what lies outside is lost.
   */
  void merge(Raster stamp, int y, int x, double scale) {
    for (int row = 0; row < stamp.height; row++) {
      for (int column = 0; column < stamp.width; column++) {
        int toY = y + row - stamp.height / 2;
        int toX = x + column - stamp.width / 2;
        if (contains(toY, toX)) {
          set(toY, toX, Math.max(get(toY, toX), scale * stamp.get(row, column)));
        }
      }
    }
  }

  /** The frame, so many pixels wide, set to 1. */
  void frame(int border) {
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        if (Math.min(Math.min(y, height - 1 - y), Math.min(x, width - 1 - x)) < border) {
          set(y, x, 1);
        }
      }
    }
  }

  /** The largest pixel within a distance of one. */
  double mostNear(int y, int x, int radius) {
    double most = 0;
    for (int dy = -radius; dy <= radius; dy++) {
      for (int dx = -radius; dx <= radius; dx++) {
        if (dy * dy + dx * dx <= radius * radius && contains(y + dy, x + dx)) {
          most = Math.max(most, get(y + dy, x + dx));
        }
      }
    }
    return most;
  }

  /** Each pixel the largest within a distance of it. */
  Raster dilated(int radius) {
    Raster dilated = new Raster(height, width);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        dilated.set(y, x, mostNear(y, x, radius));
      }
    }
    return dilated;
  }

  /** Sets the pixels nearest to a straight line to 1 (Bresenham). */
  void line(int fromY, int fromX, int toY, int toX) {
    int dy = Math.abs(toY - fromY);
    int dx = Math.abs(toX - fromX);
    int y = fromY;
    int x = fromX;
    int error = dx - dy;
    set(y, x, 1);
    while (y != toY || x != toX) {
      int twice = 2 * error;
      if (twice > -dy) {
        error -= dy;
        x += Integer.signum(toX - fromX);
      }
      if (twice < dx) {
        error += dx;
        y += Integer.signum(toY - fromY);
      }
      set(y, x, 1);
    }
  }

  /** A smaller image, by Lanczos' filter of three lobes, in 256 steps from 0 to 1. */
  Raster reduced(int toHeight, int toWidth) {
    double[][] down = weights(height, toHeight);
    double[][] across = weights(width, toWidth);
    Raster narrow = new Raster(height, toWidth);
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < toWidth; x++) {
        double sum = 0;
        for (int from = 0; from < width; from++) {
          sum += across[x][from] * get(y, from);
        }
        narrow.set(y, x, sum);
      }
    }
    Raster reduced = new Raster(toHeight, toWidth);
    for (int y = 0; y < toHeight; y++) {
      for (int x = 0; x < toWidth; x++) {
        double sum = 0;
        for (int from = 0; from < height; from++) {
          sum += down[y][from] * narrow.get(from, x);
        }
        reduced.set(y, x, Math.rint(255 * Math.min(1, Math.max(0, sum))) / 255);
      }
    }
    return reduced;
  }

  /** For each pixel of the smaller side, how much of each pixel of the larger goes into it. */
  private static double[][] weights(int from, int to) {
    double scale = (double) from / to;
    double[][] weights = new double[to][from];
    for (int i = 0; i < to; i++) {
      double center = (i + 0.5) * scale;
      double sum = 0;
      for (int j = 0; j < from; j++) {
        weights[i][j] = lanczos((j + 0.5 - center) / scale);
        sum += weights[i][j];
      }
      for (int j = 0; j < from; j++) {
        weights[i][j] /= sum;
      }
    }
    return weights;
  }

  private static double lanczos(double x) {
    if (x == 0) {
      return 1;
    }
    double angle = Math.PI * x;
    return Math.abs(x) >= 3
        ? 0
        : 3 * StrictMath.sin(angle) * StrictMath.sin(angle / 3) / (angle * angle);
  }
}
