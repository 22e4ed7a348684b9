package dev.manticore.onnx;

import com.google.common.collect.ImmutableList;
import com.google.common.collect.ImmutableSortedMap;
import com.google.protobuf.ByteString;
import dev.manticore.ir.Annotations;
import dev.manticore.ir.Attribute;
import dev.manticore.ir.Attributes;
import dev.manticore.ir.Dim;
import dev.manticore.ir.ElementType;
import dev.manticore.ir.Graph;
import dev.manticore.ir.GraphEditor;
import dev.manticore.ir.IrException;
import dev.manticore.ir.ManticoreException;
import dev.manticore.ir.Node;
import dev.manticore.ir.OpId;
import dev.manticore.ir.Origin;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.TensorData;
import dev.manticore.ir.TensorType;
import dev.manticore.ir.Utf8;
import dev.manticore.ir.Value;
import dev.manticore.ir.ValueType;
import dev.manticore.ir.op.Catalogue;
import dev.manticore.onnx.proto.AttributeProto;
import dev.manticore.onnx.proto.FunctionProto;
import dev.manticore.onnx.proto.GraphProto;
import dev.manticore.onnx.proto.ModelProto;
import dev.manticore.onnx.proto.NodeProto;
import dev.manticore.onnx.proto.OperatorSetIdProto;
import dev.manticore.onnx.proto.SparseTensorProto;
import dev.manticore.onnx.proto.StringStringEntryProto;
import dev.manticore.onnx.proto.TensorAnnotation;
import dev.manticore.onnx.proto.TensorProto;
import dev.manticore.onnx.proto.TypeProto;
import dev.manticore.onnx.proto.ValueInfoProto;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;

/** Makes graphs of the messages of one model. */
final class GraphReader {

  private static final int MAX_NODES = 1_000_000;
  private static final int MAX_INITIALIZERS = 1_000_000;
  private static final int LAST_IR_VERSION = 13;
  private static final int DEEPEST_NESTING = 100;

  /** What is stated where nothing is known: the body of a function has no types. */
  static final TensorType UNKNOWN = new TensorType(ElementType.FLOAT32, Shape.unranked());

  private final ModelProto model;
  private final Map<Integer, TensorData> places;
  private final String source;
  private final TensorReader tensors;

  private final OnnxImporter.Functions policy;

  /** The functions, by domain and name: which version of the domain means one is not said. */
  private final Map<Key, Definition> functions = new HashMap<>();

  private record Key(String domain, String name, String overload) {
    static Key of(OpId op) {
      return new Key(op.domain(), op.name(), op.overload());
    }
  }

  /** What the file says of a value where it is not defined. */
  private record Stated(Optional<ValueType> type, Annotations annotations) {
    static final Stated NOTHING = new Stated(Optional.empty(), Annotations.NONE);
  }

  /**
   * A function of the model.
   *
   * @param defaults its attributes that have a default
   * @param canonical what it computes
   */
  private record Definition(FunctionProto proto, Attributes defaults, ByteString canonical) {}

  private int nodeCount;
  private int initializerCount;

  GraphReader(
      ModelFile.Contents contents,
      String source,
      Optional<Path> baseDirectory,
      OnnxImporter.Functions policy) {
    this.model = contents.model();
    this.places = contents.places();
    this.source = source;
    this.policy = policy;
    this.tensors = new TensorReader(source, new ExternalData(baseDirectory));
  }

  /** Where names are looked up: a graph's own values, then those around it. */
  private static final class Scope {
    private final Map<String, Value> values = new HashMap<>();
    private final Set<String> absent = new HashSet<>();
    private final Optional<Scope> outer;
    private final Map<String, Integer> opsets;
    private final boolean typed;
    private final Optional<Attributes> arguments;
    private final int nesting;

    private Scope(
        Optional<Scope> outer,
        Map<String, Integer> opsets,
        boolean typed,
        Optional<Attributes> arguments,
        int nesting) {
      this.outer = outer;
      this.opsets = opsets;
      this.typed = typed;
      this.arguments = arguments;
      this.nesting = nesting;
    }

    /** The scope of the main graph. */
    static Scope ofModel(Map<String, Integer> opsets) {
      return new Scope(Optional.empty(), opsets, true, Optional.empty(), 0);
    }

    /** The scope of a function that stands for itself: nothing is known of its operands. */
    static Scope ofFunction(Map<String, Integer> opsets) {
      return new Scope(Optional.empty(), opsets, false, Optional.empty(), 0);
    }

    Scope subgraph() {
      return new Scope(Optional.of(this), opsets, typed, arguments, nesting + 1);
    }

