// Kernels of the device cuda, compiled by NVRTC for the sizes at hand: STATES of a channel, TAPS of a convolution, WIDTH of a
// head of attention.
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
#ifndef WIDTH
#define WIDTH 64
#endif

#define THREADS 128
// Steps of a chunk in the gradient of the scan: a thread keeps the states of them all.
#define GRADIENT_CHUNK 16
// Channels that are summed by one thread when the gradients of B and C are.
#define PIECE 32
#define PIECES (THREADS / PIECE)
// Steps of a sequence whose share of a convolution's weights one thread sums.
#define CONVOLUTION_CHUNK 32
// Rows of a normalisation whose share of the weights' gradient one block sums.
#define NORM_ROWS 16
// A pass of the sort of an embedding's uses looks at so many bits of their rows, and a thread at so many uses.
#define DIGIT_BITS 4
#define DIGITS (1 << DIGIT_BITS)
#define SORT_CHUNK 32

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

// ---- Rows.

/** Replaces the values of all threads, of which there is one each, by their sum in the first place. */
DEVICE void sum_of_block(float* values) {
  for (int half = THREADS / 2; half > 0; half /= 2) {
    EACH_THREAD
      if (thread < half) {
        values[thread] += values[thread + half];
      }
    THREADS_DONE
  }
}

/**
 * The gradient of a normalisation over rows, with n = (x - mean) inverse:
 *
 * dx = inverse (dy scale - mean of dy scale - n mean of dy scale n)
 *
 * and parts [blocks, 1 or 2, width] of those of its scale, the sum over rows of dy n, and its bias, that of dy. Blocks:
 * NORM_ROWS rows. x, dy [rows, width]; mean, inverse [rows]. Without a mean there is no bias either: a row is divided by the root
 * of its mean square, which is computed here, and nothing is taken away.
 */
KERNEL norm_gradient(const float* x, const float* scale, const float* mean, const float* inverse, const float* dy, float* dx,
                     float* parts, Long rows, Long width, float epsilon) {
  SHARED float squares[THREADS];
  SHARED float first[THREADS];
  SHARED float second[THREADS];
  Long begin = (Long)blockIdx.x * NORM_ROWS;
  Long end = begin + NORM_ROWS < rows ? begin + NORM_ROWS : rows;
  float* scale_part = parts + (Long)blockIdx.x * (mean ? 2 : 1) * width;
  for (Long row = begin; row < end; row++) {
    const float* xs = x + row * width;
    const float* dys = dy + row * width;
    float centre = 0;
    float factor = 0;
    if (mean) {
      centre = mean[row];
      factor = inverse[row];
    } else {
      EACH_THREAD
        float sum = 0;
        for (Long i = thread; i < width; i += THREADS) {
          sum += xs[i] * xs[i];
        }
        squares[thread] = sum;
      THREADS_DONE
      sum_of_block(squares);
      factor = 1 / sqrtf(squares[0] / width + epsilon);
    }
    EACH_THREAD
      float sum = 0;
      float along = 0;
      for (Long i = thread; i < width; i += THREADS) {
        float scaled = dys[i] * scale[i];
        sum += scaled;
        along += scaled * ((xs[i] - centre) * factor);
      }
      first[thread] = sum;
      second[thread] = along;
    THREADS_DONE
    sum_of_block(first);
    sum_of_block(second);
    EACH_THREAD
      float sum = mean ? first[0] / width : 0;
      float along = second[0] / width;
      for (Long i = thread; i < width; i += THREADS) {
        float normal = (xs[i] - centre) * factor;
        dx[row * width + i] = factor * (dys[i] * scale[i] - sum - normal * along);
        // The same thread has a column in all rows.
        scale_part[i] = (row == begin ? 0 : scale_part[i]) + dys[i] * normal;
        if (mean) {
          scale_part[width + i] = (row == begin ? 0 : scale_part[width + i]) + dys[i];
        }
      }
    THREADS_DONE
  }
}

