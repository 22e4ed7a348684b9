package dev.manticore.onnx.huggingface;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Graph;
import dev.manticore.ir.Tensor;
import java.util.Map;
import java.util.Optional;

/** An architecture family with its configurations, parameters and computation. */
interface Family {

  /** What configurations and messages call the family. */
  String name();

  /** Whether a configuration describes a model of this family. */
  boolean recognises(ModelConfig config);

  /**
   * The model that a configuration describes.
   *
   * @throws dev.manticore.ir.ManticoreException {@code MNT-CONFIG} for a value that is not
   *     supported, naming the key
   */
  Architecture architecture(ModelConfig config);

  /** One model of a family, without its parameters' values. */
  interface Architecture {

    /** The parameters that its graph has, in the graph's order. */
    ImmutableList<Parameter> parameters();

    /**
     * What the names of parameters begin with that a checkpoint of the model without its head
     * leaves out; empty where there is no such thing.
     */
    default String base() {
      return "";
    }

    /** Whether a tensor of a checkpoint is a buffer that the computation does not need. */
    boolean isBuffer(String tensor);

    /** The name of the parameter that a stored copy must equal, if the tensor is tied to one. */
    Optional<String> tiedTo(String tensor);

    /**
     * The graph: {@code input_ids} i64[batch,length] to {@code logits} f32[batch,length,V].
     *
     * @param name of the graph and of its nodes' origin
     * @param values exactly the {@link #parameters}, with these names and types
     */
    Graph build(String name, Map<String, Tensor> values);

    /** The configuration to write: every key that matters to the computation is there. */
    ModelConfig completed();
  }
}
