package dev.manticore.cli;

import dev.manticore.compiler.component.ModelFiles;
import dev.manticore.compiler.generate.Generator;
import dev.manticore.compiler.serve.InferenceServer;
import dev.manticore.compiler.serve.ServerOptions;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code manticore serve}. */
@Command(
    name = "serve",
    sortOptions = false,
    description = "Serves a model over HTTP, for trying it out and for tests.",
    footer = {
      "",
      "Under /v2 it speaks the Open Inference Protocol, under /v1/completions as OpenAI's does.",
      "It listens on this machine only, unless --host says otherwise: it knows no users and no",
      "encryption. Ctrl-C stops it.",
      "",
      "Example:",
      "  manticore serve runs/quickstart --port 8080",
      "  curl localhost:8080/v1/completions -d '{\"prompt\": \"The\", \"temperature\": 0}'"
    })
final class ServeCommand implements Callable<Integer> {

  private static final long POLL_MILLIS = 100;

  private final Terminal terminal;

  @Parameters(
      paramLabel = "MODEL",
      description = "A result of compile, a checkpoint directory, or an .onnx file.")
  private Path model;

  @Option(
      names = "--host",
      paramLabel = "ADDRESS",
      description = "The address to listen on (default: ${DEFAULT-VALUE}).")
  private String host = "127.0.0.1";

  @Option(
      names = "--port",
      paramLabel = "N",
      description = "The port, 0 for any that is free (default: ${DEFAULT-VALUE}).")
  private int port = 8080;

  @Option(
      names = "--name",
      paramLabel = "NAME",
      description = "What the model is called (default: the name of its place).")
  private Optional<String> name = Optional.empty();

  @Option(
      names = "--queue",
      paramLabel = "N",
      description = "Requests that wait at most; others get 503 (default: ${DEFAULT-VALUE}).")
  private int queue = ServerOptions.DEFAULT_QUEUE;

  @Option(
      names = "--max-body",
      paramLabel = "BYTES",
      description = "The largest body of a request (default: ${DEFAULT-VALUE}).")
  private int largestBody = ServerOptions.DEFAULT_LARGEST_BODY;

  @Option(
      names = "--timeout",
      paramLabel = "SECONDS",
      description = "After which a request is given up (default: ${DEFAULT-VALUE}).")
  private int timeout = (int) ServerOptions.DEFAULT_TIMEOUT.toSeconds();

  @Option(
      names = "--tokenizer",
      paramLabel = "FILE",
      description = "A tokenizer.json (default: the one beside the model).")
  private Optional<Path> tokenizer = Optional.empty();

  @Mixin private DeviceOption device;
  @Mixin private CommonOptions common;

  ServeCommand(Terminal terminal) {
    this.terminal = terminal;
  }

  @Override
  public Integer call() throws InterruptedException {
    Path place = terminal.existing(model);
    ServerOptions options =
        new ServerOptions(
            name.orElseGet(() -> ModelFiles.nameOf(place)),
            new InetSocketAddress(host, port),
            queue,
            largestBody,
            Duration.ofSeconds(timeout));
    Generator generator = Generator.open(place, tokenizer.map(terminal::existing), device.device());
    try (InferenceServer server = InferenceServer.start(generator, options)) {
      InetSocketAddress address = server.address();
      terminal
          .out()
          .println(
              "Serving '"
                  + options.name()
                  + "' on http://"
                  + address.getHostString()
                  + ":"
                  + address.getPort()
                  + "; Ctrl-C stops.");
      terminal.out().flush();
      while (!terminal.cancellation().isRequested()) {
        Thread.sleep(POLL_MILLIS);
      }
    }
    return ExitCode.INTERRUPTED;
  }
}
