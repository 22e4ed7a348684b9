// Runs kernels of kernels.cu as plain loops. Arguments: a file that stands for a device's memory, which is changed in
// place, and one of launches, a line each: kernel, blocks along x, y and z, arguments. Arguments from BASE on are addresses.

#define HOST_THREADS
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

struct Index {
  unsigned x, y, z;
};
static Index blockIdx;
static Index gridDim;

#include "kernels.cu"

static const Long BASE = 1LL << 40;
static std::vector<char> memory;

static void convert(Long value, Long& to) { to = value; }

// As a GPU takes it, from the first bytes.
static void convert(Long value, float& to) { std::memcpy(&to, &value, sizeof to); }

template <class T>
static void convert(Long value, T*& to) {
  if (value != 0 && (value < BASE || value - BASE >= (Long)memory.size())) {
    std::cerr << "address " << value << " is outside the memory\n";
    std::exit(3);
  }
  to = value == 0 ? nullptr : (T*)(memory.data() + (value - BASE));
}

template <class T>
static T converted(Long value) {
  T to;
  convert(value, to);
  return to;
}

template <class... A, size_t... I>
static void call(void (*kernel)(A...), const std::vector<Long>& values, std::index_sequence<I...>) {
  kernel(converted<A>(values[I])...);
}

typedef std::function<void(const std::vector<Long>&)> Kernel;

template <class... A>
static Kernel bound(void (*kernel)(A...)) {
  return [kernel](const std::vector<Long>& values) {
    if (values.size() != sizeof...(A)) {
      std::cerr << "takes " << sizeof...(A) << " arguments, not " << values.size() << "\n";
      std::exit(4);
    }
    call(kernel, values, std::index_sequence_for<A...>());
  };
}

#define NAMED(kernel) {#kernel, bound(kernel)}

int main(int count, char** arguments) {
  std::map<std::string, Kernel> kernels = {
      NAMED(scan_chunks),          NAMED(scan_carry),
      NAMED(scan_outputs),         NAMED(adjoint_chunks),
      NAMED(adjoint_carry),        NAMED(scan_gradient),
      NAMED(scan_mixing_gradient), NAMED(scan_rate_gradient),
      NAMED(convolution_gradient), NAMED(convolution_weight_gradient),
      NAMED(convolution),          NAMED(silu),
      NAMED(adamw),                NAMED(silu_gradient),
      NAMED(gelu_gradient),        NAMED(norm_gradient),
      NAMED(sum_of_rows),          NAMED(counted_labels),
      NAMED(cross_entropy_gradient), NAMED(sort_counts),
      NAMED(sort_starts),          NAMED(sort_uses),
      NAMED(embedding_gradient),   NAMED(attention),
      NAMED(attention_query_gradient), NAMED(attention_key_gradient)};
  if (count != 3) {
    return 2;
  }
  std::ifstream in(arguments[1], std::ios::binary);
  memory.assign(std::istreambuf_iterator<char>(in), {});
  in.close();
  std::ifstream launches(arguments[2]);
  for (std::string line; std::getline(launches, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name >> gridDim.x >> gridDim.y >> gridDim.z;
    std::vector<Long> values;
    for (Long value; words >> value;) {
      values.push_back(value);
    }
    // Backwards: no result may depend on the order.
    for (Long block = (Long)gridDim.x * gridDim.y * gridDim.z - 1; block >= 0; block--) {
      blockIdx.x = block % gridDim.x;
      blockIdx.y = block / gridDim.x % gridDim.y;
      blockIdx.z = block / gridDim.x / gridDim.y;
      kernels.at(name)(values);
    }
  }
  std::ofstream out(arguments[1], std::ios::binary);
  out.write(memory.data(), memory.size());
  return out.good() ? 0 : 5;
}
