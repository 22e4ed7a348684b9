package dev.manticore.cli;

import dev.manticore.compiler.memory.ByteSize;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Options that are a number of bytes. */
final class ByteSizeConverter implements ITypeConverter<Long> {

  @Override
  public Long convert(String text) {
    return ByteSize.parse(text)
        .orElseThrow(
            () ->
                new TypeConversionException(
                    "'" + text + "' is not a size such as 1000, 500MB or 2GiB"));
  }
}
