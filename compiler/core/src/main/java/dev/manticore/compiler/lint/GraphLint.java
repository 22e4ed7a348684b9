package dev.manticore.compiler.lint;

import dev.manticore.compiler.lint.Finding.Severity;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorContents;
import dev.manticore.ir.Value;
import dev.manticore.ir.Verifier;
import dev.manticore.ir.lift.Lift;
import dev.manticore.ir.op.Catalogue;
import dev.manticore.ir.op.Operator;
import dev.manticore.ir.rewrite.Canonicalise;
import dev.manticore.ir.rewrite.Explanation;
import dev.manticore.ir.text.TensorResolver;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** Looks at a graph. */
final class GraphLint {

  /** Smaller tensors may well be the same by chance, and cost nothing. */
  private static final long LARGE = 1024;

  /** A constant within the graph that should be a parameter, in bytes. */
  private static final long LARGE_CONSTANT = 1 << 20;

  /** Pairs of tensors of swapped shapes that are compared. */
  private static final int PAIRS = 64;

  private static final Set<String> KNOWN_DOMAINS =
      Set.of(OpId.ONNX, OpId.MICROSOFT, OpId.MANTICORE, OpId.KERNEL);

  private final Graph graph;
  private final Findings findings;
  private final Set<Node> live = new HashSet<>();
  private final Set<Value> needed = new HashSet<>();

  private GraphLint(Graph graph, Findings findings) {
    this.graph = graph;
    this.findings = findings;
    needed.addAll(graph.outputs());
    for (Node node : graph.nodes().reverse()) {
      if (node.presentOutputs().stream().anyMatch(needed::contains)) {
        live.add(node);
        needed.addAll(node.reads());
      }
    }
  }

  static void check(Graph graph, Findings findings) {
    GraphLint lint = new GraphLint(graph, findings);
    lint.form();
    lint.operators();
    lint.unused();
    lint.types();
    lint.numbers();
    lint.copies();
    lint.spelling();
  }

  private void form() {
    try {
      Verifier.verify(graph);
    } catch (ManticoreException e) {
      findings.add(
          Severity.ERROR,
          "not-well-formed",
          graph.name(),
          e.getMessage(),
          "write the graph again with the tool that made it");
    }
    if (graph.outputs().isEmpty()) {
      findings.add(
          Severity.ERROR,
          "no-outputs",
          graph.name(),
          "the graph has no outputs, so that it computes nothing",
          "say what it shall give when it is exported");
    }
  }

  private void operators() {
    Map<String, Set<String>> unknown = new TreeMap<>();
    Set<String> domains = new TreeSet<>();
    Map<String, Set<Integer>> versions = new TreeMap<>();
    Set<String> random = new LinkedHashSet<>();
    walk(
        graph,
        node -> {
          OpId op = node.op();
          versions.computeIfAbsent(op.domain(), domain -> new TreeSet<>()).add(op.version());
          Optional<Operator> known = Catalogue.standard().find(op);
          boolean defined =
              graph.functions().stream().anyMatch(function -> function.op().equals(op));
          if (known.isEmpty() && !defined) {
            unknown.computeIfAbsent(op.toString(), key -> new LinkedHashSet<>()).add(node.name());
            if (!KNOWN_DOMAINS.contains(op.domain())) {
              domains.add(op.domain());
            }
          }
          if (known.isPresent() && !known.get().isPure()) {
            random.add(node.name());
          }
        });
    unknown.forEach(
        (operator, nodes) ->
            findings.add(
                Severity.WARNING,
                "unknown-operator",
                Findings.listed(nodes),
                operator
                    + " is not in the catalogue: it passes through, and is neither inferred,"
                    + " differentiated nor lowered",
                "export the model so that it is written in standard operators"));
    findings.addAll(
        Severity.WARNING,
        "unknown-domain",
        domains,
        "operators of these domains run only where their libraries are",
        "export the model without custom operators");
    versions.forEach(
        (domain, used) -> {
          if (used.size() > 1) {
            findings.add(
                Severity.ERROR,
                "mixed-opsets",
                domain.isEmpty() ? "ai.onnx" : domain,
                "nodes mean versions " + used + " of one operator set, which no file can say",
                "lift the graph: manticore canonicalise");
          }
        });
    graph
        .opsets()
        .forEach(
            (domain, version) -> {
              if (!domain.isEmpty() && !versions.containsKey(domain)) {
                findings.add(
                    Severity.NOTE,
                    "unused-opset",
                    domain,
                    "the model imports version "
                        + version
                        + " of an operator set that no node is of",
                    "manticore convert leaves nothing out, manticore extract does");
              }
            });
    findings.addAll(
        Severity.WARNING,
        "random-operator",
        random,
        "they draw numbers, so that two runs give different results",
        "export the model for evaluation, not for training");
    Lift.Result lifted = Lift.attempt(graph);
    lifted
        .obstacle()
        .ifPresent(
            obstacle ->
                findings.add(
                    Severity.WARNING,
                    "cannot-lift",
                    graph.name(),
                    obstacle,
                    "only lifted graphs are spliced, trained and lowered; export it with a newer opset"));
  }