/** The sum over rows of so many of their columns. Blocks: width; parts [count, stride], sums [width]. */
KERNEL sum_of_rows(const float* parts, float* sums, Long width, Long count, Long stride, Long first) {
  EACH_THREAD
    Long i = (Long)blockIdx.x * THREADS + thread;
    if (i < width) {
      float sum = 0;
      for (Long part = 0; part < count; part++) {
        sum += parts[part * stride + first + i];
      }
      sums[i] = sum;
    }
  THREADS_DONE
}

/** The number of labels that are not -100. One block. */
KERNEL counted_labels(const Long* labels, float* total, Long rows) {
  SHARED float counts[THREADS];
  EACH_THREAD
    float count = 0;
    for (Long row = thread; row < rows; row += THREADS) {
      count += labels[row] == -100 ? 0 : 1;
    }
    counts[thread] = count;
  THREADS_DONE
  sum_of_block(counts);
  EACH_THREAD
    if (thread == 0) {
      total[0] = counts[0];
    }
  THREADS_DONE
}

/**
 * dlogits = (probability - 1 at the label) dloss / labels that count, 0 where the label is -100. Blocks: rows.
 *
 * log_probabilities, dlogits [rows, width]; labels [rows]; dloss, total [1]
 */
KERNEL cross_entropy_gradient(const float* dloss, const float* log_probabilities, const Long* labels, const float* total,
                              float* dlogits, Long width) {
  Long row = blockIdx.x;
  EACH_THREAD
    Long label = labels[row];
    float factor = dloss[0] / total[0];
    for (Long i = thread; i < width; i += THREADS) {
      float probability = expf(log_probabilities[row * width + i]);
      dlogits[row * width + i] = label == -100 ? 0 : (probability - (i == label ? 1 : 0)) * factor;
    }
  THREADS_DONE
}

// ---- The gradient of looking up rows of a table: the uses are sorted by row, digit by digit and each time in the order
// that they had, then each row sums the gradients of its uses in their order. ids, uses [count]; counts [DIGITS, chunks].

/** The row that is looked up: from the end where it is negative; one too many where there is none such. */
DEVICE Long row_of(Long id, Long rows) {
  Long row = id < 0 ? id + rows : id;
  return row < 0 || row > rows ? rows : row;
}

/** The use at a place of the order so far; without one, that which they come in. */
DEVICE int use_at(const int* uses, Long place) {
  return uses ? uses[place] : (int)place;
}

/** How often each digit is in each chunk of uses. Blocks: chunks. */
KERNEL sort_counts(const Long* ids, const int* uses, int* counts, Long count, Long rows, Long chunks, Long shift) {
  EACH_THREAD
    Long chunk = (Long)blockIdx.x * THREADS + thread;
    if (chunk < chunks) {
      int found[DIGITS] = {};
      Long first = chunk * SORT_CHUNK;
      Long end = first + SORT_CHUNK < count ? first + SORT_CHUNK : count;
      for (Long place = first; place < end; place++) {
        Long digit = (row_of(ids[use_at(uses, place)], rows) >> shift) & (DIGITS - 1);
        for (int other = 0; other < DIGITS; other++) {
          found[other] += other == digit ? 1 : 0;
        }
      }
      for (int digit = 0; digit < DIGITS; digit++) {
        counts[digit * chunks + chunk] = found[digit];
      }
    }
  THREADS_DONE
}

/** Counts become the places where what is counted begins: each the sum of those before it. One block. */
KERNEL sort_starts(int* counts, Long count) {
  SHARED int sums[THREADS];
  Long share = (count + THREADS - 1) / THREADS;
  EACH_THREAD
    int sum = 0;
    for (Long i = thread * share; i < (thread + 1) * share && i < count; i++) {
      sum += counts[i];
    }
    sums[thread] = sum;
  THREADS_DONE
  EACH_THREAD
    int before = 0;
    for (int other = 0; other < thread; other++) {
      before += sums[other];
    }
    for (Long i = thread * share; i < (thread + 1) * share && i < count; i++) {
      int here = counts[i];
      counts[i] = before;
      before += here;
    }
  THREADS_DONE
}

