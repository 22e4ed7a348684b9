package dev.manticore.compiler.doctor;

import static java.util.Objects.requireNonNull;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableMap;
import com.sun.management.OperatingSystemMXBean;
import dev.manticore.compiler.doctor.Finding.Verdict;
import dev.manticore.runtime.Devices;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.onnxruntime.OrtApiBase;
import org.bytedeco.onnxruntime.global.onnxruntime;

/** Looks at the JDK, the processor, memory, disk, GPU and native libraries. */
public final class Doctor {

  private static final long MEBIBYTE = 1L << 20;
  private static final long LITTLE_DISK = 2048 * MEBIBYTE;
  private static final long LITTLE_MEMORY = 2048 * MEBIBYTE;
  private static final String SMALLEST_TOKENIZER =
      "{\"version\":\"1.0\",\"added_tokens\":[],"
          + "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}";

  private final Path work;

  /**
   * @param work the work directory, which need not exist
   */
  public Doctor(Path work) {
    this.work = requireNonNull(work, "work").toAbsolutePath().normalize();
  }

  /** Everything found, in a fixed order. */
  public ImmutableList<Finding> examine() {
    return ImmutableList.of(
        jdk(),
        vectors(),
        processor(),
        memory(),
        disk(),
        gpu(),
        devices(),
        onnxRuntime(),
        tokenizers());
  }

  /** What else than the processor this build can train on. */
  private static Finding devices() {
    try {
      ImmutableList<String> others = Devices.describeOthers();
      return new Finding(
          "Devices",
          Verdict.GOOD,
          others.isEmpty()
              ? "cpu; this build has no other (docs/cuda.md)"
              : "cpu; " + String.join("; ", others));
    } catch (LinkageError | RuntimeException e) {
      return new Finding("Devices", Verdict.NOTE, "cpu; looking for others failed: " + reason(e));
    }
  }

  private static Finding jdk() {
    String detail =
        String.format(
            "%s, %s (%s)",
            Runtime.version(), System.getProperty("java.vendor"), System.getProperty("java.home"));
    return new Finding("JDK", Verdict.GOOD, detail);
  }

  private static Finding vectors() {
    boolean present = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
    return present
        ? new Finding("Vector API", Verdict.GOOD, "jdk.incubator.vector is there")
        : new Finding(
            "Vector API",
            Verdict.NOTE,
            "jdk.incubator.vector is not there; kernels run as plain loops, more slowly");
  }

  private static Finding processor() {
    String detail =
        String.format(
            "%d cores, %s%s",
            Runtime.getRuntime().availableProcessors(),
            System.getProperty("os.arch"),
            processorModel().map(model -> ", " + model).orElse(""));
    return new Finding("Processor", Verdict.GOOD, detail);
  }

