package dev.manticore.onnx;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Tensor;
import dev.manticore.onnx.io.FileProblems;
import dev.manticore.onnx.proto.TensorProto;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** Files of one {@code TensorProto}, as ONNX's test cases keep their inputs and outputs. */
public final class OnnxTensors {

  private OnnxTensors() {}

  /**
   * Reads a tensor file, {@code input_0.pb} for example; its external data, if it has any, lies
   * beside it.
   *
   * @throws ManticoreException if it cannot be read, is not a tensor, or holds other than numbers
   */
  public static Tensor read(Path file) {
    String source = "tensor file " + file;
    try {
      if (Files.size(file) > ModelFile.MAX_STRUCTURE_BYTES) {
        throw new ManticoreException(
            "MNT-ONNX-SIZE", source + " has more than " + ModelFile.MAX_STRUCTURE_BYTES + " bytes");
      }
      CodedInputStream in = CodedInputStream.newInstance(Files.readAllBytes(file));
      in.setRecursionLimit(ModelFile.RECURSION_LIMIT);
      TensorProto proto = TensorProto.parseFrom(in);
      ExternalData external =
          new ExternalData(Optional.ofNullable(file.toAbsolutePath().getParent()));
      return new TensorReader(source, external).read(proto, Optional.empty(), "the tensor");
    } catch (InvalidProtocolBufferException e) {
      throw ModelFile.notProtobuf(source, e);
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-ONNX-READ", source + " cannot be read: " + FileProblems.reason(e), e);
    }
  }
}
