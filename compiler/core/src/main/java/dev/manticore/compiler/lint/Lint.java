package dev.manticore.compiler.lint;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.lint.Finding.Severity;
import dev.manticore.compiler.lower.Lowering;
import dev.manticore.compiler.lower.Objection;
import dev.manticore.compiler.lower.Target;
import dev.manticore.compiler.lower.TargetCheck;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** Looks for what is wrong with a model, or could be better, in its graph and in its files. */
public final class Lint {

  private Lint() {}

  /**
   * Checks a checkpoint directory, an {@code .onnx} or a {@code .hir} file.
   *
   * @param target a runtime that the model, in the form for deployment, is to run on
   */
  public static LintReport check(Path model, Optional<Target> target) {
    Findings findings = new Findings();
    Graph graph;
    try {
      graph = ModelFiles.read(model);
    } catch (ManticoreException e) {
      return new LintReport(
          model.toString(),
          false,
          ImmutableList.of(
              new Finding(
                  "unreadable",
                  Severity.ERROR,
                  model.toString(),
                  e.getMessage() + " [" + e.code() + "]",
                  "see what the message says; manticore reads nothing of it as it is")));
    }
    GraphLint.check(graph, findings);
    target.ifPresent(runtime -> refusals(graph, runtime, findings));
    boolean exported = ModelFiles.isExport(model);
    try {
      if (exported) {
        FileLint.external(
            Files.isDirectory(model) ? model.resolve(ModelFiles.EXPORT) : model, findings);
      }
      if (Files.isDirectory(model) && !exported) {
        FileLint.checkpoint(model, graph, findings);
      } else {
        FileLint.tokenizer(model, graph, findings);
      }
    } catch (IOException e) {
      throw new ManticoreException(
          "MNT-INPUT", "the files of " + model + " cannot be looked at: " + e.getMessage(), e);
    }
    return new LintReport(model.toString(), true, findings.sorted());
  }

  private static void refusals(Graph graph, Target target, Findings findings) {
    List<Objection> objections;
    try {
      objections = TargetCheck.check(Lowering.portable(graph), target);
    } catch (ManticoreException e) {
      // It cannot be lifted: then it is asked about as it is.
      objections = TargetCheck.check(graph, target);
    }
    for (Objection objection : objections) {
      findings.add(
          Severity.ERROR,
          "refused-" + objection.rule(),
          objection.place(),
          target + ": " + objection.reason(),
          "choose another target, or another form of what it comes from");
    }
  }
}
