package dev.manticore.ir;

import com.google.common.collect.ImmutableList;

/**
 * Where a node comes from.
 *
 * @param model the model it was imported from or built for; empty if none
 * @param nodes the names of the nodes there that it stands for
 * @param pass the pass that made it; empty if it was imported as it is
 */
public record Origin(String model, ImmutableList<String> nodes, String pass) {

  public static final Origin NONE = new Origin("", ImmutableList.of(), "");

  public static Origin of(String model, String node) {
    return new Origin(model, ImmutableList.of(node), "");
  }

  public Origin by(String madeBy) {
    return new Origin(model, nodes, madeBy);
  }

  @Override
  public String toString() {
    return model + ":" + String.join("+", nodes) + (pass.isEmpty() ? "" : " by " + pass);
  }
}
