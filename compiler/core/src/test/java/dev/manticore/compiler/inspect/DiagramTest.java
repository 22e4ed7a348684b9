package dev.manticore.compiler.inspect;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.ImmutableList;
import dev.manticore.compiler.TinyHybrid;
import dev.manticore.compiler.TinyModels;
import dev.manticore.compiler.artifact.ArtifactWriter;
import dev.manticore.compiler.hybrid.SpliceOptions.Embeddings;
import dev.manticore.compiler.inspect.Diagram.Box;
import dev.manticore.compiler.inspect.Diagram.Level;
import dev.manticore.compiler.inspect.Inspection.Extents;
import dev.manticore.compiler.inspect.Section.Kind;
import dev.manticore.ir.ManticoreException;
import dev.manticore.onnx.huggingface.Models;
import dev.manticore.runtime.Devices;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import javax.xml.parsers.DocumentBuilderFactory;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.w3c.dom.Element;

class DiagramTest {

  @TempDir private Path directory;

  @Test
  void aHybridIsDrawnWithABranchForEachComponentAndItsWeight() throws Exception {
    TinyHybrid tiny = TinyHybrid.in(directory);
    Path artifact =
        new ArtifactWriter(Devices.byName("cpu"))
            .write(directory.resolve("artifact"), tiny.request(tiny.splice(Embeddings.PRETRAINED)))
            .directory();
    Diagram diagram = open(artifact).diagram(Level.BLOCKS);

    assertThat(titles(diagram, Kind.STATE_SPACE)).containsExactly("mamba", "mamba");
    assertThat(titles(diagram, Kind.ATTENTION)).containsExactly("gpt-neo", "gpt-neo");
    assertThat(diagram.arrows().stream().filter(arrow -> arrow.label().equals("0.500"))).hasSize(8);
    Document svg = parsed(SvgWriter.write(diagram));
    assertThat(texts(svg)).contains("token ids", "mixed predictions", "logits", "0.500");
    assertThat(DotWriter.write(diagram))
        .startsWith("digraph \"tiny\" {\n")
        .contains("label=\"0.500\"");
  }

  @Test
  void layersThatAreAlikeAreDrawnOnceWhereThereAreMany() {
    Path checkpoint = directory.resolve("deep");
    Models.write(
        checkpoint,
        TinyModels.gpt2(20, 8),
        Models.parameters(TinyModels.build("deep", TinyModels.gpt2(20, 8), 1)));

    Diagram diagram = open(checkpoint).diagram(Level.BLOCKS);

    assertThat(titles(diagram, Kind.LAYER))
        .containsExactly("layer 0", "layer 1", "layers 2 to 18", "layer 19");
  }

  @Test
  void everyNodeIsABoxOfItsSection() throws Exception {
    TinyHybrid.in(directory);
    Inspection inspection = open(directory.resolve("gpt-neo"));

    Diagram diagram = inspection.diagram(Level.NODES);

    long nodes =
        inspection.summary().operators().entrySet().stream()
            .filter(entry -> !entry.getKey().equals("Constant"))
            .mapToLong(entry -> entry.getValue())
            .sum();
    assertThat(diagram.boxes()).hasSize((int) nodes + 2);
    assertThat(diagram.boxes())
        .extracting(Box::group)
        .contains("embedding", "layer 1: mixer", "layer 2: mlp", "head");
    assertThat(texts(parsed(SvgWriter.write(diagram)))).contains("Softmax");
    assertThat(DotWriter.write(diagram)).contains("subgraph cluster_", "label=\"layer 0: mlp\"");
  }

  @Test
  void namesAreEscapedInBothForms() throws Exception {
    String name = "a<b>&\"c\"\\\n";
    Diagram diagram =
        new Diagram(
            name,
            "",
            ImmutableList.of(new Box(Kind.OTHER, ImmutableList.of(name))),
            ImmutableList.of());

    assertThat(texts(parsed(SvgWriter.write(diagram)))).contains(name);
    assertThat(DotWriter.write(diagram)).contains("label=\"a<b>&\\\"c\\\"\\\\\\n\"");
  }

  @Test
  void refusesToDrawMoreThanCanBeRead() {
    Diagram diagram =
        new Diagram(
            "large",
            "",
            ImmutableList.copyOf(
                Collections.nCopies(
                    SvgWriter.MOST_BOXES + 1, new Box(Kind.OTHER, ImmutableList.of("box")))),
            ImmutableList.of());

    assertThatThrownBy(() -> SvgWriter.write(diagram))
        .isInstanceOf(ManticoreException.class)
        .hasMessageContaining("manticore extract");
  }

  @Test
  void boxesDoNotOverlapAndArrowsGoDown() {
    Random random = new Random(3);
    int count = 80;
    double[] widths = random.doubles(count, 20, 120).toArray();
    double[] heights = random.doubles(count, 20, 60).toArray();
    List<int[]> arrows = new ArrayList<>();
    for (int i = 1; i < count; i++) {
      arrows.add(new int[] {random.nextInt(i), i});
      arrows.add(new int[] {random.nextInt(i), i});
    }
    double[] pulls = random.doubles(arrows.size(), 0.1, 1).toArray();

    LayeredLayout layout = new LayeredLayout(widths, heights, arrows, pulls, 30);

    for (int i = 0; i < count; i++) {
      assertThat(layout.left(i)).isBetween(-1e-6, layout.width() - widths[i] + 1e-6);
      assertThat(layout.top(i)).isBetween(-1e-6, layout.height() - heights[i] + 1e-6);
      for (int j = 0; j < i; j++) {
        boolean beside =
            layout.left(i) + widths[i] <= layout.left(j)
                || layout.left(j) + widths[j] <= layout.left(i);
        boolean above =
            layout.top(i) + heights[i] <= layout.top(j)
                || layout.top(j) + heights[j] <= layout.top(i);
        assertThat(beside || above).as("boxes %s and %s are apart", i, j).isTrue();
      }
    }
    for (int i = 0; i < arrows.size(); i++) {
      double[] ys = layout.way(i).ys();
      int from = arrows.get(i)[0];
      int to = arrows.get(i)[1];
      assertThat(ys[0]).isCloseTo(layout.top(from) + heights[from], within());
      assertThat(ys[ys.length - 1]).isCloseTo(layout.top(to), within());
      assertThat(ys).isSorted();
    }
  }

  private static Offset<Double> within() {
    return Offset.offset(1e-9);
  }

  private static Inspection open(Path model) {
    return Inspection.open(model, Optional.empty(), Extents.USUAL);
  }

  private static List<String> titles(Diagram diagram, Kind kind) {
    return diagram.boxes().stream()
        .filter(box -> box.kind() == kind)
        .map(box -> box.lines().get(0))
        .toList();
  }

  private static Document parsed(String svg) throws Exception {
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new ByteArrayInputStream(svg.getBytes(StandardCharsets.UTF_8)));
  }

  private static List<String> texts(Document svg) {
    List<String> texts = new ArrayList<>();
    for (int i = 0; i < svg.getElementsByTagName("text").getLength(); i++) {
      texts.add(((Element) svg.getElementsByTagName("text").item(i)).getTextContent());
    }
    return texts;
  }
}