/** Writes each use to its place by the digit. Blocks: chunks. */
KERNEL sort_uses(const Long* ids, const int* uses, const int* starts, int* sorted, Long count, Long rows, Long chunks,
                 Long shift) {
  EACH_THREAD
    Long chunk = (Long)blockIdx.x * THREADS + thread;
    if (chunk < chunks) {
      int next[DIGITS];
      for (int digit = 0; digit < DIGITS; digit++) {
        next[digit] = starts[digit * chunks + chunk];
      }
      Long first = chunk * SORT_CHUNK;
      Long end = first + SORT_CHUNK < count ? first + SORT_CHUNK : count;
      for (Long place = first; place < end; place++) {
        int use = use_at(uses, place);
        Long digit = (row_of(ids[use], rows) >> shift) & (DIGITS - 1);
        sorted[next[digit]++] = use;
      }
    }
  THREADS_DONE
}

/** The sum, for each row, of the gradients of its uses. Blocks: rows, columns; dy [count, width], table [rows, width]. */
KERNEL embedding_gradient(const Long* ids, const int* sorted, const float* dy, float* table, Long count, Long rows,
                          Long width) {
  SHARED Long bounds[2];
  Long row = blockIdx.x;
  EACH_THREAD
    if (thread < 2) {
      // The first place of a use of the row, and of one of those behind it.
      Long from = 0;
      Long to = count;
      while (from < to) {
        Long middle = (from + to) / 2;
        if (row_of(ids[sorted[middle]], rows) < row + thread) {
          from = middle + 1;
        } else {
          to = middle;
        }
      }
      bounds[thread] = from;
    }
  THREADS_DONE
  EACH_THREAD
    Long column = (Long)blockIdx.y * THREADS + thread;
    if (column < width) {
      float sum = 0;
      for (Long place = bounds[0]; place < bounds[1]; place++) {
        sum += dy[sorted[place] * width + column];
      }
      table[row * width + column] = sum;
    }
  THREADS_DONE
}

// ---- Attention (Dao et al., "FlashAttention", 2022), tile by tile: no more than a tile of the weights is held at once.
//
// p[i, j] = softmax over j of (scale q[i] . k[j] + mask[i, j]),   y[i] = sum over j of p[i, j] v[j]
//
// q, y [batch, queries, heads, WIDTH]; k, v [batch, keys, heads, WIDTH]; mask [queries, keys]. Without a mask there are as many
// queries as keys, and each sees itself and those before it that are less than a window away; other tiles are passed over.
// Blocks: tiles, heads, batch. All sums are in float32.

// Queries and keys of a tile, as many as a block's shared memory has room for, for y and for the gradients.
constexpr int QUERIES = WIDTH <= 96 ? 64 : WIDTH <= 160 ? 32 : 16;
constexpr int KEYS = WIDTH <= 160 ? 32 : 16;
constexpr int TILE = WIDTH <= 72 ? 32 : WIDTH <= 176 ? 16 : 8;

// Threads lie over the rows and columns of a tile; each has every so manieth of both.
#define ROW_THREADS 16
#define COLUMN_THREADS (THREADS / ROW_THREADS)
constexpr int OWN_COLUMNS = (WIDTH + COLUMN_THREADS - 1) / COLUMN_THREADS;
constexpr int PADDED_WIDTH = OWN_COLUMNS * COLUMN_THREADS;
// Odd, so that the rows of a column lie in different banks.
constexpr int STRIDE = PADDED_WIDTH + 1;
DEVICE constexpr int own_rows(int rows) { return (rows + ROW_THREADS - 1) / ROW_THREADS; }

