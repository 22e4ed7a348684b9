package dev.manticore.compiler.lint;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.lint.Finding.Severity;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Looks for what is wrong with a model, or could be better, in its graph and in its files. */
public final class Lint {

  private Lint() {}

  /** Checks a checkpoint directory, an {@code .onnx} or a {@code .hir} file. */
  public static LintReport check(Path model) {
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
}
