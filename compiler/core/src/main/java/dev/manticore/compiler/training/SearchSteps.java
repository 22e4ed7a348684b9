package dev.manticore.compiler.training;

import dev.manticore.compiler.data.Batch;
import dev.manticore.compiler.recipe.Recipe;
import dev.manticore.compiler.search.MixtureOptimizer;
import dev.manticore.compiler.search.Simplex;
import dev.manticore.ir.Shape;
import dev.manticore.ir.Tensor;
import dev.manticore.ir.random.Draws;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** The steps of a search: of the weights, of the mixture weights, and when they come. */
public final class SearchSteps {

  /** What its tensors in a checkpoint begin with. */
  private static final String STATE = "search.";

  /** Logits that stand for a weight of 0. */
  private static final float NEVER = -1e9f;

  /** Of a loss in the mean of those before, which forgets. */
  private static final double SHARE = 0.1;

  private static final double LEAST_LOSS = 1e-4;

  private final TrainingPlan plan;
  private final TrainingPlan.Mixtures mixtures;
  private final MixtureOptimizer optimizer;
  private final int window;
  private final long seed;

  /** Of warm-up steps: the mean loss with all of the weight of a block on a component. */
  private final double[][] lossWith;

  private double[][] settledAt;
  private int settledSince;

  /**
   * @param plan one that searches
   * @param seed of what the method draws
   */
  public SearchSteps(TrainingPlan plan, long seed) {
    this.plan = plan;
    this.mixtures = plan.search().orElseThrow();
    int steps = plan.schedule().steps();
    this.optimizer =
        MixtureOptimizer.of(
            mixtures.settings(), mixtures.alphas().size(), mixtures.components(), steps, seed);
    this.window = Math.max(1, steps / 10);
    this.seed = seed;
    this.lossWith = new double[mixtures.alphas().size()][mixtures.components()];
    this.settledAt = optimizer.weights();
  }

  /**
   * One step.
   *
   * @param training the next batches to train on
   * @param heldOut the next ones for the mixture weights, where they have data of their own
   * @return the mean loss of the training batches before the step, in nats a token
   */
  public double take(
      TrainingSession session,
      int step,
      Supplier<List<Batch>> training,
      Supplier<List<Batch>> heldOut) {
    int warmup = mixtures.settings().alphaWarmup().steps();
    if (step < warmup) {
      return warmUp(session, step, training.get());
    }
    session.mix(optimizer.draw(step));
    int searched = step - warmup;
    double loss =
        switch (mixtures.settings().updates()) {
          case SIMULTANEOUS -> {
            TrainingSession.Gradient gradient = session.step(step, step, training.get());
            update(step, gradient);
            yield gradient.loss();
          }
          case ALTERNATING -> {
            if (searched % 2 == 0) {
              yield session.step(step, warmup + searched / 2, training.get()).loss();
            }
            TrainingSession.Gradient gradient = session.mixtureGradient(training.get());
            update(step, gradient);
            yield gradient.loss();
          }
          case BILEVEL -> {
            update(step, session.mixtureGradient(heldOut.get()));
            session.mix(optimizer.draw(step));
            yield session.step(step, step, training.get()).loss();
          }
          case BILEVEL_SECOND_ORDER -> {
            List<Batch> batches = training.get();
            update(step, session.secondOrderGradient(step, batches, heldOut.get()));
            session.mix(optimizer.draw(step));
            yield session.step(step, step, batches).loss();
          }
        };
    watch(step);
    return loss;
  }

  private double warmUp(TrainingSession session, int step, List<Batch> batches) {
    Recipe.AlphaWarmup warmup = mixtures.settings().alphaWarmup();
    settledSince = step + 1;
    if (warmup.weights() == Recipe.WarmupWeights.EQUAL) {
      session.mix(optimizer.draw(step));
      return session.step(step, step, batches).loss();
    }
    int[] path = path(step);
    double[][] weights = new double[lossWith.length][mixtures.components()];
    for (int block = 0; block < path.length; block++) {
      weights[block][path[block]] = 1;
    }
    session.mix(weights);
    double loss = session.step(step, step, batches).loss();
    for (int block = 0; block < path.length; block++) {
      double before = lossWith[block][path[block]];
      lossWith[block][path[block]] =
          step < mixtures.components() ? loss : before + SHARE * (loss - before);
    }
    // A component that had no turn has no loss to be compared by.
    if (step + 1 == warmup.steps() && warmup.steps() >= mixtures.components()) {
      optimizer.start(better());
    }
    return loss;
  }

  /**
   * The component that has all of the weight of each block at a step. In as many steps as there are
   * components each has had one turn in each block.
   */
  private int[] path(int step) {
    int components = mixtures.components();
    Draws draws = Draws.of(seed, step / components);
    int[] path = new int[lossWith.length];
    Arrays.setAll(path, block -> draws.permutation(components)[step % components]);
    return path;
  }