    /** The scope of a function in place of a call with these attributes. */
    Scope call(Map<String, Integer> functionOpsets, Attributes given) {
      return new Scope(Optional.empty(), functionOpsets, typed, Optional.of(given), nesting + 1);
    }

    Optional<Value> find(String name) {
      Value value = values.get(name);
      return value != null ? Optional.of(value) : outer.flatMap(scope -> scope.find(name));
    }

    /** Whether it is an input of the function around that the call leaves out. */
    boolean isAbsent(String name) {
      return absent.contains(name) || outer.isPresent() && outer.get().isAbsent(name);
    }
  }

  Graph read() {
    if (!model.hasGraph()) {
      throw Problems.invalid(source, "it has no graph");
    }
    if (model.getIrVersion() < 1 || model.getIrVersion() > LAST_IR_VERSION) {
      throw Problems.unsupported(
          source,
          "its version of the format is "
              + model.getIrVersion()
              + ", known are 1 to "
              + LAST_IR_VERSION);
    }
    Map<String, Integer> opsets = opsets(model.getOpsetImportList());
    if (opsets.isEmpty() && model.getIrVersion() < 3) {
      opsets.put(OpId.ONNX, 1);
    }
    GraphEditor editor = new GraphEditor(model.getGraph().getName());
    opsets.forEach(editor::opset);
    entries(model.getMetadataPropsList()).forEach(editor::metadata);
    editor.model(
        new Graph.ModelInfo(model.getDomain(), model.getModelVersion(), model.getDocString()));
    if (model.getTrainingInfoCount() > 0) {
      throw Problems.unsupported(
          source,
          "it carries training_info, graphs that train it by other means than ours; save it without"
              + " (in Python: del model.training_info[:])");
    }
    readFunctions();
    if (policy == OnnxImporter.Functions.KEEP) {
      model.getFunctionsList().forEach(function -> editor.function(function(function)));
    }
    return graph(model.getGraph(), editor, Scope.ofModel(opsets), true, List.of());
  }

  private Map<String, Integer> opsets(List<OperatorSetIdProto> imports) {
    Map<String, Integer> opsets = new LinkedHashMap<>();
    for (OperatorSetIdProto opset : imports) {
      if (opset.getVersion() < 1 || opset.getVersion() > Integer.MAX_VALUE) {
        throw Problems.invalid(
            source, "domain '" + opset.getDomain() + "' has version " + opset.getVersion());
      }
      opsets.merge(domain(opset.getDomain()), (int) opset.getVersion(), Math::max);
    }
    return opsets;
  }

  private static String domain(String written) {
    return written.equals("ai.onnx") ? OpId.ONNX : written;
  }

  private static Map<String, String> entries(List<StringStringEntryProto> protos) {
    Map<String, String> entries = new TreeMap<>();
    protos.forEach(entry -> entries.put(entry.getKey(), entry.getValue()));
    return entries;
  }

  private static Annotations annotations(String doc, List<StringStringEntryProto> metadata) {
    return doc.isEmpty() && metadata.isEmpty()
        ? Annotations.NONE
        : Annotations.of(doc, ImmutableSortedMap.copyOf(entries(metadata)));
  }

  // ---- functions

  private void readFunctions() {
    for (FunctionProto function : model.getFunctionsList()) {
      OpId op = functionId(function);
      Attributes defaults =
          attributes(
              function.getAttributeProtoList(),
              new GraphEditor(op.name()),
              Scope.ofFunction(opsets(function.getOpsetImportList())),
              List.of(),
              op,
              op.toString());
      Definition definition = new Definition(function, defaults, CanonicalFunction.of(function));
      if (functions.put(Key.of(op), definition) != null) {
        throw Problems.invalid(source, "function " + op + " is defined twice");
      }
    }
  }

  private OpId functionId(FunctionProto function) {
    String domain = domain(function.getDomain());
    Integer version = opsets(model.getOpsetImportList()).get(domain);
    return new OpId(
        domain, function.getName(), version == null ? 1 : version, function.getOverload());
  }

  private Graph.Function function(FunctionProto proto) {
    OpId op = functionId(proto);
    Scope scope = Scope.ofFunction(opsets(proto.getOpsetImportList()));
    GraphEditor editor = new GraphEditor(proto.getName());
    scope.opsets.forEach(editor::opset);
    editor.annotations(annotations(proto.getDocString(), proto.getMetadataPropsList()));
    Map<String, Stated> stated = new HashMap<>();
    state(stated, proto.getValueInfoList());
    for (String input : proto.getInputList()) {
      Stated said = stated.getOrDefault(input, Stated.NOTHING);
      Value value =
          new Value(
              name(editor, input, true, "an input of " + op),
              said.type().orElse(UNKNOWN),
              said.type().isEmpty() ? said.annotations().guessed() : said.annotations());
      editor.addInput(value);
      define(scope, value, "input");
    }
    claim(editor, proto.getNodeList(), op.toString());
    for (NodeProto node : proto.getNodeList()) {
      node(node, editor, scope, stated, Map.of());
    }
    proto.getOutputList().forEach(name -> editor.output(require(scope, name, op + "'s outputs")));
    return new Graph.Function(
        op,
        ImmutableList.copyOf(proto.getAttributeList()),
        functions.get(Key.of(op)).defaults(),
        freeze(editor, "function " + op));
  }

