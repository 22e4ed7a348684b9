package dev.manticore.kernels;

import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/** The form of the kernels in a fork: it is chosen once in a process. */
@State(Scope.Benchmark)
public class Form {

  /** {@code vector} needs the module {@code jdk.incubator.vector}. */
  @Param({"vector", "plain"})
  public String form;

  /** Chooses it before a kernel is used. */
  @Setup(Level.Trial)
  public void choose() {
    System.setProperty("manticore.kernels", form);
    if (!Forms.inUse().equals(form)) {
      throw new IllegalStateException(
          "the kernels are " + Forms.inUse() + " here; run with forks, and with the vector module");
    }
  }
}
