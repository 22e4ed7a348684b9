package dev.manticore.onnx.huggingface;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.Value;
import java.util.Arrays;

/** Activation functions by the names that Hugging Face's configurations have for them. */
enum Activation {
  /** x·Φ(x), with the error function. */
  GELU("gelu", "gelu_python") {
    @Override
    Value apply(Network network, Value x) {
      return network.op("Gelu", x);
    }
  },
  /** The approximation with tanh, which several names spell differently. */
  GELU_TANH("gelu_new", "gelu_fast", "gelu_pytorch_tanh", "gelu_accurate") {
    @Override
    Value apply(Network network, Value x) {
      return network.op("Gelu", Attributes.of("approximate", Attribute.of("tanh")), x);
    }
  },
  /** x·σ(1.702·x). */
  QUICK_GELU("quick_gelu") {
    @Override
    Value apply(Network network, Value x) {
      Value scaled = network.op("Mul", x, network.constant(Tensor.scalar(1.702f)));
      return network.op("Mul", x, network.op("Sigmoid", scaled));
    }
  },
  RELU("relu") {
    @Override
    Value apply(Network network, Value x) {
      return network.op("Relu", x);
    }
  },
  /** The square of relu. */
  RELU2("relu2") {
    @Override
    Value apply(Network network, Value x) {
      Value positive = network.op("Relu", x);
      return network.op("Mul", positive, positive);
    }
  },
  SILU("silu", "swish") {
    @Override
    Value apply(Network network, Value x) {
      return network.silu(x);
    }
  },
  /** x·tanh(softplus(x)). */
  MISH("mish") {
    @Override
    Value apply(Network network, Value x) {
      return network.op("Mul", x, network.op("Tanh", network.op("Softplus", x)));
    }
  },
  TANH("tanh") {
    @Override
    Value apply(Network network, Value x) {
      return network.op("Tanh", x);
    }
  },
  SIGMOID("sigmoid") {
    @Override
    Value apply(Network network, Value x) {
      return network.op("Sigmoid", x);
    }
  };

  private final ImmutableList<String> names;

  Activation(String... names) {
    this.names = ImmutableList.copyOf(names);
  }

  /**
   * The activation that a configuration names.
   *
   * @throws dev.manticore.ir.ManticoreException {@code MNT-CONFIG} if it is not one of these
   */
  static Activation of(ModelConfig config, String key, String otherwise) {
    ImmutableList<String> known =
        Arrays.stream(values())
            .flatMap(activation -> activation.names.stream())
            .collect(ImmutableList.toImmutableList());
    String name = config.choice(key, otherwise, known);
    return Arrays.stream(values())
        .filter(activation -> activation.names.contains(name))
        .findFirst()
        .orElseThrow();
  }

  /** The name to write to a configuration: the first of its names. */
  String text() {
    return names.get(0);
  }

  abstract Value apply(Network network, Value x);
}
