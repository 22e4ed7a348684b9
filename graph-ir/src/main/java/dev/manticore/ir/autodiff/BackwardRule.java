package dev.manticore.ir.autodiff;

import dev.manticore.ir.Node;
import dev.manticore.ir.Value;
import java.util.List;
import java.util.Optional;

/** How the gradient of a node's outputs becomes the gradient of its inputs. */
@FunctionalInterface
interface BackwardRule {

  /**
   * @param node the node, whose values may be read
   * @param gradients the gradients of its outputs; at least one is there
   * @return the gradients of its inputs, in order; shorter lists and empty entries mean none
   */
  List<Optional<Value>> apply(Backward backward, Node node, List<Optional<Value>> gradients);
}
