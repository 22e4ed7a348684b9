package dev.manticore.onnx.io;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ForeignFormatsTest {

  @TempDir private Path directory;

  private Path file(String bytes) throws IOException {
    return Files.write(directory.resolve("file"), bytes.getBytes(StandardCharsets.ISO_8859_1));
  }

  @Test
  void aHeaderOfASizeThatLooksLikeAPickleIsNone() throws IOException {
    assertThat(ForeignFormats.advice(file("\u0080\2\0\0\0\0\0\0{\"a\":{}}"))).isEmpty();
    assertThat(ForeignFormats.advice(file("\u0080\2}q\0(X\5\0\0\0")))
        .hasValueSatisfying(advice -> assertThat(advice).startsWith("is a pickle"));
  }

  @Test
  void aHeaderOfASizeThatLooksLikeAnArchiveIsNone() throws IOException {
    assertThat(ForeignFormats.advice(file("\u001f\u008b\0\0\0\0\0\0{\"a\":{}}"))).isEmpty();
    assertThat(ForeignFormats.advice(file("\u001f\u008b\10\0\0\0\0\0\0\3")))
        .hasValueSatisfying(advice -> assertThat(advice).startsWith("is an archive"));
  }
}