  // ---- graphs

  /**
   * @param operands the types of a subgraph's inputs as far as the node around it tells, for inputs
   *     that the file gives no type
   */
  private Graph graph(
      GraphProto proto, GraphEditor editor, Scope scope, boolean main, List<ValueType> operands) {
    editor.annotations(annotations(proto.getDocString(), proto.getMetadataPropsList()));
    initializerCount += proto.getInitializerCount() + proto.getSparseInitializerCount();
    if (initializerCount > MAX_INITIALIZERS) {
      throw Problems.unsupported(source, "it has more than " + MAX_INITIALIZERS + " initializers");
    }
    Set<String> initialized = new HashSet<>();
    proto.getInitializerList().forEach(tensor -> initialized.add(tensor.getName()));
    proto
        .getSparseInitializerList()
        .forEach(sparse -> initialized.add(sparse.getValues().getName()));
    Map<String, Stated> stated = new HashMap<>();
    state(stated, proto.getValueInfoList());
    state(stated, proto.getInputList());
    state(stated, proto.getOutputList());
    quantize(stated, proto, initialized);
    int index = 0;
    for (ValueInfoProto input : proto.getInputList()) {
      if (!initialized.contains(input.getName())) {
        int position = index;
        Stated said = stated.get(input.getName());
        ValueType type =
            said.type()
                .or(
                    () ->
                        position < operands.size()
                            ? Optional.of(operands.get(position))
                            : Optional.empty())
                .orElseGet(() -> untyped(input.getName(), scope));
        Value value =
            new Value(
                name(editor, input.getName(), main, "an input"),
                type,
                said.type().isEmpty() && !scope.typed
                    ? said.annotations().guessed()
                    : said.annotations());
        editor.addInput(value);
        define(scope, input.getName(), value, "input");
      }
      index++;
    }
    for (int i = 0; i < proto.getInitializerCount(); i++) {
      TensorProto tensor = proto.getInitializer(i);
      String what = "initializer '" + tensor.getName() + "'";
      Optional<TensorData> left = main ? Optional.ofNullable(places.get(i)) : Optional.empty();
      Tensor read = tensors.read(tensor, left, what);
      Annotations own = annotations(tensor.getDocString(), tensor.getMetadataPropsList());
      parameter(tensor.getName(), read, own, editor, scope, main, stated);
    }
    for (SparseTensorProto tensor : proto.getSparseInitializerList()) {
      String name = tensor.getValues().getName();
      Tensor read = tensors.read(tensor, "initializer '" + name + "'").dense();
      parameter(name, read, Annotations.NONE, editor, scope, main, stated);
    }
    Map<String, String> names = Map.of();
    if (main) {
      claim(editor, proto.getNodeList(), "the graph");
    } else {
      names = rename(editor, proto.getNodeList());
    }
    for (NodeProto node : proto.getNodeList()) {
      node(node, editor, scope, stated, names);
    }
    for (ValueInfoProto output : proto.getOutputList()) {
      editor.output(
          require(scope, output.getName(), "the outputs of graph '" + proto.getName() + "'"));
    }
    return freeze(editor, "graph '" + proto.getName() + "'");
  }

  private void parameter(
      String written,
      Tensor tensor,
      Annotations own,
      GraphEditor editor,
      Scope scope,
      boolean main,
      Map<String, Stated> stated) {
    Annotations elsewhere = stated.getOrDefault(written, Stated.NOTHING).annotations();
    Value value =
        new Value(
            name(editor, written, main, "an initializer"), tensor.type(), merge(own, elsewhere));
    editor.setParameter(value, tensor);
    define(scope, written, value, "initializer");
  }

  private TensorType untyped(String name, Scope scope) {
    if (scope.typed) {
      throw Problems.invalid(source, "input '" + name + "' has no type");
    }
    return UNKNOWN;
  }

  private Graph freeze(GraphEditor editor, String what) {
    try {
      return editor.freeze();
    } catch (IrException e) {
      throw new ManticoreException(
          "MNT-ONNX-INVALID", source + " is not a valid model: " + what + ": " + e.getMessage(), e);
    }
  }

