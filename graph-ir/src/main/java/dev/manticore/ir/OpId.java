package dev.manticore.ir;

import static java.util.Objects.requireNonNull;

/**
 * An operator: its domain, its name, and the version of the domain's operator set under which a
 * node means it.
 *
 * @param domain empty for {@code ai.onnx}
 * @param overload chooses among model-local functions of one domain and name; empty for operators
 *     and for most functions
 */
public record OpId(String domain, String name, int version, String overload) {

  /** The domain of standard operators, as ONNX files spell it. */
  public static final String ONNX = "";

  /** ONNX Runtime's contributed operators. */
  public static final String MICROSOFT = "com.microsoft";

  /** Our own operators; each has a decomposition. */
  public static final String MANTICORE = "dev.manticore";

  /** Our fused kernels, which only our own process can run. */
  public static final String KERNEL = "dev.manticore.kernel";

  /** The version of {@code ai.onnx} that graphs are lifted to. */
  public static final int OPSET = 23;

  public OpId {
    requireNonNull(domain, "domain");
    requireNonNull(name, "name");
    requireNonNull(overload, "overload");
  }

  public OpId(String domain, String name, int version) {
    this(domain, name, version, "");
  }

  public static OpId onnx(String name) {
    return new OpId(ONNX, name, OPSET);
  }

  public static OpId microsoft(String name) {
    return new OpId(MICROSOFT, name, 1);
  }

  public static OpId manticore(String name) {
    return new OpId(MANTICORE, name, 1);
  }

  public static OpId kernel(String name) {
    return new OpId(KERNEL, name, 1);
  }

  public boolean is(String otherDomain, String otherName) {
    return domain.equals(otherDomain) && name.equals(otherName);
  }

  /** Whether this is the standard operator of that name, of any version. */
  public boolean isOnnx(String otherName) {
    return is(ONNX, otherName);
  }

  /** {@code MatMul}, {@code dev.manticore.Projector}, {@code pkg.torch.add:overload}. */
  @Override
  public String toString() {
    return (domain.isEmpty() ? name : domain + "." + name)
        + (overload.isEmpty() ? "" : ":" + overload);
  }
}