// Below every product, and so low that a mask's lowest number makes no difference to it.
#define LOWEST -3.402823466e38f

/** A thread's share of copying the rows of a head from first on; zeros where there are none. */
DEVICE void load_rows(float (*to)[STRIDE], int rows, const float* head, Long first, Long count, Long heads, int thread) {
  for (int i = thread; i < rows * PADDED_WIDTH; i += THREADS) {
    int row = i / PADDED_WIDTH;
    int column = i % PADDED_WIDTH;
    bool there = first + row < count && column < WIDTH;
    to[row][column] = there ? head[(first + row) * heads * WIDTH + column] : 0;
  }
}

/** Where a head of a sequence begins. */
DEVICE Long head_at(Long count, Long heads) {
  return (blockIdx.z * count * heads + blockIdx.y) * WIDTH;
}

/** A thread's share of to[i][j] = left[i] . right[j]. */
template <int LEFT, int RIGHT>
DEVICE void products(float (*left)[STRIDE], float (*right)[STRIDE], float (*to)[RIGHT + 1], int thread) {
  constexpr int ROWS = own_rows(LEFT);
  constexpr int COLUMNS = RIGHT / COLUMN_THREADS;
  int row = thread / COLUMN_THREADS;
  int column = thread % COLUMN_THREADS;
  if (row < LEFT) {
    float sums[ROWS][COLUMNS] = {};
    for (int k = 0; k < WIDTH; k++) {
      float factors[COLUMNS];
      for (int j = 0; j < COLUMNS; j++) {
        factors[j] = right[column + j * COLUMN_THREADS][k];
      }
      for (int i = 0; i < ROWS; i++) {
        float factor = left[row + i * ROW_THREADS][k];
        for (int j = 0; j < COLUMNS; j++) {
          sums[i][j] += factor * factors[j];
        }
      }
    }
    for (int i = 0; i < ROWS; i++) {
      for (int j = 0; j < COLUMNS; j++) {
        to[row + i * ROW_THREADS][column + j * COLUMN_THREADS] = sums[i][j];
      }
    }
  }
}

/** A thread's share of sums[i] += sum over j of weights[i][j] rows[j]; of the sums it has those of its rows and columns. */
template <int LEFT, int RIGHT>
DEVICE void add_products(float (*weights)[RIGHT + 1], float (*rows)[STRIDE], float* sums, int thread) {
  int row = thread / COLUMN_THREADS;
  int column = thread % COLUMN_THREADS;
  if (row < LEFT) {
    for (int j = 0; j < RIGHT; j++) {
      for (int i = 0; i < own_rows(LEFT); i++) {
        float weight = weights[row + i * ROW_THREADS][j];
        for (int c = 0; c < OWN_COLUMNS; c++) {
          sums[i * OWN_COLUMNS + c] += weight * rows[j][column + c * COLUMN_THREADS];
        }
      }
    }
  }
}

/** Writes a thread's sums, times a factor of each row where there are any, to the rows of a head from first on. */
template <int LEFT>
DEVICE void write_rows(const float* sums, const float* factors, float* head, Long first, Long count, Long heads,
                       int thread) {
  int row = thread / COLUMN_THREADS;
  int column = thread % COLUMN_THREADS;
  for (int i = 0; i < own_rows(LEFT); i++) {
    int place = row + i * ROW_THREADS;
    for (int c = 0; c < OWN_COLUMNS; c++) {
      int at = column + c * COLUMN_THREADS;
      if (place < LEFT && first + place < count && at < WIDTH) {
        head[(first + place) * heads * WIDTH + at] = sums[i * OWN_COLUMNS + c] * (factors ? factors[place] : 1);
      }
    }
  }
}

/** What a query may look at. */
struct View {
  const float* mask;
  Long queries, keys, window;
  float scale;
};

DEVICE bool sees(const View& view, Long query, Long key) {
  return query < view.queries && key < view.keys && (view.mask || (key <= query && query - key < view.window));
}