  private interface Visitor {
    void visit(Node node);
  }

  private static void walk(Graph graph, Visitor visitor) {
    for (Node node : graph.nodes()) {
      visitor.visit(node);
      node.attributes().graphs().forEach(inner -> walk(inner, visitor));
    }
  }

  private void unused() {
    List<String> parameters = new ArrayList<>();
    long bytes = 0;
    for (Map.Entry<Value, Tensor> parameter : graph.parameters().entrySet()) {
      if (!needed.contains(parameter.getKey())) {
        parameters.add(parameter.getKey().name());
        bytes += parameter.getValue().data().byteSize();
      }
    }
    findings.addAll(
        Severity.WARNING,
        "unused-parameter",
        parameters,
        String.format(
            Locale.ROOT,
            "%d parameters of %,d bytes are read by no output",
            parameters.size(),
            bytes),
        "manticore extract without --from and --to leaves them out");
    List<String> inputs = new ArrayList<>();
    graph.inputs().stream()
        .filter(input -> !needed.contains(input))
        .forEach(input -> inputs.add(input.name()));
    findings.addAll(
        Severity.WARNING,
        "unused-input",
        inputs,
        "inputs that no output depends on",
        "leave them out when the model is exported, or with manticore extract --from");
    List<String> dead = new ArrayList<>();
    graph.nodes().stream().filter(node -> !live.contains(node)).forEach(n -> dead.add(n.name()));
    findings.addAll(
        Severity.WARNING,
        "dead-node",
        dead,
        dead.size() + " nodes that no output depends on",
        "manticore extract without --from and --to leaves them out");
  }

  private void types() {
    List<String> wide = new ArrayList<>();
    List<String> untyped = new ArrayList<>();
    List<Value> values = new ArrayList<>(graph.inputs());
    values.addAll(graph.parameters().keySet());
    graph.nodes().forEach(node -> values.addAll(node.presentOutputs()));
    for (Value value : values) {
      if (!value.isTensor()) {
        continue;
      }
      if (value.elementType() == ElementType.FLOAT64) {
        wide.add(value.name());
      }
      if (value.isGuessed() || !value.shape().isRanked()) {
        untyped.add(value.name());
      }
    }
    findings.addAll(
        Severity.WARNING,
        "float64",
        wide,
        wide.size()
            + " values are computed in double precision, which is slow, and not supported"
            + " by many runtimes",
        "cast them to float32 where the model is defined; they are often a constant of the language");
    findings.addAll(
        Severity.NOTE,
        "missing-type",
        untyped,
        untyped.size() + " values have no known type or rank",
        "shapes cannot be checked there; run shape inference, or replace unknown operators");
    List<String> unnamed = new ArrayList<>();
    List<Value> ends = new ArrayList<>(graph.inputs());
    ends.addAll(graph.outputs());
    for (Value end : ends) {
      if (end.isTensor()
          && end.shape().isRanked()
          && end.shape().dims().stream().anyMatch(dim -> dim instanceof Dim.Unknown)) {
        unnamed.add(end.toString());
      }
    }
    findings.addAll(
        Severity.NOTE,
        "unnamed-dimension",
        unnamed,
        "dimensions that nothing is known of, not even that two of them are equal",
        "name them when the model is exported (dynamic_axes, dynamic_shapes)");
  }

  private void numbers() {
    List<String> subnormal = new ArrayList<>();
    List<String> zero = new ArrayList<>();
    List<String> absent = new ArrayList<>();
    tensors()
        .forEach(
            (name, tensor) -> {
              if (tensor.data() instanceof TensorResolver.NoData) {
                absent.add(name);
                return;
              }
              if (!tensor.elementType().isFloating() || tensor.elementType().bitSize() < 16) {
                return;
              }
              TensorScan scan = TensorScan.of(tensor);
              if (scan.notFinite() > 0) {
                // A mask is minus infinity where it hides.
                boolean constant = !graph.parameter(name).isPresent();
                findings.add(
                    constant ? Severity.NOTE : Severity.ERROR,
                    "not-finite",
                    name,
                    String.format(
                        Locale.ROOT,
                        "%,d of %,d numbers are infinite or not a number, the first at %d",
                        scan.notFinite(),
                        scan.count(),
                        scan.firstNotFinite()),
                    constant
                        ? "a constant of a mask may be; else find out where it comes from"
                        : "the checkpoint is damaged or training diverged: take an earlier one");
              }
              if (scan.subnormal() > 0) {
                subnormal.add(name + " (" + scan.subnormal() + ")");
              }
              if (scan.allZero() && tensor.shape().rank() > 1 && scan.count() >= LARGE) {
                zero.add(name);
              }
            });
    findings.addAll(
        Severity.NOTE,
        "subnormal",
        subnormal,
        "numbers so small that they have lost digits, and are slow on some processors",
        "store them as zero, or in a type of more range");
    findings.addAll(
        Severity.WARNING,
        "all-zero",
        zero,
        "matrices of zeros, which compute nothing",
        "see whether the weights were loaded before the model was saved");
    findings.addAll(
        Severity.WARNING,
        "absent-values",
        absent,
        "tensors whose values the text leaves out, and that are not beside it",
        "put the .safetensors file that was written with the .hir beside it");
  }

