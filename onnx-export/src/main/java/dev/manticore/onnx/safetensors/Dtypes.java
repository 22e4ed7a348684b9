package dev.manticore.onnx.safetensors;

import com.google.common.collect.ImmutableBiMap;
import dev.manticore.ir.ElementType;

/** The names that safetensors gives to element types. */
final class Dtypes {

  static final ImmutableBiMap<String, ElementType> BY_NAME =
      ImmutableBiMap.<String, ElementType>builder()
          .put("F64", ElementType.FLOAT64)
          .put("F32", ElementType.FLOAT32)
          .put("F16", ElementType.FLOAT16)
          .put("BF16", ElementType.BFLOAT16)
          .put("I64", ElementType.INT64)
          .put("I32", ElementType.INT32)
          .put("I16", ElementType.INT16)
          .put("I8", ElementType.INT8)
          .put("U64", ElementType.UINT64)
          .put("U32", ElementType.UINT32)
          .put("U16", ElementType.UINT16)
          .put("U8", ElementType.UINT8)
          .put("BOOL", ElementType.BOOL)
          .buildOrThrow();

  /** The key of the header that holds strings about the file instead of a tensor. */
  static final String METADATA = "__metadata__";

  private Dtypes() {}
}
