package dev.manticore.runtime;

import dev.manticore.ir.Dim;
import dev.manticore.ir.TensorType;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Writes small ONNX models for tests, field by field of {@code onnx.proto}. */
final class TinyOnnx {

  private final Message graph = new Message().text(2, "tiny");

  TinyOnnx node(String domain, String operator, List<String> inputs, List<String> outputs) {
    return node(domain, operator, inputs, outputs, new Message[0]);
  }

  TinyOnnx node(
      String domain,
      String operator,
      List<String> inputs,
      List<String> outputs,
      Message... attributes) {
    Message node = new Message();
    inputs.forEach(input -> node.text(1, input));
    outputs.forEach(output -> node.text(2, output));
    node.text(3, operator + "_" + outputs.get(0)).text(4, operator).text(7, domain);
    for (Message attribute : attributes) {
      node.message(5, attribute);
    }
    graph.message(1, node);
    return this;
  }

  static Message integer(String name, long value) {
    return new Message().text(1, name).number(3, value).number(20, 2);
  }

  TinyOnnx input(String name, TensorType type) {
    graph.message(11, value(name, type));
    return this;
  }

  TinyOnnx output(String name, TensorType type) {
    graph.message(12, value(name, type));
    return this;
  }

  byte[] build() {
    return new Message()
        .number(1, 9)
        .message(7, graph)
        .message(8, new Message().text(1, "").number(2, 20))
        .message(8, new Message().text(1, JavaKernel.DOMAIN).number(2, 1))
        .bytes();
  }

  private static Message value(String name, TensorType type) {
    Message shape = new Message();
    for (Dim dim : type.shape().dims()) {
      shape.message(
          1,
          dim instanceof Dim.Known known
              ? new Message().number(1, known.value())
              : new Message().text(2, dim.toString()));
    }
    Message tensor = new Message().number(1, type.elementType().onnxNumber()).message(2, shape);
    return new Message().text(1, name).message(2, new Message().message(1, tensor));
  }

  /** A protobuf message under construction. */
  static final class Message {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    Message number(int field, long value) {
      varint(field << 3);
      varint(value);
      return this;
    }

    Message text(int field, String text) {
      return raw(field, text.getBytes(StandardCharsets.UTF_8));
    }

    Message message(int field, Message message) {
      return raw(field, message.bytes());
    }

    byte[] bytes() {
      return out.toByteArray();
    }

    private Message raw(int field, byte[] bytes) {
      varint(field << 3 | 2);
      varint(bytes.length);
      out.writeBytes(bytes);
      return this;
    }

    private void varint(long value) {
      long rest = value;
      while ((rest & ~0x7FL) != 0) {
        out.write((int) (rest & 0x7F | 0x80));
        rest >>>= 7;
      }
      out.write((int) rest);
    }
  }
}