/** What the softmax is of, from the product of a query and a key that it sees. */
DEVICE float score(const View& view, float product, Long query, Long key) {
  return view.scale * product + (view.mask ? view.mask[query * view.keys + key] : 0);
}

/** The first key, at the start of a tile of so many, that the queries from first on see. */
DEVICE Long first_key(const View& view, Long first, int tile) {
  Long key = view.mask ? 0 : first - view.window + 1;
  return key < 0 ? 0 : key / tile * tile;
}

/** The end of the keys that the queries before an end see. */
DEVICE Long end_of_keys(const View& view, Long end) {
  return view.mask || view.keys < end ? view.keys : end;
}

/** y. */
KERNEL attention(const float* q, const float* k, const float* v, const float* mask, float* y, Long queries, Long keys,
                 Long heads, Long window, float scale) {
  SHARED float qs[QUERIES][STRIDE];
  SHARED float rows[KEYS][STRIDE];
  SHARED float p[QUERIES][KEYS + 1];
  // Of each query so far: the largest score, the sum of the weights by it, and what the last tile changed of that.
  SHARED float most[QUERIES];
  SHARED float sum[QUERIES];
  SHARED float factor[QUERIES];
  PER_THREAD(float, ys, own_rows(QUERIES) * OWN_COLUMNS);
  const View view = {mask, queries, keys, window, scale};
  // The last queries, which see most keys, come first.
  Long first = (Long)(gridDim.x - 1 - blockIdx.x) * QUERIES;
  Long end = end_of_keys(view, first + QUERIES);
  Long at = head_at(queries, heads);
  Long keys_at = head_at(keys, heads);
  EACH_THREAD
    load_rows(qs, QUERIES, q + at, first, queries, heads, thread);
    for (int i = 0; i < own_rows(QUERIES) * OWN_COLUMNS; i++) {
      ys[own][i] = 0;
    }
    if (thread < QUERIES) {
      most[thread] = LOWEST;
      sum[thread] = 0;
    }
  THREADS_DONE
  for (Long key = first_key(view, first, KEYS); key < end; key += KEYS) {
    EACH_THREAD
      load_rows(rows, KEYS, k + keys_at, key, keys, heads, thread);
    THREADS_DONE
    EACH_THREAD
      products<QUERIES, KEYS>(qs, rows, p, thread);
    THREADS_DONE
    EACH_THREAD
      load_rows(rows, KEYS, v + keys_at, key, keys, heads, thread);
      if (thread < QUERIES) {
        Long query = first + thread;
        float before = most[thread];
        float largest = before;
        for (int j = 0; j < KEYS; j++) {
          if (sees(view, query, key + j)) {
            p[thread][j] = score(view, p[thread][j], query, key + j);
            largest = p[thread][j] > largest ? p[thread][j] : largest;
          }
        }
        float total = 0;
        for (int j = 0; j < KEYS; j++) {
          p[thread][j] = sees(view, query, key + j) ? expf(p[thread][j] - largest) : 0;
          total += p[thread][j];
        }
        most[thread] = largest;
        factor[thread] = expf(before - largest);
        sum[thread] = sum[thread] * factor[thread] + total;
      }
    THREADS_DONE
    EACH_THREAD
      for (int i = 0; i < own_rows(QUERIES); i++) {
        for (int c = 0; c < OWN_COLUMNS; c++) {
          ys[own][i * OWN_COLUMNS + c] *= factor[thread / COLUMN_THREADS + i * ROW_THREADS];
        }
      }
      add_products<QUERIES, KEYS>(p, rows, ys[own], thread);
    THREADS_DONE
  }
  EACH_THREAD
    if (thread < QUERIES) {
      factor[thread] = 1 / sum[thread];
    }
  THREADS_DONE
  EACH_THREAD
    write_rows<QUERIES>(ys[own], factor, y + at, first, queries, heads, thread);
  THREADS_DONE
}

