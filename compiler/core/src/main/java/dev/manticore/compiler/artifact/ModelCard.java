package dev.manticore.compiler.artifact;

import dev.manticore.onnx.io.AtomicFiles;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/** Writes a model card, in the form that Hugging Face's hub reads: front matter and Markdown. */
public final class ModelCard {

  /** The name of the file. */
  public static final String FILE = "README.md";

  private ModelCard() {}

  /** Writes the card of an artifact into its directory. */
  public static void write(Artifact artifact, Provenance provenance) {
    AtomicFiles.writeString(artifact.directory().resolve(FILE), text(artifact, provenance));
  }

  static String text(Artifact artifact, Provenance provenance) {
    Manifest manifest = artifact.manifest();
    StringBuilder card = new StringBuilder();
    line(card, "---");
    line(card, "library_name: onnx");
    line(card, "pipeline_tag: text-generation");
    line(card, "tags: [manticore, hybrid]");
    line(card, "---");
    line(card, "");
    line(card, "# " + manifest.name());
    line(card, "");
    line(
        card,
        "A hybrid of "
            + String.join(" and ", manifest.componentNames())
            + " in "
            + manifest.blocks()
            + " blocks of width "
            + manifest.width()
            + ", made by Manticore "
            + manifest.manticore()
            + ".");
    line(card, "");
    line(card, provenance.summary());
    line(card, "");
    line(card, "## Results");
    line(card, "");
    line(
        card,
        "Mean "
            + provenance.part()
            + " loss in nats a token, ± half its 95 % confidence interval over seeds.");
    line(card, "");
    List<String> slices =
        provenance.results().stream()
            .flatMap(result -> result.slices().keySet().stream())
            .distinct()
            .toList();
    line(card, "| model | loss | seeds |" + cells(slices));
    line(card, "|---|---|---|" + "---|".repeat(slices.size()));
    for (Provenance.Result result : provenance.results()) {
      String row =
          String.format(
              Locale.ROOT,
              "| %s | %.4f%s | %d |",
              result.model(),
              result.losses().mean(),
              result
                  .losses()
                  .interval()
                  .map(interval -> String.format(Locale.ROOT, " ± %.4f", interval.halfWidth()))
                  .orElse(""),
              result.losses().size());
      List<String> values =
          slices.stream()
              .map(slice -> result.slices().get(slice))
              .map(loss -> loss == null ? "" : String.format(Locale.ROOT, "%.4f", loss))
              .toList();
      line(card, row + cells(values));
    }
    line(card, "");
    line(card, "## Mixture weights");
    line(card, "");
    line(card, "| block |" + cells(manifest.componentNames()));
    line(card, "|---|" + "---|".repeat(manifest.componentNames().size()));
    for (int block = 0; block < manifest.blocks(); block++) {
      List<String> weights =
          manifest.mixtureWeights().get(block).stream()
              .map(weight -> String.format(Locale.ROOT, "%.3f", weight))
              .toList();
      line(card, "| " + block + " |" + cells(weights));
    }
    line(card, "");
    line(card, "## Components");
    line(card, "");
    line(card, "| component | licence | files, by SHA-256 |");
    line(card, "|---|---|---|");
    for (Provenance.Source source : provenance.sources()) {
      String files =
          source.files().entrySet().stream()
              .map(file -> "`" + file.getKey() + "` " + file.getValue().substring(0, 16) + "…")
              .collect(Collectors.joining(", "));
      line(
          card,
          "| "
              + source.name()
              + " | "
              + source.licence().orElse("not stated")
              + " | "
              + files
              + " |");
    }
    line(card, "");
    line(
        card, "Licence texts that came with a component are in its directory under `components/`.");
    line(card, "");
    line(card, "## Data");
    line(card, "");
    line(card, provenance.data() + ", SHA-256 `" + provenance.dataHash() + "`.");
    line(card, "");
    line(card, "## Recipe");
    line(card, "");
    line(card, "```yaml");
    line(card, provenance.recipe().strip());
    line(card, "```");
    return card.toString();
  }

  private static String cells(List<String> values) {
    return values.stream().map(value -> " " + value + " |").collect(Collectors.joining());
  }

  private static void line(StringBuilder text, String line) {
    text.append(line).append('\n');
  }
}
