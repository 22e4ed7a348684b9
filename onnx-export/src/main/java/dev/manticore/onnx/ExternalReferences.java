package dev.manticore.onnx;

import com.google.common.collect.ImmutableList;
import com.google.common.primitives.Longs;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.proto.StringStringEntryProto;
import dev.manticore.onnx.proto.TensorProto;
import java.nio.file.Path;

/** What an ONNX model refers to in other files, as it is written there and not checked. */
public final class ExternalReferences {

  /**
   * A tensor's place in another file.
   *
   * @param location relative to the model's directory
   * @param length in bytes; -1 if it is not said
   */
  public record Reference(String tensor, String location, long offset, long length) {}

  private ExternalReferences() {}

  /**
   * Those of the initializers of a model.
   *
   * @throws ManticoreException if the model cannot be read
   */
  public static ImmutableList<Reference> of(Path model) {
    ImmutableList.Builder<Reference> references = ImmutableList.builder();
    for (TensorProto tensor : ModelFile.read(model).model().getGraph().getInitializerList()) {
      if (tensor.getDataLocation() == TensorProto.DataLocation.EXTERNAL) {
        String location = "";
        long offset = 0;
        long length = -1;
        for (StringStringEntryProto entry : tensor.getExternalDataList()) {
          Long number = Longs.tryParse(entry.getValue());
          switch (entry.getKey()) {
            case "location" -> location = entry.getValue();
            case "offset" -> offset = number == null ? 0 : number;
            case "length" -> length = number == null ? -1 : number;
            default -> {
              // A checksum.
            }
          }
        }
        references.add(new Reference(tensor.getName(), location, offset, length));
      }
    }
    return references.build();
  }
}