  /**
   * Weights in inverse proportion to the squares of the losses with each component. Near one
   * component a hybrid is about as good as that; at equal shares it can be worse than both, and the
   * gradient there can lead away from the better one.
   */
  private double[][] better() {
    double[][] weights = new double[lossWith.length][];
    for (int block = 0; block < weights.length; block++) {
      weights[block] =
          Simplex.normalised(
              Arrays.stream(lossWith[block])
                  .map(loss -> Math.max(LEAST_LOSS, loss))
                  .map(loss -> 1 / (loss * loss))
                  .toArray());
    }
    return weights;
  }

  private void update(int step, TrainingSession.Gradient gradient) {
    Recipe.Search settings = mixtures.settings();
    double[][] by = gradient.mixtures();
    if (settings.entropy() != 0) {
      double[][] drawn = optimizer.draw(step);
      for (int block = 0; block < by.length; block++) {
        for (int k = 0; k < by[block].length; k++) {
          // Of -sum w log w.
          double weight = Math.max(drawn[block][k], Double.MIN_NORMAL);
          by[block][k] -= settings.entropy() * (StrictMath.log(weight) + 1);
        }
      }
    }
    optimizer.update(step, by, settings.alphaLearningRate() * plan.rateFactor(step));
  }

  private void watch(int step) {
    double[][] weights = optimizer.weights();
    if (distance(weights, settledAt) > mixtures.settings().settled()) {
      settledAt = weights;
      settledSince = step + 1;
    }
  }

  /** Whether the mixture weights have stayed where they are for so long that a search may end. */
  boolean isSettled(int done) {
    return mixtures.settings().settled() > 0 && done - settledSince >= window;
  }

  /** Lets the session evaluate with the weights found so far. */
  void evaluateWith(TrainingSession session) {
    session.mix(optimizer.weights());
  }

  double[][] weights() {
    return optimizer.weights();
  }

  /** The parameters whose softmax the weights found are. */
  Map<String, Tensor> alphas() {
    return alphas(mixtures.alphas(), optimizer.weights());
  }

  /**
   * Parameters whose softmax these weights are.
   *
   * @param names one a block
   */
  public static Map<String, Tensor> alphas(List<String> names, double[][] weights) {
    Map<String, Tensor> alphas = new LinkedHashMap<>();
    for (int block = 0; block < weights.length; block++) {
      float[] logits = new float[weights[block].length];
      for (int k = 0; k < logits.length; k++) {
        logits[k] = weights[block][k] == 0 ? NEVER : (float) StrictMath.log(weights[block][k]);
      }
      alphas.put(names.get(block), Tensor.ofFloats(Shape.of(logits.length), logits));
    }
    return alphas;
  }

  /**
   * All that {@link #restore} needs; 64-bit numbers as two of 32, which a checkpoint keeps whole.
   */
  Map<String, Tensor> checkpoint() {
    Map<String, double[]> state = new LinkedHashMap<>(optimizer.state());
    for (int block = 0; block < settledAt.length; block++) {
      state.put("settled." + block, settledAt[block]);
      state.put("with." + block, lossWith[block]);
    }
    state.put("since", new double[] {settledSince});
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    state.forEach(
        (name, values) -> {
          long[] bits = new long[values.length];
          for (int i = 0; i < bits.length; i++) {
            bits[i] = Double.doubleToRawLongBits(values[i]);
          }
          tensors.put(STATE + name, Tensor.ofLongs(Shape.of(bits.length), bits));
        });
    return tensors;
  }

  static boolean isOfSearch(String tensor) {
    return tensor.startsWith(STATE);
  }

  void restore(Map<String, Tensor> checkpoint) {
    Map<String, double[]> state = new LinkedHashMap<>();
    checkpoint.forEach(
        (name, tensor) -> {
          if (isOfSearch(name)) {
            long[] bits = tensor.toLongs();
            double[] values = new double[bits.length];
            for (int i = 0; i < bits.length; i++) {
              values[i] = Double.longBitsToDouble(bits[i]);
            }
            state.put(name.substring(STATE.length()), values);
          }
        });
    optimizer.restore(state);
    double[][] settled = new double[settledAt.length][];
    Arrays.setAll(settled, block -> state.get("settled." + block));
    settledAt = settled;
    settledSince = (int) state.get("since")[0];
    Arrays.setAll(lossWith, block -> state.get("with." + block));
  }

  private static double distance(double[][] weights, double[][] others) {
    double most = 0;
    for (int block = 0; block < weights.length; block++) {
      for (int k = 0; k < weights[block].length; k++) {
        most = Math.max(most, Math.abs(weights[block][k] - others[block][k]));
      }
    }
    return most;
  }
}