// The gradient: with dp[i, j] = dy[i] . v[j], and mean[i] the sum over j of p[i, j] dp[i, j],
//
// ds[i, j] = p[i, j] (dp[i, j] - mean[i]) scale,   dq[i] = sum over j of ds[i, j] k[j],   dk[j] = sum over i of ds[i, j] q[i]
//
// and dv[j] the sum over i of p[i, j] dy[i]. Each block has sums of its own, so that they repeat; weights are computed again.

/**
 * dq, and what the softmax of each query is made with: statistics [batch, heads, 3, queries], the largest score, one over the
 * sum of the weights by it, and the mean.
 */
KERNEL attention_query_gradient(const float* q, const float* k, const float* v, const float* mask, const float* dy, float* dq,
                                float* statistics, Long queries, Long keys, Long heads, Long window, float scale) {
  SHARED float qs[TILE][STRIDE];
  SHARED float dys[TILE][STRIDE];
  SHARED float ks[TILE][STRIDE];
  SHARED float vs[TILE][STRIDE];
  SHARED float p[TILE][TILE + 1];
  SHARED float dp[TILE][TILE + 1];
  SHARED float most[TILE];
  SHARED float sum[TILE];
  SHARED float mean[TILE];
  PER_THREAD(float, dqs, own_rows(TILE) * OWN_COLUMNS);
  const View view = {mask, queries, keys, window, scale};
  Long first = (Long)(gridDim.x - 1 - blockIdx.x) * TILE;
  Long end = end_of_keys(view, first + TILE);
  Long at = head_at(queries, heads);
  Long keys_at = head_at(keys, heads);
  EACH_THREAD
    load_rows(qs, TILE, q + at, first, queries, heads, thread);
    load_rows(dys, TILE, dy + at, first, queries, heads, thread);
    for (int i = 0; i < own_rows(TILE) * OWN_COLUMNS; i++) {
      dqs[own][i] = 0;
    }
    if (thread < TILE) {
      most[thread] = LOWEST;
      sum[thread] = 0;
      mean[thread] = 0;
    }
  THREADS_DONE
  // Once over the keys for what is needed of all of them, once more for the sums.
  for (int again = 0; again < 2; again++) {
    for (Long key = first_key(view, first, TILE); key < end; key += TILE) {
      EACH_THREAD
        load_rows(ks, TILE, k + keys_at, key, keys, heads, thread);
        load_rows(vs, TILE, v + keys_at, key, keys, heads, thread);
      THREADS_DONE
      EACH_THREAD
        products<TILE, TILE>(qs, ks, p, thread);
        products<TILE, TILE>(dys, vs, dp, thread);
      THREADS_DONE
      if (again) {
        EACH_THREAD
          for (int i = thread; i < TILE * TILE; i += THREADS) {
            int row = i / TILE;
            int j = i % TILE;
            Long query = first + row;
            bool seen = sees(view, query, key + j);
            float weight = seen ? expf(score(view, p[row][j], query, key + j) - most[row]) * sum[row] : 0;
            dp[row][j] = seen ? weight * (dp[row][j] - mean[row]) * scale : 0;
          }
        THREADS_DONE
        EACH_THREAD
          add_products<TILE, TILE>(dp, ks, dqs[own], thread);
        THREADS_DONE
      } else {
        EACH_THREAD
          if (thread < TILE) {
            Long query = first + thread;
            float before = most[thread];
            float largest = before;
            for (int j = 0; j < TILE; j++) {
              if (sees(view, query, key + j)) {
                p[thread][j] = score(view, p[thread][j], query, key + j);
                largest = p[thread][j] > largest ? p[thread][j] : largest;
              }
            }
            float factor = expf(before - largest);
            float total = sum[thread] * factor;
            float along = mean[thread] * factor;
            for (int j = 0; j < TILE; j++) {
              if (sees(view, query, key + j)) {
                float weight = expf(p[thread][j] - largest);
                total += weight;
                along += weight * dp[thread][j];
              }
            }
            most[thread] = largest;
            sum[thread] = total;
            mean[thread] = along;
          }
        THREADS_DONE
      }
    }
    if (!again) {
      EACH_THREAD
        if (thread < TILE && first + thread < queries) {
          float inverse = 1 / sum[thread];
          sum[thread] = inverse;
          mean[thread] *= inverse;
          float* of_head = statistics + (blockIdx.z * heads + blockIdx.y) * 3 * queries + first + thread;
          of_head[0] = most[thread];
          of_head[queries] = inverse;
          of_head[2 * queries] = mean[thread];
        }
      THREADS_DONE
    }
  }
  EACH_THREAD
    write_rows<TILE>(dqs[own], nullptr, dq + at, first, queries, heads, thread);
  THREADS_DONE
}