  private static Optional<String> processorModel() {
    try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
      List<String> wanted =
          lines
              .filter(line -> line.startsWith("model name") || line.startsWith("flags"))
              .limit(2)
              .toList();
      String model =
          wanted.stream()
              .filter(line -> line.startsWith("model name"))
              .map(line -> line.substring(line.indexOf(':') + 1).strip())
              .findFirst()
              .orElse("");
      String flags = " " + String.join(" ", wanted) + " ";
      String simd =
          Stream.of("avx2", "fma", "avx512f", "amx_tile")
              .filter(flag -> flags.contains(" " + flag + " "))
              .collect(Collectors.joining(" "));
      String text =
          Stream.of(model, simd).filter(s -> !s.isEmpty()).collect(Collectors.joining("; "));
      return text.isEmpty() ? Optional.empty() : Optional.of(text);
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  private static Finding memory() {
    OperatingSystemMXBean system = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
    long total = system.getTotalMemorySize();
    String detail =
        String.format(
            "%s, %s of it free; the Java heap may take %s",
            size(total), size(system.getFreeMemorySize()), size(Runtime.getRuntime().maxMemory()));
    return new Finding("Memory", total < LITTLE_MEMORY ? Verdict.NOTE : Verdict.GOOD, detail);
  }

  private Finding disk() {
    Path existing = work;
    while (!Files.exists(existing)) {
      existing = existing.getParent();
    }
    try {
      long free = Files.getFileStore(existing).getUsableSpace();
      if (!Files.isWritable(existing) || !Files.isDirectory(existing)) {
        return new Finding(
            "Work directory",
            Verdict.PROBLEM,
            String.format("%s cannot be written; choose another with --work", work));
      }
      String detail = String.format("%s, %s free", work, size(free));
      return new Finding(
          "Work directory", free < LITTLE_DISK ? Verdict.NOTE : Verdict.GOOD, detail);
    } catch (IOException e) {
      return new Finding("Work directory", Verdict.PROBLEM, work + ": " + e.getMessage());
    }
  }

  private static Finding gpu() {
    Optional<String> found =
        output(
            "nvidia-smi",
            "--query-gpu=name,memory.total,driver_version,compute_cap",
            "--format=csv,noheader");
    if (found.isPresent()) {
      return new Finding(
          "GPU", Verdict.GOOD, found.get().replace(System.lineSeparator(), "; ").strip());
    }
    Path driver = Path.of("/proc/driver/nvidia/version");
    if (Files.isReadable(driver)) {
      return new Finding(
          "GPU",
          Verdict.NOTE,
          "an NVIDIA driver is loaded but nvidia-smi does not answer; the processor is used");
    }
    return new Finding("GPU", Verdict.NOTE, "no NVIDIA GPU; the processor is used");
  }

  /** What a command printed, if it is there and succeeds within ten seconds. */
  private static Optional<String> output(String... command) {
    try {
      Path file = Files.createTempFile("manticore-doctor", ".txt");
      try {
        Process process =
            new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(file.toFile())
                .start();
        boolean ended = process.waitFor(10, TimeUnit.SECONDS);
        if (!ended) {
          process.destroyForcibly();
          return Optional.empty();
        }
        String text = Files.readString(file, StandardCharsets.UTF_8).strip();
        return process.exitValue() == 0 && !text.isEmpty() ? Optional.of(text) : Optional.empty();
      } finally {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      return Optional.empty();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return Optional.empty();
    }
  }

  private static Finding onnxRuntime() {
    try {
      Loader.load(onnxruntime.class);
      OrtApiBase base = onnxruntime.OrtGetApiBase();
      return new Finding(
          "ONNX Runtime",
          Verdict.GOOD,
          base.GetVersionString().call().getString() + ", " + Loader.getPlatform());
    } catch (LinkageError | RuntimeException e) {
      return new Finding(
          "ONNX Runtime",
          Verdict.PROBLEM,
          String.format(
              "its native library does not load on %s: %s", Loader.getPlatform(), reason(e)));
    }
  }

  private static Finding tokenizers() {
    byte[] smallest = SMALLEST_TOKENIZER.getBytes(StandardCharsets.UTF_8);
    try (HuggingFaceTokenizer tokenizer =
        HuggingFaceTokenizer.newInstance(
            new ByteArrayInputStream(smallest), ImmutableMap.<String, String>of())) {
      long tokens = tokenizer.encode("a").getIds().length;
      return new Finding(
          "Tokenizers",
          tokens > 0 ? Verdict.GOOD : Verdict.PROBLEM,
          tokens > 0 ? "the native library loads" : "the native library does not tokenize");
    } catch (IOException | LinkageError | RuntimeException e) {
      return new Finding(
          "Tokenizers", Verdict.PROBLEM, "the native library does not load: " + reason(e));
    }
  }

  /** The innermost message: libraries wrap what the system's loader said. */
  private static String reason(Throwable thrown) {
    Throwable innermost = thrown;
    while (innermost.getCause() != null) {
      innermost = innermost.getCause();
    }
    return innermost.getMessage() == null
        ? innermost.getClass().getSimpleName()
        : innermost.getMessage();
  }

  private static String size(long bytes) {
    double gibibytes = bytes / (1024.0 * MEBIBYTE);
    return gibibytes < 10
        ? String.format(Locale.ROOT, "%.1f GiB", gibibytes)
        : String.format(Locale.ROOT, "%.0f GiB", gibibytes);
  }
}
