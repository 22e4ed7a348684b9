// Kernels of the device cuda, compiled by NVRTC for the sizes at hand: STATES of a channel, TAPS of a convolution.
//
// Each is written in phases: what lies between EACH_THREAD and THREADS_DONE is done by all threads of a block before any
// goes on, and what a thread keeps from one phase to the next is declared PER_THREAD. So the same text is a plain loop
// over the threads where HOST_THREADS is defined, which is how it is tested without a GPU. No result depends on the order
// in which blocks or threads run.

#ifndef STATES
#define STATES 16
#endif
#ifndef TAPS
#define TAPS 4
#endif

#define THREADS 128
// Steps of a chunk in the gradient of the scan: a thread keeps the states of them all.
#define GRADIENT_CHUNK 16
// Channels that are summed by one thread when the gradients of B and C are.
#define PIECE 32
#define PIECES (THREADS / PIECE)
// Steps of a sequence whose share of a convolution's weights one thread sums.
#define CONVOLUTION_CHUNK 32

#ifdef HOST_THREADS
#define KERNEL void
#define DEVICE static
#define SHARED static
#define PER_THREAD(type, name, count) static type name[THREADS][count]
#define EACH_THREAD                                  \
  for (int thread = 0; thread < THREADS; thread++) { \
    [[maybe_unused]] const int own = thread;
#define THREADS_DONE }
#else
#define DEVICE static __device__
#define KERNEL extern "C" __global__ void __launch_bounds__(THREADS)
#define SHARED __shared__
#define PER_THREAD(type, name, count) type name[1][count]
#define EACH_THREAD                      \
  {                                      \
    const int thread = (int)threadIdx.x; \
    [[maybe_unused]] const int own = 0;
#define THREADS_DONE \
  }                  \
  __syncthreads();
#endif

typedef long long Long;

// ---- The selective scan: x, delta, y [batch, length, channels]; a [channels, STATES]; b, c [batch, length, STATES].
//
// h[t] = exp(delta[t] a) h[t-1] + delta[t] x[t] b[t],   y[t] = sum over the states of h[t] c[t]
//
// The sequence is cut into chunks, which all run at once: first each from a state of zero, then the states are carried from
// chunk to chunk, last each runs again from the state that it begins with. Blocks: channels, chunks, batch.
// states [batch, chunks, STATES, channels]; sums, of delta over a chunk, [batch, chunks, channels].

/** The state that each chunk ends with if it begins with zeros. */
KERNEL scan_chunks(const float* x, const float* delta, const float* a, const float* b, float* states, float* sums,
                   Long length, Long channels, Long chunk) {
  EACH_THREAD
    Long channel = (Long)blockIdx.x * THREADS + thread;
    if (channel < channels) {
      float h[STATES];
      float rate[STATES];
      for (int n = 0; n < STATES; n++) {
        h[n] = 0;
        rate[n] = a[channel * STATES + n];
      }
      float sum = 0;
      Long first = blockIdx.y * chunk;
      Long end = first + chunk < length ? first + chunk : length;
      for (Long t = first; t < end; t++) {
        Long row = blockIdx.z * length + t;
        float step = delta[row * channels + channel];
        float drive = step * x[row * channels + channel];
        sum += step;
        for (int n = 0; n < STATES; n++) {
          h[n] = expf(step * rate[n]) * h[n] + drive * b[row * STATES + n];
        }
      }
      Long at = (Long)blockIdx.z * gridDim.y + blockIdx.y;
      for (int n = 0; n < STATES; n++) {
        states[(at * STATES + n) * channels + channel] = h[n];
      }
      sums[at * channels + channel] = sum;
    }
  THREADS_DONE
}

/**
 * Ends of chunks become their beginnings. Blocks: channels, STATES, batch.
 *
 * before and after [batch, channels, STATES]; either may be missing
 */
KERNEL scan_carry(const float* a, const float* before, float* states, const float* sums, float* after, Long channels,
                  Long chunks) {
  EACH_THREAD
    Long channel = (Long)blockIdx.x * THREADS + thread;
    Long n = blockIdx.y;
    if (channel < channels) {
      float rate = a[channel * STATES + n];
      Long place = (blockIdx.z * channels + channel) * STATES + n;
      float h = before ? before[place] : 0;
      for (Long chunk = 0; chunk < chunks; chunk++) {
        Long at = blockIdx.z * chunks + chunk;
        float* state = states + (at * STATES + n) * channels + channel;
        float own_part = *state;
        *state = h;
        h = expf(rate * sums[at * channels + channel]) * h + own_part;
      }
      if (after) {
        after[place] = h;
      }
    }
  THREADS_DONE
}

/** y, from the states that the chunks begin with. */
KERNEL scan_outputs(const float* x, const float* delta, const float* a, const float* b, const float* c,
                    const float* states, float* y, Long length, Long channels, Long chunk) {
  EACH_THREAD
    Long channel = (Long)blockIdx.x * THREADS + thread;
    if (channel < channels) {
      Long at = (Long)blockIdx.z * gridDim.y + blockIdx.y;
      float h[STATES];
      float rate[STATES];
      for (int n = 0; n < STATES; n++) {
        h[n] = states[(at * STATES + n) * channels + channel];
        rate[n] = a[channel * STATES + n];
      }
      Long first = blockIdx.y * chunk;
      Long end = first + chunk < length ? first + chunk : length;
      for (Long t = first; t < end; t++) {
        Long row = blockIdx.z * length + t;
        float step = delta[row * channels + channel];
        float drive = step * x[row * channels + channel];
        float sum = 0;
        for (int n = 0; n < STATES; n++) {
          h[n] = expf(step * rate[n]) * h[n] + drive * b[row * STATES + n];
          sum += h[n] * c[row * STATES + n];
        }
        y[row * channels + channel] = sum;
      }
    }
  THREADS_DONE
}

// ---- Its gradient, with g the gradient by a state and chunks of GRADIENT_CHUNK:
//
// g[t] = dy[t] c[t] + exp(delta[t+1] a) g[t+1]
//
// runs backwards as the states run forwards. adjoints: as states; what flows from a chunk into the state before it, then
// what flows into a chunk from behind.

/** What flows out of each chunk if nothing flows into it. */
KERNEL adjoint_chunks(const float* delta, const float* a, const float* c, const float* dy, float* adjoints, Long length,
                      Long channels) {
  EACH_THREAD
    Long channel = (Long)blockIdx.x * THREADS + thread;
    if (channel < channels) {
      float g[STATES];
      float rate[STATES];
      for (int n = 0; n < STATES; n++) {
        g[n] = 0;
        rate[n] = a[channel * STATES + n];
      }
      Long first = (Long)blockIdx.y * GRADIENT_CHUNK;
      Long end = first + GRADIENT_CHUNK < length ? first + GRADIENT_CHUNK : length;
      for (Long t = end - 1; t >= first; t--) {
        Long row = blockIdx.z * length + t;
        float step = delta[row * channels + channel];
        float from = dy[row * channels + channel];
        for (int n = 0; n < STATES; n++) {
          g[n] = expf(step * rate[n]) * (g[n] + from * c[row * STATES + n]);
        }
      }
      Long at = (Long)blockIdx.z * gridDim.y + blockIdx.y;
      for (int n = 0; n < STATES; n++) {
        adjoints[(at * STATES + n) * channels + channel] = g[n];
      }
    }
  THREADS_DONE
}

/** What flows out of chunks becomes what flows into those before them. Blocks: channels, STATES, batch. */
KERNEL adjoint_carry(const float* a, float* adjoints, const float* sums, Long channels, Long chunks) {
  EACH_THREAD
    Long channel = (Long)blockIdx.x * THREADS + thread;
    Long n = blockIdx.y;
    if (channel < channels) {
      float rate = a[channel * STATES + n];
      float g = 0;
      for (Long chunk = chunks - 1; chunk >= 0; chunk--) {
        Long at = blockIdx.z * chunks + chunk;
        float* adjoint = adjoints + (at * STATES + n) * channels + channel;
        float own_part = *adjoint;
        *adjoint = g;
        g = expf(rate * sums[at * channels + channel]) * g + own_part;
      }
    }
  THREADS_DONE
}

/** A thread's share of the sums over channels; sums [STATES, blocks of channels times PIECES]. */
DEVICE void sum_pieces(float (*terms)[THREADS + 1], float* sums, int thread) {
  for (int item = thread; item < STATES * PIECES; item += THREADS) {
    int term = item / PIECES;
    int piece = item % PIECES;
    float sum = 0;
    for (int j = 0; j < PIECE; j++) {
      sum += terms[term][piece * PIECE + j];
    }
    sums[((Long)term * gridDim.x + blockIdx.x) * PIECES + piece] = sum;
  }
}

/**
 * The gradients of x and delta, and parts of the others: of a in place of the states; of b and then c in parts
 * [batch, length, 2 STATES, blocks of channels times PIECES].
 */
KERNEL scan_gradient(const float* x, const float* delta, const float* a, const float* b, const float* c, const float* dy,
                     float* states, const float* adjoints, float* dx, float* ddelta, float* parts, Long length,
                     Long channels) {
  SHARED float terms[STATES][THREADS + 1];
  PER_THREAD(float, h, (GRADIENT_CHUNK + 1) * STATES);
  PER_THREAD(float, g, STATES);
  PER_THREAD(float, rate, STATES);
  PER_THREAD(float, da, STATES);
  Long at = (Long)blockIdx.z * gridDim.y + blockIdx.y;
  Long first = (Long)blockIdx.y * GRADIENT_CHUNK;
  int steps = (int)(first + GRADIENT_CHUNK < length ? GRADIENT_CHUNK : length - first);
  EACH_THREAD
    Long channel = (Long)blockIdx.x * THREADS + thread;
    if (channel < channels) {
      for (int n = 0; n < STATES; n++) {
        h[own][n] = states[(at * STATES + n) * channels + channel];
        g[own][n] = adjoints[(at * STATES + n) * channels + channel];
        rate[own][n] = a[channel * STATES + n];
        da[own][n] = 0;
      }
      for (int i = 0; i < steps; i++) {
        Long row = blockIdx.z * length + first + i;
        float step = delta[row * channels + channel];
        float drive = step * x[row * channels + channel];
        for (int n = 0; n < STATES; n++) {
          h[own][(i + 1) * STATES + n] =
              expf(step * rate[own][n]) * h[own][i * STATES + n] + drive * b[row * STATES + n];
        }
      }
    }
  THREADS_DONE
  for (int i = steps - 1; i >= 0; i--) {
    Long row = blockIdx.z * length + first + i;
    EACH_THREAD
      Long channel = (Long)blockIdx.x * THREADS + thread;
      if (channel < channels) {
        float value = x[row * channels + channel];
        float step = delta[row * channels + channel];
        float from = dy[row * channels + channel];
        float by_drive = 0;
        float by_rate = 0;
        for (int n = 0; n < STATES; n++) {
          float by_state = g[own][n] + from * c[row * STATES + n];
          float decay = expf(step * rate[own][n]);
          float kept = decay * h[own][i * STATES + n];
          by_drive += by_state * b[row * STATES + n];
          by_rate += by_state * kept * rate[own][n];
          da[own][n] += by_state * kept * step;
          terms[n][thread] = by_state * step * value;
          g[own][n] = decay * by_state;
        }
        dx[row * channels + channel] = step * by_drive;
        ddelta[row * channels + channel] = value * by_drive + by_rate;
      } else {
        for (int n = 0; n < STATES; n++) {
          terms[n][thread] = 0;
        }
      }
    THREADS_DONE
    EACH_THREAD
      sum_pieces(terms, parts + row * 2 * STATES * gridDim.x * PIECES, thread);
    THREADS_DONE
    EACH_THREAD
      Long channel = (Long)blockIdx.x * THREADS + thread;
      float from = channel < channels ? dy[row * channels + channel] : 0;
      for (int n = 0; n < STATES; n++) {
        terms[n][thread] = channel < channels ? from * h[own][(i + 1) * STATES + n] : 0;
      }
    THREADS_DONE
    EACH_THREAD
      sum_pieces(terms, parts + (row * 2 + 1) * STATES * gridDim.x * PIECES, thread);
    THREADS_DONE
  }
  EACH_THREAD
    Long channel = (Long)blockIdx.x * THREADS + thread;
    if (channel < channels) {
      for (int n = 0; n < STATES; n++) {
        states[(at * STATES + n) * channels + channel] = da[own][n];
      }
    }
  THREADS_DONE
}

/** The gradients of b and c from their parts; rows are those of the batch. Blocks: rows times 2 STATES. */
KERNEL scan_mixing_gradient(const float* parts, float* db, float* dc, Long rows, Long count) {
  EACH_THREAD
    Long item = (Long)blockIdx.x * THREADS + thread;
    if (item < rows * 2 * STATES) {
      float sum = 0;
      for (Long j = 0; j < count; j++) {
        sum += parts[item * count + j];
      }
      Long row = item / (2 * STATES);
      Long term = item % (2 * STATES);
      if (term < STATES) {
        db[row * STATES + term] = sum;
      } else {
        dc[row * STATES + term - STATES] = sum;
      }
    }
  THREADS_DONE
}

/** The gradient of a from its parts. Blocks: channels, STATES. */
KERNEL scan_rate_gradient(const float* parts, float* da, Long channels, Long count) {
  EACH_THREAD
    Long channel = (Long)blockIdx.x * THREADS + thread;
    Long n = blockIdx.y;
    if (channel < channels) {
      float sum = 0;
      for (Long j = 0; j < count; j++) {
        sum += parts[(j * STATES + n) * channels + channel];
      }
      da[channel * STATES + n] = sum;
    }
  THREADS_DONE
}

// ---- A depthwise convolution over time that looks back only, and its gradient:
// y[t] = sum over j of weight[j] x[t - TAPS + 1 + j] + bias; x, y [batch, length, channels]; weight [channels, TAPS].

/** y. Blocks: channels, chunks, batch. */
KERNEL convolution(const float* x, const float* weight, const float* bias, float* y, Long length, Long channels) {
  EACH_THREAD
    Long channel = (Long)blockIdx.x * THREADS + thread;
    if (channel < channels) {
      Long first = (Long)blockIdx.y * CONVOLUTION_CHUNK;
      Long end = first + CONVOLUTION_CHUNK < length ? first + CONVOLUTION_CHUNK : length;
      for (Long t = first; t < end; t++) {
        Long row = blockIdx.z * length + t;
        float sum = bias[channel];
        for (int tap = 0; tap < TAPS; tap++) {
          int distance = TAPS - 1 - tap;
          if (t >= distance) {
            sum += weight[channel * TAPS + tap] * x[(row - distance) * channels + channel];
          }
        }
        y[row * channels + channel] = sum;
      }
    }
  THREADS_DONE
}

/** The gradient of x, and parts [batch, chunks, TAPS + 1, channels] of those of the weights, then the bias. */
KERNEL convolution_gradient(const float* x, const float* weight, const float* dy, float* dx, float* parts, Long length,
                            Long channels) {
  EACH_THREAD
    Long channel = (Long)blockIdx.x * THREADS + thread;
    if (channel < channels) {
      float sums[TAPS + 1];
      for (int tap = 0; tap <= TAPS; tap++) {
        sums[tap] = 0;
      }
      Long first = (Long)blockIdx.y * CONVOLUTION_CHUNK;
      Long end = first + CONVOLUTION_CHUNK < length ? first + CONVOLUTION_CHUNK : length;
      for (Long t = first; t < end; t++) {
        Long row = blockIdx.z * length + t;
        float from = dy[row * channels + channel];
        float sum = 0;
        for (int tap = 0; tap < TAPS; tap++) {
          int distance = TAPS - 1 - tap;
          if (t + distance < length) {
            sum += weight[channel * TAPS + tap] * dy[(row + distance) * channels + channel];
          }
          if (t >= distance) {
            sums[tap] += x[(row - distance) * channels + channel] * from;
          }
        }
        sums[TAPS] += from;
        dx[row * channels + channel] = sum;
      }
      Long at = (Long)blockIdx.z * gridDim.y + blockIdx.y;
      for (int tap = 0; tap <= TAPS; tap++) {
        parts[(at * (TAPS + 1) + tap) * channels + channel] = sums[tap];
      }
    }
  THREADS_DONE
}

/** The gradients of the weights and the bias from their parts. Blocks: channels, TAPS + 1. */
KERNEL convolution_weight_gradient(const float* parts, float* dweight, float* dbias, Long channels, Long count) {
  EACH_THREAD
    Long channel = (Long)blockIdx.x * THREADS + thread;
    Long tap = blockIdx.y;
    if (channel < channels) {
      float sum = 0;
      for (Long j = 0; j < count; j++) {
        sum += parts[(j * (TAPS + 1) + tap) * channels + channel];
      }
      if (tap < TAPS) {
        dweight[channel * TAPS + tap] = sum;
      } else {
        dbias[channel] = sum;
      }
    }
  THREADS_DONE
}

// ---- Element by element.

/**
 * A step of AdamW; results may be where the operands are.
 *
 * settings: learning rate, beta1, beta2, epsilon, weight decay, 1 - beta1^t, 1 - beta2^t, scale of the gradient
 */
KERNEL adamw(const float* parameter, const float* first, const float* second, const float* gradient,
             const float* settings, float* parameter_next, float* first_next, float* second_next, Long count) {
  EACH_THREAD
    Long i = (Long)blockIdx.x * THREADS + thread;
    if (i < count) {
      float scaled = gradient[i] * settings[7];
      float m = first[i] * settings[1] + scaled * (1 - settings[1]);
      float v = second[i] * settings[2] + scaled * scaled * (1 - settings[2]);
      float step = m * (settings[0] / settings[5]) / (sqrtf(v / settings[6]) + settings[3]);
      parameter_next[i] = parameter[i] * (1 - settings[0] * settings[4]) - step;
      first_next[i] = m;
      second_next[i] = v;
    }
  THREADS_DONE
}

/** y = x sigmoid(x) */
KERNEL silu(const float* x, float* y, Long count) {
  EACH_THREAD
    Long i = (Long)blockIdx.x * THREADS + thread;
    if (i < count) {
      y[i] = x[i] / (1 + expf(-x[i]));
    }
  THREADS_DONE
}

/** dx = dy silu'(x) */
KERNEL silu_gradient(const float* x, const float* dy, float* dx, Long count) {
  EACH_THREAD
    Long i = (Long)blockIdx.x * THREADS + thread;
    if (i < count) {
      float s = 1 / (1 + expf(-x[i]));
      dx[i] = dy[i] * s * (1 + x[i] * (1 - s));
    }
  THREADS_DONE
}

/** dx = dy gelu'(x), for GELU by the hyperbolic tangent, x sigmoid(x (linear + cubic x^2)). */
KERNEL gelu_gradient(const float* x, const float* dy, float* dx, Long count) {
  EACH_THREAD
    Long i = (Long)blockIdx.x * THREADS + thread;
    if (i < count) {
      const float linear = 1.5957691216f;
      const float cubic = 0.0713548163f;
      float square = x[i] * x[i];
      float s = 1 / (1 + expf(-x[i] * (linear + cubic * square)));
      dx[i] = dy[i] * s * (1 + x[i] * (1 - s) * (linear + 3 * cubic * square));
    }
  THREADS_DONE
}