  /** Parameters and constants by name, those of subgraphs too. */
  private Map<String, Tensor> tensors() {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    graph.parameters().forEach((value, tensor) -> tensors.put(value.name(), tensor));
    walk(
        graph,
        node -> {
          for (Attribute attribute : node.attributes().values().values()) {
            if (attribute instanceof Attribute.TensorValue constant) {
              tensors.putIfAbsent(node.output().name(), constant.value());
            }
          }
          node.attributes()
              .graphs()
              .forEach(
                  inner ->
                      inner
                          .parameters()
                          .forEach((value, tensor) -> tensors.putIfAbsent(value.name(), tensor)));
        });
    return tensors;
  }

  private void copies() {
    Map<Long, List<Map.Entry<String, Tensor>>> byContent = new LinkedHashMap<>();
    List<Map.Entry<String, Tensor>> matrices = new ArrayList<>();
    List<String> large = new ArrayList<>();
    for (Map.Entry<String, Tensor> entry : tensors().entrySet()) {
      Tensor tensor = entry.getValue();
      if (tensor.elementType() == ElementType.STRING
          || tensor.data() instanceof TensorResolver.NoData
          || tensor.elementType().bitSize() < Byte.SIZE
          || tensor.shape().elementCount() < LARGE) {
        continue;
      }
      if (graph.parameter(entry.getKey()).isEmpty() && tensor.data().byteSize() >= LARGE_CONSTANT) {
        large.add(entry.getKey());
      }
      byContent
          .computeIfAbsent(TensorContents.fingerprint(tensor), key -> new ArrayList<>())
          .add(entry);
      if (tensor.shape().rank() == 2) {
        matrices.add(entry);
      }
    }
    Set<String> reported = new HashSet<>();
    for (List<Map.Entry<String, Tensor>> same : byContent.values()) {
      for (int i = 1; i < same.size(); i++) {
        for (int j = 0; j < i; j++) {
          if (!reported.contains(same.get(i).getKey())
              && TensorContents.equal(same.get(i).getValue(), same.get(j).getValue())
              && !TensorScan.isUniform(same.get(i).getValue())) {
            reported.add(same.get(i).getKey());
            copy(same.get(j), same.get(i), "holds the same numbers as");
          }
        }
      }
    }
    int pairs = 0;
    for (int i = 1; i < matrices.size(); i++) {
      for (int j = 0; j < i && pairs < PAIRS; j++) {
        Tensor one = matrices.get(i).getValue();
        Tensor other = matrices.get(j).getValue();
        boolean swapped =
            one.elementType() == other.elementType()
                && one.shape().dim(0).equals(other.shape().dim(1))
                && one.shape().dim(1).equals(other.shape().dim(0))
                && !one.shape().dim(0).equals(one.shape().dim(1));
        if (swapped && !reported.contains(matrices.get(i).getKey())) {
          pairs++;
          if (TensorContents.transposed(one, other) && !TensorScan.isUniform(one)) {
            reported.add(matrices.get(i).getKey());
            copy(matrices.get(j), matrices.get(i), "is the transpose of");
          }
        }
      }
    }
    findings.addAll(
        Severity.NOTE,
        "large-constant",
        large,
        "constants of a mebibyte and more within the graph, which every tool reads whole",
        "store them as initializers, with external data");
  }

  private void copy(Map.Entry<String, Tensor> first, Map.Entry<String, Tensor> second, String how) {
    findings.add(
        Severity.WARNING,
        "stored-twice",
        second.getKey(),
        String.format(
            Locale.ROOT,
            "it %s '%s': %,d bytes are stored twice, and would be trained apart",
            how,
            first.getKey(),
            second.getValue().data().byteSize()),
        "a tied table is joined when the model is spliced; else let both be one where it is exported");
  }

  private void spelling() {
    Graph lifted = Lift.attempt(graph).graph();
    Explanation explanation = Explanation.counting();
    try {
      new Canonicalise().run(lifted, explanation);
    } catch (ManticoreException e) {
      // Why it cannot be lifted has been said.
      return;
    }
    List<String> fired = new ArrayList<>();
    explanation.fired().forEach((rule, count) -> fired.add(rule + " " + count + "x"));
    findings.addAll(
        Severity.NOTE,
        "not-canonical",
        fired,
        "the graph spells out what has a shorter form",
        "manticore canonicalise --explain tells what; it is done anyway where it matters");
  }
}
