package dev.manticore.compiler.pipeline;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class WorkLockTest {

  @TempDir private Path directory;

  @Test
  void isHeldOnceWhileTheDirectoryIsClearedToo() throws IOException {
    WorkLock lock = WorkLock.take(directory);
    Files.writeString(directory.resolve("file"), "old");
    Files.createDirectories(directory.resolve("deep/er"));
    Files.writeString(directory.resolve("deep/er/file"), "old");

    lock.clear();
    assertThat(directory).isDirectoryNotContaining(path -> !path.endsWith(".lock"));
    assertThatThrownBy(() -> WorkLock.take(directory))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("is using " + directory)
        .extracting(e -> ((ManticoreException) e).code())
        .isEqualTo("MNT-BUSY");

    lock.close();
    WorkLock.take(directory).close();
  }
}
