package dev.manticore.cuda;

import org.bytedeco.javacpp.Pointer;

/** A bare address, owned by nobody. */
final class Address extends Pointer {

  Address(long address) {
    this.address = address;
  }
}