  /** Adds what is said here to what was said before; of types, the last one counts. */
  private void state(Map<String, Stated> stated, List<ValueInfoProto> infos) {
    for (ValueInfoProto info : infos) {
      Stated before = stated.getOrDefault(info.getName(), Stated.NOTHING);
      Annotations said =
          new Annotations(
              info.getDocString(),
              ImmutableSortedMap.copyOf(entries(info.getMetadataPropsList())),
              ImmutableSortedMap.of(),
              OnnxTypes.denotations(info.getType()),
              Annotations.Typing.KNOWN);
      stated.put(
          info.getName(),
          new Stated(
              OnnxTypes.read(info.getType(), source, info.getName()).or(before::type),
              merge(said, before.annotations())));
    }
  }

  /** By which values others are quantised; a note of values that the graph lacks says nothing. */
  private static void quantize(
      Map<String, Stated> stated, GraphProto graph, Set<String> initialized) {
    if (graph.getQuantizationAnnotationCount() == 0) {
      return;
    }
    Set<String> names = new HashSet<>(initialized);
    graph.getInputList().forEach(input -> names.add(input.getName()));
    graph.getNodeList().forEach(node -> names.addAll(node.getOutputList()));
    names.remove("");
    for (TensorAnnotation proto : graph.getQuantizationAnnotationList()) {
      boolean known =
          proto.getQuantParameterTensorNamesList().stream()
              .allMatch(entry -> names.contains(entry.getValue()));
      if (!known) {
        continue;
      }
      Stated before = stated.getOrDefault(proto.getTensorName(), Stated.NOTHING);
      Annotations said =
          new Annotations(
              "",
              ImmutableSortedMap.of(),
              ImmutableSortedMap.copyOf(entries(proto.getQuantParameterTensorNamesList())),
              ImmutableList.of(),
              Annotations.Typing.KNOWN);
      stated.put(
          proto.getTensorName(), new Stated(before.type(), merge(said, before.annotations())));
    }
  }

  /** Both, of which the first counts where they contradict each other. */
  private static Annotations merge(Annotations first, Annotations second) {
    if (second.equals(Annotations.NONE)) {
      return first;
    }
    return new Annotations(
        first.doc().isEmpty() ? second.doc() : first.doc(),
        merge(first.metadata(), second.metadata()),
        merge(first.quantization(), second.quantization()),
        first.denotations().isEmpty() ? second.denotations() : first.denotations(),
        Annotations.Typing.KNOWN);
  }

  private static ImmutableSortedMap<String, String> merge(
      Map<String, String> first, Map<String, String> second) {
    Map<String, String> merged = new TreeMap<>(second);
    merged.putAll(first);
    return ImmutableSortedMap.copyOf(merged);
  }

  /** Takes the names of all outputs, before anything else can. */
  private void claim(GraphEditor editor, List<NodeProto> nodes, String where) {
    for (NodeProto node : nodes) {
      for (String output : node.getOutputList()) {
        if (!output.isEmpty() && !editor.freshName(output).equals(output)) {
          throw Problems.invalid(source, where + " defines '" + output + "' twice");
        }
      }
    }
  }

  /**
   * Names of a subgraph's values: their own, unless a subgraph beside it has them, as ONNX allows.
   */
  private static Map<String, String> rename(GraphEditor editor, List<NodeProto> nodes) {
    Map<String, String> names = new HashMap<>();
    for (NodeProto node : nodes) {
      for (String output : node.getOutputList()) {
        if (!output.isEmpty()) {
          names.put(output, editor.freshName(output));
        }
      }
    }
    return names;
  }

  private String name(GraphEditor editor, String written, boolean main, String what) {
    if (written.isEmpty()) {
      throw Problems.invalid(source, what + " has no name");
    }
    String name = editor.freshName(written);
    if (main && !name.equals(written)) {
      throw Problems.invalid(source, "the graph defines '" + written + "' twice");
    }
    return name;
  }

  private void define(Scope scope, Value value, String what) {
    define(scope, value.name(), value, what);
  }

  private void define(Scope scope, String name, Value value, String what) {
    if (scope.values.put(name, value) != null) {
      throw Problems.invalid(source, what + " '" + name + "' is defined before");
    }
  }

  private Value require(Scope scope, String name, String reader) {
    return scope
        .find(name)
        .orElseThrow(
            () ->
                Problems.invalid(
                    source, reader + " read '" + name + "', which nothing before defines"));
  }

  // ---- nodes