/** dk and dv. */
KERNEL attention_key_gradient(const float* q, const float* k, const float* v, const float* mask, const float* dy,
                              const float* statistics, float* dk, float* dv, Long queries, Long keys, Long heads, Long window,
                              float scale) {
  SHARED float qs[TILE][STRIDE];
  SHARED float dys[TILE][STRIDE];
  SHARED float ks[TILE][STRIDE];
  SHARED float vs[TILE][STRIDE];
  // A key's row each.
  SHARED float p[TILE][TILE + 1];
  SHARED float dp[TILE][TILE + 1];
  PER_THREAD(float, dks, own_rows(TILE) * OWN_COLUMNS);
  PER_THREAD(float, dvs, own_rows(TILE) * OWN_COLUMNS);
  const View view = {mask, queries, keys, window, scale};
  // The first keys are seen by most queries.
  Long first = (Long)blockIdx.x * TILE;
  Long at = head_at(queries, heads);
  Long keys_at = head_at(keys, heads);
  const float* most = statistics + (blockIdx.z * heads + blockIdx.y) * 3 * queries;
  const float* inverse = most + queries;
  const float* mean = inverse + queries;
  EACH_THREAD
    load_rows(ks, TILE, k + keys_at, first, keys, heads, thread);
    load_rows(vs, TILE, v + keys_at, first, keys, heads, thread);
    for (int i = 0; i < own_rows(TILE) * OWN_COLUMNS; i++) {
      dks[own][i] = 0;
      dvs[own][i] = 0;
    }
  THREADS_DONE
  Long end = mask || queries < first + TILE - 1 + window ? queries : first + TILE - 1 + window;
  for (Long query = mask ? 0 : first; query < end; query += TILE) {
    EACH_THREAD
      load_rows(qs, TILE, q + at, query, queries, heads, thread);
      load_rows(dys, TILE, dy + at, query, queries, heads, thread);
    THREADS_DONE
    EACH_THREAD
      products<TILE, TILE>(ks, qs, p, thread);
      products<TILE, TILE>(vs, dys, dp, thread);
    THREADS_DONE
    EACH_THREAD
      for (int i = thread; i < TILE * TILE; i += THREADS) {
        int row = i / TILE;
        int j = i % TILE;
        Long from = query + j;
        bool seen = sees(view, from, first + row);
        float weight = seen ? expf(score(view, p[row][j], from, first + row) - most[from]) * inverse[from] : 0;
        p[row][j] = weight;
        dp[row][j] = seen ? weight * (dp[row][j] - mean[from]) * scale : 0;
      }
    THREADS_DONE
    EACH_THREAD
      add_products<TILE, TILE>(p, dys, dvs[own], thread);
      add_products<TILE, TILE>(dp, qs, dks[own], thread);
    THREADS_DONE
  }
  EACH_THREAD
    write_rows<TILE>(dks[own], nullptr, dk + keys_at, first, keys, heads, thread);
    write_rows<TILE>(dvs[own], nullptr, dv + keys_at, first, keys, heads, thread);
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
