package dev.manticore.cli;

import dev.manticore.onnx.huggingface.Dtype;
import dev.manticore.onnx.huggingface.WriteOptions;
import picocli.CommandLine.Option;

/** How checkpoints are written: the options of the verbs that write some. */
final class CheckpointOptions {

  @Option(
      names = "--dtype",
      paramLabel = "NAME",
      description =
          "What weights are stored as: float32, float16 or bfloat16 (default: as they came, which"
              + " is float32 for new ones).")
  private Dtype dtype = Dtype.AS_STORED;

  @Option(
      names = "--max-shard-size",
      paramLabel = "SIZE",
      converter = ByteSizeConverter.class,
      description =
          "The most bytes of weights in one file, such as 500MB or 2GiB; more are spread over"
              + " several (default: 5GB).")
  private long shardBytes = WriteOptions.DEFAULT.shardBytes();

  WriteOptions options() {
    return new WriteOptions(dtype, shardBytes);
  }
}