  private void node(
      NodeProto proto,
      GraphEditor editor,
      Scope scope,
      Map<String, Stated> stated,
      Map<String, String> names) {
    if (scope.nesting > DEEPEST_NESTING) {
      throw Problems.invalid(
          source,
          "subgraphs and functions are nested deeper than "
              + DEEPEST_NESTING
              + ", or functions call each other in a circle");
    }
    if (++nodeCount > MAX_NODES) {
      throw Problems.unsupported(source, "it has more than " + MAX_NODES + " nodes");
    }
    String label =
        proto.getName().isEmpty() && proto.getOutputCount() > 0
            ? proto.getOutput(0)
            : proto.getName();
    String what = "node '" + label + "' (" + proto.getOpType() + ")";
    OpId op = op(proto, scope, what);
    List<Optional<Value>> inputs = new ArrayList<>();
    for (String input : proto.getInputList()) {
      inputs.add(
          input.isEmpty() || scope.isAbsent(input)
              ? Optional.empty()
              : Optional.of(require(scope, input, what)));
    }
    trim(inputs);
    List<String> outputs = new ArrayList<>(proto.getOutputList());
    while (!outputs.isEmpty() && outputs.get(outputs.size() - 1).isEmpty()) {
      outputs.remove(outputs.size() - 1);
    }
    if (outputs.isEmpty()) {
      throw Problems.invalid(source, what + " has no output");
    }
    Attributes attributes = attributes(proto.getAttributeList(), editor, scope, inputs, op, what);
    Definition function = functions.get(Key.of(op));
    if (function == null && !op.overload().isEmpty()) {
      throw Problems.invalid(source, what + " calls " + op + ", which the model does not define");
    }
    if (function != null && policy == OnnxImporter.Functions.RESOLVE) {
      for (Map.Entry<String, Attribute> entry : function.defaults().values().entrySet()) {
        if (!attributes.has(entry.getKey())) {
          attributes = attributes.with(entry.getKey(), entry.getValue());
        }
      }
      Optional<OpId> ours =
          OnnxFunctions.recognise(
              op, function.canonical(), attributes, inputs, outputs.size(), editor::constantOf);
      if (ours.isEmpty()) {
        inline(function.proto(), what, attributes, inputs, outputs, editor, scope, stated, names);
        return;
      }
      op = ours.get();
    }
    List<ValueType> types = types(op, label, attributes, inputs, outputs, stated, editor, scope);
    ImmutableList.Builder<Optional<Value>> values = ImmutableList.builder();
    for (int i = 0; i < outputs.size(); i++) {
      String output = outputs.get(i);
      if (output.isEmpty()) {
        values.add(Optional.empty());
      } else {
        Stated said = stated.getOrDefault(output, Stated.NOTHING);
        boolean guessed = said.type().isEmpty() && (!scope.typed || followsFromGuess(op, inputs));
        Value value =
            new Value(
                names.getOrDefault(output, output),
                types.get(i),
                guessed ? said.annotations().guessed() : said.annotations());
        values.add(Optional.of(value));
        define(scope, output, value, "output");
      }
    }
    String name = proto.getName().isEmpty() ? outputs.get(0) : proto.getName();
    editor.addNode(
        new Node(
            op,
            scope.arguments.isEmpty()
                ? proto.getName()
                : names.getOrDefault(outputs.get(0), outputs.get(0)),
            attributes,
            ImmutableList.copyOf(inputs),
            values.build(),
            Origin.of(model.getGraph().getName(), name),
            annotations(proto.getDocString(), proto.getMetadataPropsList())));
  }

  /** Whether what is found out of a node's outputs may be wrong. */
  private static boolean followsFromGuess(OpId op, List<Optional<Value>> inputs) {
    return Catalogue.standard().find(op).isEmpty() || isAnyGuessed(inputs);
  }

  private static boolean isAnyGuessed(List<Optional<Value>> values) {
    for (Optional<Value> value : values) {
      if (value.isPresent() && value.get().isGuessed()) {
        return true;
      }
    }
    return false;
  }

