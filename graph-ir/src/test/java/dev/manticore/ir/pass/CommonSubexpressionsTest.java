package dev.manticore.ir.pass;

import org.junit.jupiter.api.Test;

class CommonSubexpressionsTest {

  @Test
  void equalPureNodesBecomeOne() {
    PassHarness.check(new CommonSubexpressions(), "common");
  }
}
