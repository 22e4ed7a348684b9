package dev.manticore.compiler.hybrid;

import dev.manticore.compiler.component.Component;
import dev.manticore.compiler.component.DataFlow;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.Shape;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Value;
import java.util.ArrayList;
import java.util.List;

/**
 * A model made by hand: layers of several components one after the other, as in MambaFormer or in
 * striped hybrids (paper.md §2.8). Embedding, final norm and head are the first component's.
 */
public final class Series {

  /**
   * A stretch of a component's residual stream.
   *
   * @param component the index of the component
   * @param from the stream where the stretch begins
   * @param to the stream where it ends
   */
  public record Stretch(int component, Value from, Value to) {}

  /**
   * What {@link #of} makes.
   *
   * @param normed what the head reads, [batch,length,width]
   */
  public record Made(Graph graph, Value normed) {}

  private Series() {}

  /** A whole layer; the first one of a component adds its positions. */
  public static Stretch layer(int index, Component component, int layer) {
    return new Stretch(
        index,
        layer == 0 ? component.embedding() : component.layers().get(layer - 1),
        component.layers().get(layer));
  }

  /**
   * The attention of a layer of a transformer, with its norm and its residual, without the layer's
   * MLP and without positions.
   *
   * @throws ManticoreException {@code MNT-SPLICE} if the layer is no attention and MLP in turn
   */
  public static Stretch attention(int index, Component component, int layer) {
    Value from = layer == 0 ? component.entry() : component.layers().get(layer - 1);
    Value end = component.layers().get(layer);
    Node sum = component.graph().producer(end).orElseThrow();
    if (sum.op().isOnnx("Add")) {
      for (int side = 0; side < 2; side++) {
        Value stream = sum.input(side);
        if (stream != from
            && DataFlow.from(component.graph(), from).contains(stream)
            && DataFlow.from(component.graph(), stream).contains(sum.input(1 - side))) {
          return new Stretch(index, from, stream);
        }
      }
    }
    throw new ManticoreException(
        "MNT-SPLICE",
        "layer "
            + layer
            + " of component '"
            + component.name()
            + "' is not an attention with an MLP after it, each with a residual of its own");
  }

  /**
   * Joins stretches.
   *
   * @param components of one width
   * @throws ManticoreException {@code MNT-SPLICE} if the widths differ
   */
  public static Made of(String name, List<Component> components, List<Stretch> stretches) {
    Component first = components.get(0);
    for (Component component : components) {
      if (component.width() != first.width()) {
        throw new ManticoreException(
            "MNT-SPLICE",
            "layers follow each other at one width only, but '"
                + first.name()
                + "' has "
                + first.width()
                + " and '"
                + component.name()
                + "' "
                + component.width());
      }
    }
    GraphEditor editor = new GraphEditor(name);
    Value ids =
        editor.input(
            "input_ids",
            new TensorType(ElementType.INT64, Shape.of(Dim.of("batch"), Dim.of("length"))));
    List<Region> regions = new ArrayList<>();
    for (int k = 0; k < components.size(); k++) {
      regions.add(
          new Region(
              components.get(k), editor, Hybrid.component(k), ids, (parameter, value) -> value));
    }
    Value h = regions.get(0).copy(first.embedding());
    for (Stretch stretch : stretches) {
      h = regions.get(stretch.component()).copy(stretch.from(), h, stretch.to());
    }
    int layers = first.layers().size();
    Value normed = regions.get(0).copy(first.layers().get(layers - 1), h, first.normed());
    editor.output(regions.get(0).copy(first.logits()));
    return new Made(editor.freezeLive(), normed);
  }
}