  /**
   * Adds the nodes of a function in place of a call. Its outputs have the names that the call gives
   * them; all else gets fresh names under the first of them.
   */
  private void inline(
      FunctionProto function,
      String what,
      Attributes attributes,
      List<Optional<Value>> inputs,
      List<String> outputs,
      GraphEditor editor,
      Scope scope,
      Map<String, Stated> stated,
      Map<String, String> names) {
    if (inputs.size() > function.getInputCount() || outputs.size() > function.getOutputCount()) {
      throw Problems.invalid(
          source,
          what
              + " has "
              + inputs.size()
              + " inputs and "
              + outputs.size()
              + " outputs; its function has "
              + function.getInputCount()
              + " and "
              + function.getOutputCount());
    }
    Scope inner = scope.call(opsets(function.getOpsetImportList()), attributes);
    for (int i = 0; i < function.getInputCount(); i++) {
      String input = function.getInput(i);
      if (i < inputs.size() && inputs.get(i).isPresent()) {
        define(inner, input, inputs.get(i).orElseThrow(), "input of " + what);
      } else {
        inner.absent.add(input);
      }
    }
    Map<String, String> given = new HashMap<>();
    Map<String, Stated> givenTypes = new HashMap<>();
    String prefix = "";
    for (int i = 0; i < outputs.size(); i++) {
      String output = outputs.get(i);
      if (!output.isEmpty()) {
        String name = names.getOrDefault(output, output);
        prefix = prefix.isEmpty() ? name : prefix;
        given.putIfAbsent(function.getOutput(i), name);
        if (stated.containsKey(output)) {
          givenTypes.put(function.getOutput(i), stated.get(output));
        }
      }
    }
    for (NodeProto node : function.getNodeList()) {
      for (String output : node.getOutputList()) {
        if (!output.isEmpty() && !given.containsKey(output)) {
          given.put(output, editor.freshName(prefix + "/" + output));
        }
      }
    }
    for (NodeProto node : function.getNodeList()) {
      node(node, editor, inner, givenTypes, given);
    }
    for (int i = 0; i < outputs.size(); i++) {
      String output = outputs.get(i);
      if (!output.isEmpty()) {
        Value result = require(inner, function.getOutput(i), "the outputs of " + what);
        String name = names.getOrDefault(output, output);
        define(
            scope,
            output,
            result.name().equals(name) ? result : identity(editor, result, name, scope, what),
            "output");
      }
    }
  }

  /** Another name for a value: an input that a function hands through, or an output given twice. */
  private Value identity(GraphEditor editor, Value read, String name, Scope scope, String what) {
    Value value =
        new Value(
            name, read.valueType(), read.isGuessed() ? Annotations.GUESSED : Annotations.NONE);
    editor.addNode(
        new Node(
            new OpId(OpId.ONNX, "Identity", scope.opsets.getOrDefault(OpId.ONNX, OpId.OPSET)),
            name,
            Attributes.NONE,
            ImmutableList.of(Optional.of(read)),
            ImmutableList.of(Optional.of(value)),
            Origin.of(model.getGraph().getName(), what)));
    return value;
  }

  private static void trim(List<Optional<Value>> values) {
    while (!values.isEmpty() && values.get(values.size() - 1).isEmpty()) {
      values.remove(values.size() - 1);
    }
  }

  private OpId op(NodeProto proto, Scope scope, String what) {
    String domain = domain(proto.getDomain());
    Integer version = scope.opsets.get(domain);
    if (version == null) {
      throw Problems.invalid(
          source,
          what
              + " is of domain '"
              + (domain.isEmpty() ? "ai.onnx" : domain)
              + "', which the model does not import");
    }
    return new OpId(domain, proto.getOpType(), version, proto.getOverload());
  }

  private List<ValueType> types(
      OpId op,
      String label,
      Attributes attributes,
      List<Optional<Value>> inputs,
      List<String> outputs,
      Map<String, Stated> stated,
      GraphEditor editor,
      Scope scope) {
    List<Optional<TensorType>> inferred =
        scope.typed
            ? infer(op, label, attributes, inputs, outputs.size(), editor)
            : absent(outputs.size());
    // Of what follows from a guess, and of operators read in another version than they are known
    // in, the file knows more.
    boolean certain = !followsFromGuess(op, inputs) && !isOtherVersion(op);
    List<ValueType> types = new ArrayList<>();
    for (int i = 0; i < outputs.size(); i++) {
      Optional<TensorType> known = inferred.get(i);
      Optional<ValueType> written = stated.getOrDefault(outputs.get(i), Stated.NOTHING).type();
      if (known.isPresent() && written.isPresent()) {
        types.add(together(known.get(), written.get(), certain, label, op, outputs.get(i)));
      } else {
        types.add(
            known.isPresent()
                ? known.get()
                : written.orElseGet(() -> guess(op, attributes, inputs, outputs.size())));
      }
    }
    return types;
  }

  private ValueType together(
      TensorType known, ValueType written, boolean certain, String label, OpId op, String output) {
    if (written instanceof TensorType tensor && tensor.elementType() == known.elementType()) {
      return known.withShape(OnnxTypes.refine(known.shape(), tensor.shape()));
    }
    if (certain) {
      throw Problems.invalid(
          source,
          "node '"
              + label
              + "' ("
              + op
              + ") makes "
              + known
              + " but the file says that '"
              + output
              + "' is "
              + written);
    }
    // An element type alone is not written again, so that it cannot be what counts.
    boolean told = !(written instanceof TensorType tensor) || tensor.shape().isRanked();
    return told ? written : known;
  }

  private static boolean isOtherVersion(OpId op) {
    return op.domain().equals(OpId.ONNX) && op.version() != OpId.OPSET;
  }

