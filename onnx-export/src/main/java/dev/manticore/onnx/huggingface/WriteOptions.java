package dev.manticore.onnx.huggingface;

import static com.google.common.base.Preconditions.checkArgument;

/**
 * How checkpoints are written.
 *
 * @param dtype what tensors are stored as
 * @param shardBytes the most bytes of tensors in one file; more are spread over {@code
 *     model-0000i-of-0000n.safetensors}, but a tensor is in one file always
 */
public record WriteOptions(Dtype dtype, long shardBytes) {

  /** As stored, in files of at most 5 GB. */
  public static final WriteOptions DEFAULT = new WriteOptions(Dtype.AS_STORED, 5_000_000_000L);

  public WriteOptions {
    checkArgument(shardBytes > 0, "a shard of %s bytes", shardBytes);
  }

  public WriteOptions withDtype(Dtype other) {
    return new WriteOptions(other, shardBytes);
  }

  public WriteOptions withShardBytes(long bytes) {
    return new WriteOptions(dtype, bytes);
  }
}
