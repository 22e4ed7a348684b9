package dev.manticore.compiler.serve;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.manticore.compiler.generate.Generator;
import dev.manticore.ir.ManticoreException;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Serves one model over HTTP: the Open Inference Protocol under {@code /v2}, completions under
 * {@code /v1}. What it takes from a client is bounded in size, number and time. It is meant for
 * trying a model out and for tests; it knows no users and no encryption.
 */
public final class InferenceServer implements AutoCloseable {

  private static final Logger LOGGER = LoggerFactory.getLogger(InferenceServer.class);

  /** Connections that are served at once beyond those that wait for the model. */
  private static final int SPARE_THREADS = 64;

  private static final int BACKLOG = 128;

  private final HttpServer http;
  private final ExecutorService connections;
  private final ModelThread model;
  private final Generator generator;
  private final ServerOptions options;
  private final OpenInference inference;
  private final Completions completions;

  private InferenceServer(Generator generator, ServerOptions options) throws IOException {
    // Read by the JDK's server when its first one is made: how long a client may take to send a
    // request, and to take an answer.
    String seconds = Long.toString(Math.max(1, options.timeout().toSeconds()));
    System.getProperties().putIfAbsent("sun.net.httpserver.maxReqTime", seconds);
    System.getProperties()
        .putIfAbsent(
            "sun.net.httpserver.maxRspTime",
            Long.toString(2 * Math.max(1, options.timeout().toSeconds())));
    this.generator = generator;
    this.options = options;
    this.http = HttpServer.create(options.address(), BACKLOG);
    this.model = new ModelThread(options.queue());
    this.inference = new OpenInference(generator, model, options);
    this.completions = new Completions(generator, model, options);
    AtomicInteger number = new AtomicInteger();
    this.connections =
        new ThreadPoolExecutor(
            0,
            options.queue() + SPARE_THREADS,
            10,
            TimeUnit.SECONDS,
            new SynchronousQueue<>(),
            work -> {
              Thread thread = new Thread(work, "manticore-http-" + number.incrementAndGet());
              thread.setDaemon(true);
              return thread;
            });
    http.setExecutor(connections);
    http.createContext("/", this::handle);
  }

  /**
   * Starts to serve a model.
   *
   * @param generator is closed with the server
   * @throws ManticoreException {@code MNT-SERVE} if it cannot listen there
   */
  public static InferenceServer start(Generator generator, ServerOptions options) {
    InferenceServer server;
    try {
      server = new InferenceServer(generator, options);
    } catch (IOException e) {
      generator.close();
      throw new ManticoreException(
          "MNT-SERVE",
          "cannot listen on "
              + options.address()
              + ": "
              + e.getMessage()
              + "; choose another port with --port",
          e);
    }
    server.http.start();
    return server;
  }

  /** Where it listens. */
  public InetSocketAddress address() {
    return http.getAddress();
  }

  private void handle(HttpExchange http) throws IOException {
    Exchange exchange = new Exchange(http, options.largestBody());
    try (http) {
      try {
        route(exchange);
      } catch (HttpProblem e) {
        refuse(exchange, e);
      } catch (IOException e) {
        // The client has gone, or is too slow.
        LOGGER.debug("{} {}: {}", exchange.method(), exchange.path(), e.toString());
      } catch (RuntimeException e) {
        LOGGER.error("{} {}", exchange.method(), exchange.path(), e);
        refuse(exchange, new HttpProblem(HttpProblem.INTERNAL, "internal error: " + e));
      }
    }
  }

  private void route(Exchange exchange) throws IOException {
    String path = exchange.path();
    if (path.equals("/v2") || path.startsWith("/v2/")) {
      inference.answer(exchange, path.length() <= 4 ? "" : path.substring(4));
    } else if (path.equals("/v1/completions")) {
      completions.answer(exchange);
    } else if (path.equals("/v1/models")) {
      exchange.requireMethod("GET");
      ObjectNode list = JsonNodeFactory.instance.objectNode().put("object", "list");
      list.putArray("data").addObject().put("id", options.name()).put("object", "model");
      exchange.answer(200, list);
    } else {
      throw new HttpProblem(
          HttpProblem.NOT_FOUND, "there is no " + path + "; there are /v2 and /v1/completions");
    }
  }

  private static void refuse(Exchange exchange, HttpProblem problem) throws IOException {
    if (exchange.answered()) {
      return;
    }
    ObjectNode error =
        exchange.path().startsWith("/v1/")
            ? Completions.error(problem)
            : JsonNodeFactory.instance.objectNode().put("error", problem.getMessage());
    exchange.answer(problem.status(), error);
  }

  /** Stops: requests that are being answered are cut off, and what is generated for them ends. */
  @Override
  public void close() {
    http.stop(0);
    completions.cancelAll();
    connections.shutdownNow();
    if (model.stop()) {
      generator.close();
    } else {
      LOGGER.warn("the model still runs; its memory is not freed");
    }
  }
}