  /** What stands for a type that nothing is known of. */
  private static ValueType guess(
      OpId op, Attributes attributes, List<Optional<Value>> inputs, int outputCount) {
    // What makes other values than tensors, of the operators that the catalogue has.
    if (op.domain().equals(OpId.ONNX) && outputCount == 1 && !attributes.graphs().isEmpty()) {
      ImmutableList<Value> results = attributes.graphs().get(0).outputs();
      if (!results.isEmpty() && !results.get(results.size() - 1).isTensor()) {
        return results.get(results.size() - 1).valueType();
      }
    }
    return inputs.stream()
        .flatMap(Optional::stream)
        .findFirst()
        .map(Value::valueType)
        .map(
            first ->
                first instanceof TensorType tensor ? tensor.withShape(Shape.unranked()) : first)
        .orElse(UNKNOWN);
  }

  /**
   * What the catalogue tells of the outputs; nothing for an operator outside of it, and for one
   * that has to do with other values than tensors.
   */
  private List<Optional<TensorType>> infer(
      OpId op,
      String label,
      Attributes attributes,
      List<Optional<Value>> inputs,
      int outputCount,
      GraphEditor editor) {
    if (Catalogue.standard().find(op).isEmpty() || !hasOnlyTensors(attributes, inputs)) {
      return absent(outputCount);
    }
    try {
      ImmutableList.Builder<Optional<TensorType>> types = ImmutableList.builder();
      for (TensorType type : editor.infer(op, label, attributes, inputs, outputCount)) {
        types.add(Optional.of(type));
      }
      return types.build();
    } catch (RuntimeException e) {
      if (isOtherVersion(op) || followsFromGuess(op, inputs)) {
        // The catalogue reads operators as the version that graphs are lifted to has them.
        return absent(outputCount);
      }
      String problem =
          e instanceof IrException
              ? e.getMessage()
              : "node '" + label + "' (" + op + ") does not accept its inputs: " + e;
      throw new ManticoreException(
          "MNT-ONNX-INVALID", source + " is not a valid model: " + problem, e);
    }
  }

  private static boolean hasOnlyTensors(Attributes attributes, List<Optional<Value>> inputs) {
    for (Optional<Value> input : inputs) {
      if (input.isPresent() && !input.get().isTensor()) {
        return false;
      }
    }
    return attributes.graphs().stream()
        .allMatch(
            graph ->
                graph.inputs().stream().allMatch(Value::isTensor)
                    && graph.outputs().stream().allMatch(Value::isTensor));
  }

