package dev.manticore.compiler.conformance;

import static java.util.Objects.requireNonNull;

import com.google.common.collect.ImmutableList;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.NotCoveredException;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.text.HirParser;
import dev.manticore.ir.text.HirPrinter;
import dev.manticore.onnx.OnnxExporter;
import dev.manticore.onnx.OnnxImporter;
import dev.manticore.onnx.conformance.ConformanceCase;
import dev.manticore.onnx.conformance.Interpretation;
import dev.manticore.runtime.Device;
import dev.manticore.runtime.ModelSession;
import dev.manticore.runtime.SessionConfig;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Takes conformance cases through import, {@code .hir}, export and ONNX Runtime, and through the
 * interpreter where the catalogue covers them.
 */
public final class ConformanceRun {

  /** What a case goes through, in order. */
  private enum Step {
    IMPORT,
    PRINT,
    PARSE,
    EXPORT,
    RUN,
    INTERPRET
  }

  /** A step that did not do what it should. */
  private static final class Failure extends RuntimeException {
    private final Step step;

    Failure(Step step, String reason, Throwable cause) {
      super(reason, cause);
      this.step = step;
    }
  }

  private final Device device;
  private final Consumer<String> details;
  private final SessionConfig config =
      SessionConfig.defaults()
          .withIntraOpThreads(1)
          .withOptimization(SessionConfig.Optimization.NONE);

  private int roundTripPassed;
  private int runtimeUnsupported;
  private int interpreterCovered;
  private int interpreterPassed;
  private int failed;

  /**
   * @param device where ONNX Runtime runs the cases
   * @param details told, a line each, of what is not supported and of what has failed
   */
  public ConformanceRun(Device device, Consumer<String> details) {
    this.device = requireNonNull(device, "device");
    this.details = requireNonNull(details, "details");
  }

  /**
   * Runs all cases in or below a directory.
   *
   * @throws ManticoreException {@code MNT-CONFORMANCE} if there are none
   */
  public ConformanceSummary run(Path directory) {
    ImmutableList<ConformanceCase> cases = ConformanceCase.in(directory);
    cases.forEach(this::run);
    return new ConformanceSummary(
        cases.size(),
        roundTripPassed,
        runtimeUnsupported,
        interpreterCovered,
        interpreterPassed,
        failed);
  }

  private void run(ConformanceCase known) {
    boolean passed = true;
    // First of all, so that native code is only given what has been checked.
    Optional<byte[]> exported = Optional.empty();
    Optional<String> unsupported = Optional.of("not given to ONNX Runtime");
    try {
      exported = Optional.of(roundTrip(known));
      unsupported = before(known);
    } catch (Failure failure) {
      passed = false;
      report(known, failure);
    }
    try {
      if (unsupported.isPresent()) {
        runtimeUnsupported++;
        details.accept("unsupported  " + known.name() + ": " + unsupported.get());
      } else {
        after(known, exported.orElseThrow());
        roundTripPassed++;
      }
    } catch (Failure failure) {
      passed = false;
      report(known, failure);
    }
    try {
      interpret(known);
    } catch (Failure failure) {
      passed = false;
      report(known, failure);
    }
    if (!passed) {
      failed++;
    }
  }

  private void report(ConformanceCase known, Failure failure) {
    String step = failure.step.name().toLowerCase(Locale.ROOT);
    details.accept("FAILED  " + known.name() + ": " + step + ": " + failure.getMessage());
  }

  /** Why ONNX Runtime does not do what the case expects; empty if it does. */
  private Optional<String> before(ConformanceCase known) {
    try (ModelSession session = ModelSession.open(device, known.model(), config)) {
      return difference(session, known);
    } catch (ManticoreException e) {
      return Optional.of(firstLine(e));
    }
  }

  private static byte[] roundTrip(ConformanceCase known) {
    Step step = Step.IMPORT;
    try {
      Graph graph = OnnxImporter.read(known.model(), OnnxImporter.Functions.KEEP);
      step = Step.PRINT;
      String text = HirPrinter.print(graph, HirPrinter.Tensors.ALL);
      step = Step.PARSE;
      Graph parsed = HirParser.parse(text);
      step = Step.EXPORT;
      byte[] exported = OnnxExporter.toBytes(parsed);
      if (!HirPrinter.print(parsed, HirPrinter.Tensors.ALL).equals(text)) {
        throw new Failure(Step.PARSE, "the text parsed and printed again is another", null);
      }
      return exported;
    } catch (ManticoreException e) {
      throw new Failure(step, firstLine(e), e);
    }
  }

  private void after(ConformanceCase known, byte[] exported) {
    try (ModelSession session = ModelSession.open(device, exported, config)) {
      Optional<String> difference = difference(session, known);
      if (difference.isPresent()) {
        throw new Failure(Step.RUN, difference.get(), null);
      }
    } catch (ManticoreException e) {
      throw new Failure(Step.RUN, firstLine(e), e);
    }
  }

  private static Optional<String> difference(ModelSession session, ConformanceCase known) {
    for (Path dataSet : known.dataSets()) {
      List<Tensor> inputs = ConformanceCase.inputs(dataSet);
      if (inputs.size() != session.inputs().size()) {
        return Optional.of(
            "the model has " + session.inputs().size() + " inputs, the data " + inputs.size());
      }
      Map<String, Tensor> named = new LinkedHashMap<>();
      session
          .inputs()
          .forEach(
              (name, type) ->
                  named.put(
                      name, ConformanceCase.as(type.elementType(), inputs.get(named.size()))));
      List<Tensor> outputs = session.run(named).values().asList();
      Optional<String> difference =
          ConformanceCase.difference(outputs, ConformanceCase.outputs(dataSet));
      if (difference.isPresent()) {
        return difference;
      }
    }
    return Optional.empty();
  }

  private void interpret(ConformanceCase known) {
    Interpretation interpretation;
    try {
      interpretation = Interpretation.of(OnnxImporter.read(known.model()));
    } catch (ManticoreException e) {
      // Not covered, or not imported, which the round trip has told.
      return;
    }
    try {
      for (Path dataSet : known.dataSets()) {
        List<Tensor> outputs = interpretation.run(ConformanceCase.inputs(dataSet));
        Optional<String> difference =
            ConformanceCase.difference(outputs, ConformanceCase.outputs(dataSet));
        if (difference.isPresent()) {
          interpreterCovered++;
          throw new Failure(Step.INTERPRET, difference.get(), null);
        }
      }
    } catch (NotCoveredException e) {
      return;
    } catch (ManticoreException e) {
      interpreterCovered++;
      throw new Failure(Step.INTERPRET, firstLine(e), e);
    }
    interpreterCovered++;
    interpreterPassed++;
  }

  private static String firstLine(ManticoreException e) {
    return e.getMessage().lines().findFirst().orElse(e.code());
  }
}
