package dev.manticore.onnx.huggingface;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Shape;
import dev.manticore.onnx.huggingface.Parameter.Initializer;

/** The parameters of a model in the making, in the order of its graph. */
final class ParameterList {

  private final ImmutableList.Builder<Parameter> all = ImmutableList.builder();

  ParameterList add(String name, Initializer initializer, long... extents) {
    all.add(new Parameter(name, Shape.of(extents), initializer));
    return this;
  }

  /** The weight of a module. */
  ParameterList weight(String module, Initializer initializer, long... extents) {
    return add(module + ".weight", initializer, extents);
  }

  /** The bias of a module, drawn as zeros. */
  ParameterList bias(String module, long size) {
    return add(module + ".bias", Initializer.constant(0), size);
  }

  /** Scale and shift of a layer normalisation, drawn as ones and zeros. */
  ParameterList layerNorm(String module, long size) {
    return weight(module, Initializer.constant(1), size).bias(module, size);
  }

  ImmutableList<Parameter> build() {
    return all.build();
  }
}