  private static List<Optional<TensorType>> absent(int count) {
    List<Optional<TensorType>> none = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      none.add(Optional.empty());
    }
    return none;
  }

  // ---- attributes

  private Attributes attributes(
      List<AttributeProto> protos,
      GraphEditor editor,
      Scope scope,
      List<Optional<Value>> inputs,
      OpId op,
      String what) {
    if (protos.isEmpty()) {
      return Attributes.NONE;
    }
    ImmutableSortedMap.Builder<String, Attribute> attributes = ImmutableSortedMap.naturalOrder();
    Set<String> seen = new HashSet<>();
    long scanned =
        protos.stream()
            .filter(proto -> proto.getName().equals("num_scan_inputs"))
            .mapToLong(AttributeProto::getI)
            .findFirst()
            .orElse(0);
    for (AttributeProto proto : protos) {
      String name = proto.getName();
      if (name.isEmpty() || !seen.add(name)) {
        throw Problems.invalid(source, what + " has attribute '" + name + "' twice, or unnamed");
      }
      String where = "attribute '" + name + "' of " + what;
      if (proto.getRefAttrName().isEmpty()) {
        attributes.put(
            name, attribute(proto, editor, scope, bodyInputs(op, inputs, scanned), where));
      } else if (scope.arguments.isPresent()) {
        // What the call leaves out, the node leaves out too.
        Optional.ofNullable(scope.arguments.get().values().get(proto.getRefAttrName()))
            .ifPresent(argument -> attributes.put(name, argument));
      } else {
        attributes.put(
            name, new Attribute.Reference(proto.getRefAttrName(), proto.getType().getNumber()));
      }
    }
    return new Attributes(attributes.buildOrThrow());
  }

  /**
   * The types of the inputs of a body of {@code Loop} (which begins with the iteration and the
   * condition, as do its operands) or of {@code Scan}, as the operands tell; files may leave them
   * out.
   */
  private static List<ValueType> bodyInputs(OpId op, List<Optional<Value>> inputs, long scanned) {
    List<ValueType> types = new ArrayList<>();
    boolean loop = op.isOnnx("Loop");
    for (int i = 0; i < inputs.size(); i++) {
      ValueType given = inputs.get(i).map(Value::valueType).orElse(UNKNOWN);
      if (loop && i < 2) {
        types.add(new TensorType(i == 0 ? ElementType.INT64 : ElementType.BOOL, Shape.scalar()));
      } else if (given instanceof TensorType type) {
        boolean slice = i >= inputs.size() - scanned;
        // A state may change its shape from one iteration to the next; what is sliced loses an
        // axis that an attribute chooses. The rank stays.
        int rank = type.shape().isRanked() ? type.shape().rank() - (slice ? 1 : 0) : -1;
        List<Dim> unknown = new ArrayList<>();
        for (int axis = 0; axis < rank; axis++) {
          unknown.add(Dim.UNKNOWN);
        }
        types.add(type.withShape(rank < 0 ? Shape.unranked() : Shape.of(unknown)));
      } else {
        types.add(given);
      }
    }
    return types;
  }

  private Attribute attribute(
      AttributeProto proto,
      GraphEditor editor,
      Scope scope,
      List<ValueType> bodyInputs,
      String where) {
    return switch (kind(proto)) {
      case FLOAT -> Attribute.of(proto.getF());
      case INT -> Attribute.of(proto.getI());
      case STRING -> Attribute.of(text(proto.getS()));
      case FLOATS -> new Attribute.FloatsValue(ImmutableList.copyOf(proto.getFloatsList()));
      case INTS -> new Attribute.IntsValue(ImmutableList.copyOf(proto.getIntsList()));
      case STRINGS ->
          new Attribute.StringsValue(
              proto.getStringsList().stream()
                  .map(GraphReader::text)
                  .collect(ImmutableList.toImmutableList()));
      case TENSOR -> Attribute.of(tensors.read(proto.getT(), Optional.empty(), where));
      case GRAPH -> Attribute.of(subgraph(proto.getG(), editor, scope, bodyInputs));
      case TENSORS ->
          new Attribute.TensorsValue(
              proto.getTensorsList().stream()
                  .map(tensor -> tensors.read(tensor, Optional.empty(), where))
                  .collect(ImmutableList.toImmutableList()));
      case GRAPHS ->
          new Attribute.GraphsValue(
              proto.getGraphsList().stream()
                  .map(graph -> subgraph(graph, editor, scope, bodyInputs))
                  .collect(ImmutableList.toImmutableList()));
      case SPARSE_TENSOR ->
          new Attribute.SparseTensorValue(tensors.read(proto.getSparseTensor(), where));
      case SPARSE_TENSORS ->
          new Attribute.SparseTensorsValue(
              proto.getSparseTensorsList().stream()
                  .map(tensor -> tensors.read(tensor, where))
                  .collect(ImmutableList.toImmutableList()));
      case TYPE_PROTO -> new Attribute.TypeValue(type(proto.getTp(), where));
      case TYPE_PROTOS ->
          new Attribute.TypesValue(
              proto.getTypeProtosList().stream()
                  .map(type -> type(type, where))
                  .collect(ImmutableList.toImmutableList()));
      case UNDEFINED -> throw Problems.invalid(source, where + " has no value");
    };
  }

  private Graph subgraph(
      GraphProto proto, GraphEditor editor, Scope scope, List<ValueType> bodyInputs) {
    return graph(proto, editor.subgraph(proto.getName()), scope.subgraph(), false, bodyInputs);
  }

  private ValueType type(TypeProto proto, String where) {
    return OnnxTypes.read(proto, source, where)
        .orElseThrow(() -> Problems.invalid(source, where + " is a type that says nothing"));
  }

  /** Files of the first version of the format do not say which field holds the value. */
  private static AttributeProto.AttributeType kind(AttributeProto proto) {
    if (proto.getType() != AttributeProto.AttributeType.UNDEFINED) {
      return proto.getType();
    }
    if (proto.hasF()) {
      return AttributeProto.AttributeType.FLOAT;
    }
    if (proto.hasI()) {
      return AttributeProto.AttributeType.INT;
    }
    if (proto.hasS()) {
      return AttributeProto.AttributeType.STRING;
    }
    if (proto.hasT()) {
      return AttributeProto.AttributeType.TENSOR;
    }
    if (proto.hasG()) {
      return AttributeProto.AttributeType.GRAPH;
    }
    if (proto.getFloatsCount() > 0) {
      return AttributeProto.AttributeType.FLOATS;
    }
    if (proto.getIntsCount() > 0) {
      return AttributeProto.AttributeType.INTS;
    }
    return proto.getStringsCount() > 0
        ? AttributeProto.AttributeType.STRINGS
        : AttributeProto.AttributeType.UNDEFINED;
  }

  private static String text(ByteString bytes) {
    return Utf8.decode(bytes.toByteArray());
  }
}
