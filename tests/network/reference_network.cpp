#include "tests/network/reference_network.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "host/host.h"
#include "layers/costs/confidence_penalty.h"
#include "layers/costs/distill.h"
#include "layers/costs/label_smoothing.h"
#include "layers/costs/softmax.h"
#include "layers/costs/tsd.h"

namespace dng::test {
namespace {

bool batch_normalized(const graph::LayerConfig& layer) {
  return layer.op->section == "batchnorm" ||
         (layer.options.has("batch_normalize") && layer.options.flag("batch_normalize"));
}

void add_bias(const data::Geometry& shape, size_t batch, const double* bias, std::vector<double>* x) {
  const size_t space = static_cast<size_t>(shape.height) * shape.width;
  for (size_t i = 0; i < batch * shape.size(); ++i) (*x)[i] += bias[i / space % static_cast<size_t>(shape.channels)];
}

int stride_of(const graph::LayerConfig& layer, const char* key) {
  return layer.options.integer(layer.options.given(key) ? key : "stride");
}

bool blurs(const graph::LayerConfig& layer) {
  return layer.options.has("antialiasing") && layer.options.integer("antialiasing") > 0;
}

// The layer before its blur.
graph::LayerConfig without_blur(const graph::LayerConfig& layer) {
  graph::LayerConfig sharp = layer;
  const cfg::Options& o = layer.options;
  const int size = o.integer("size");
  int room = 0;  // by which the output is smaller than the input
  if (layer.op->section == "convolutional") {
    room = o.integer("dilation") * (size - 1 - 2 * (o.flag("pad") ? size / 2 : o.integer("padding")));
  } else {
    room = size - 1 - (o.has("padding") ? o.integer("padding") : size - 1);
  }
  sharp.out.height = layer.in.height - room;
  sharp.out.width = layer.in.width - room;
  for (const char* key : {"stride", "stride_y", "stride_x"}) sharp.options.set(key, "1");
  sharp.options.set("antialiasing", "0");
  return sharp;
}

// [1 2 1] x [1 2 1] / 16 with padding 1, or a mean of 2x2 without.
void blur(const graph::LayerConfig& layer, size_t batch, const data::Geometry& in, const std::vector<double>& x,
          std::vector<double>* out) {
  const bool three = layer.options.integer("antialiasing") == 1;
  const int stride_y = stride_of(layer, "stride_y"), stride_x = stride_of(layer, "stride_x");
  const std::vector<double> taps = three ? std::vector<double>{0.25, 0.5, 0.25} : std::vector<double>{0.5, 0.5};
  size_t to = 0;
  for (size_t plane = 0; plane < batch * layer.out.channels; ++plane) {
    for (int oy = 0; oy < layer.out.height; ++oy) {
      for (int ox = 0; ox < layer.out.width; ++ox, ++to) {
        double sum = 0;
        for (size_t r = 0; r < taps.size(); ++r) {
          for (size_t s = 0; s < taps.size(); ++s) {
            const int iy = oy * stride_y + static_cast<int>(r) - three,
                      ix = ox * stride_x + static_cast<int>(s) - three;
            if (iy < 0 || iy >= in.height || ix < 0 || ix >= in.width) continue;
            sum += taps[r] * taps[s] * x[(plane * in.height + iy) * in.width + ix];
          }
        }
        (*out)[to] = sum;
      }
    }
  }
}

// [local]: weights [place][filter][channel][size][size].
void convolve_locally(const graph::LayerConfig& layer, size_t batch, const std::vector<double>& in,
                      const double* weights, const double* bias, std::vector<double>* out) {
  const int size = layer.options.integer("size"), stride = layer.options.integer("stride");
  const int pad = layer.options.integer("pad"), channels = layer.in.channels;
  size_t to = 0;
  for (size_t b = 0; b < batch; ++b) {
    for (int f = 0; f < layer.out.channels; ++f) {
      for (int y = 0; y < layer.out.height; ++y) {
        for (int x = 0; x < layer.out.width; ++x, ++to) {
          double sum = bias[to % layer.out.size()];
          for (int i = 0; i < channels * size * size; ++i) {
            const int c = i / size / size, iy = y * stride + i / size % size - pad, ix = x * stride + i % size - pad;
            if (iy < 0 || iy >= layer.in.height || ix < 0 || ix >= layer.in.width) continue;
            const int filter = (y * layer.out.width + x) * layer.out.channels + f;
            sum += weights[static_cast<size_t>(filter) * channels * size * size + i] *
                   in[((b * channels + c) * layer.in.height + iy) * layer.in.width + ix];
          }
          (*out)[to] = sum;
        }
      }
    }
  }
}

void convolve(const graph::LayerConfig& layer, size_t batch, const std::vector<double>& in, const double* weights,
              std::vector<double>* out) {
  const cfg::Options& o = layer.options;
  const int size = o.integer("size"), groups = o.integer("groups"), dilation = o.integer("dilation");
  const int stride_y = stride_of(layer, "stride_y"), stride_x = stride_of(layer, "stride_x");
  const int padding = dilation * (o.flag("pad") ? size / 2 : o.integer("padding"));
  const int in_group = layer.in.channels / groups, out_group = layer.out.channels / groups;
  std::fill(out->begin(), out->end(), 0.0);
  for (size_t b = 0; b < batch; ++b) {
    for (int f = 0; f < layer.out.channels; ++f) {
      double* to = out->data() + (b * layer.out.channels + f) * layer.out.height * layer.out.width;
      for (int c = 0; c < in_group; ++c) {
        const int channel = f / out_group * in_group + c;
        const double* from = in.data() + (b * layer.in.channels + channel) * layer.in.height * layer.in.width;
        for (int ky = 0; ky < size; ++ky) {
          for (int kx = 0; kx < size; ++kx) {
            const double weight = weights[((static_cast<size_t>(f) * in_group + c) * size + ky) * size + kx];
            for (int y = 0; y < layer.out.height; ++y) {
              const int iy = y * stride_y + ky * dilation - padding;
              if (iy < 0 || iy >= layer.in.height) continue;
              for (int x = 0; x < layer.out.width; ++x) {
                const int ix = x * stride_x + kx * dilation - padding;
                if (ix < 0 || ix >= layer.in.width) continue;
                to[y * layer.out.width + x] += weight * from[iy * layer.in.width + ix];
              }
            }
          }
        }
      }
    }
  }
}

void connect(const graph::LayerConfig& layer, size_t batch, const std::vector<double>& in, const double* weights,
             std::vector<double>* out) {
  const size_t inputs = layer.in.size(), outputs = layer.out.size();
  for (size_t b = 0; b < batch; ++b) {
    for (size_t j = 0; j < outputs; ++j) {
      double sum = 0;
      for (size_t i = 0; i < inputs; ++i) sum += weights[j * inputs + i] * in[b * inputs + i];
      (*out)[b * outputs + j] = sum;
    }
  }
}

// [shortcut]: from's every n-th pixel, or every n-th pixel of the output, whichever is larger; the common channels.
void add_shortcut(const graph::LayerConfig& layer, const data::Geometry& from, size_t batch,
                  const std::vector<double>& in, const std::vector<double>& other, std::vector<double>* out) {
  const data::Geometry& shape = layer.out;
  const double alpha = layer.options.real("alpha"), beta = layer.options.real("beta");
  const int step = std::max(1, from.width / shape.width), spread = std::max(1, shape.width / from.width);
  *out = in;
  for (size_t b = 0; b < batch; ++b) {
    for (int c = 0; c < std::min(shape.channels, from.channels); ++c) {
      for (int y = 0; y < shape.height; y += spread) {
        for (int x = 0; x < shape.width; x += spread) {
          const size_t to = ((b * shape.channels + c) * shape.height + y) * shape.width + x;
          const int from_y = y / spread * step, from_x = x / spread * step;
          (*out)[to] =
              alpha * in[to] + beta * other[((b * from.channels + c) * from.height + from_y) * from.width + from_x];
        }
      }
    }
  }
}

// [reorg]: the formula of layers/reorg_layer.cpp.
void reorganize(const graph::LayerConfig& layer, size_t batch, const std::vector<double>& in,
                std::vector<double>* out) {
  const cfg::Options& o = layer.options;
  const int stride = o.integer("stride"), depth = layer.in.channels / (stride * stride);
  const size_t size = layer.in.size(), space = size / layer.in.channels;
  std::fill(out->begin(), out->end(), 0.0);
  for (size_t i = 0; i < batch * size; ++i) {
    const size_t image = i / size, at = i % size;
    if (o.integer("extra") > 0) {
      (*out)[image * layer.out.size() + at] = in[i];
      continue;
    }
    size_t other = at % space * layer.in.channels + at / space;
    if (!o.flag("flatten")) {
      const size_t x = at % layer.in.width, y = at / layer.in.width % layer.in.height;
      const size_t k = at / space, block = k / depth;
      const size_t row = k % depth * layer.in.height * stride + y * stride + block / stride;
      other = row * layer.in.width * stride + x * stride + block % stride;
    }
    // With flatten=1 the value at `at` goes there, without it comes from there; reverse=1 the other way.
    const bool goes = o.flag("flatten") != o.flag("reverse");
    (*out)[image * size + (goes ? other : at)] = in[image * size + (goes ? at : other)];
  }
}

// [normalization].
void respond(const graph::LayerConfig& layer, size_t batch, const std::vector<double>& in, std::vector<double>* out) {
  const cfg::Options& o = layer.options;
  const int size = o.integer("size"), channels = layer.in.channels;
  const size_t space = static_cast<size_t>(layer.in.height) * layer.in.width;
  for (size_t i = 0; i < batch * layer.in.size(); ++i) {
    const int k = static_cast<int>(i / space) % channels;
    double sum = 0;
    for (int j = std::max(0, k - (size - 1) / 2); j <= std::min(channels - 1, k + size / 2); ++j) {
      sum += std::pow(in[i + static_cast<size_t>(j) * space - static_cast<size_t>(k) * space], 2);
    }
    (*out)[i] = in[i] * std::pow(o.real("kappa") + o.real("alpha") * sum, -o.real("beta"));
  }
}

// Calls visit(index of the output, indices of the inputs in its window).
template <class Visit>
void each_window(const graph::LayerConfig& layer, size_t batch, Visit visit) {
  const cfg::Options& o = layer.options;
  const int stride_y = stride_of(layer, "stride_y"), stride_x = stride_of(layer, "stride_x");
  const int size = o.has("size") ? o.integer("size") : o.integer("stride");
  const int offset = (o.has("padding") ? o.integer("padding") : size - 1) / 2;
  std::vector<size_t> window;
  size_t out = 0;
  for (size_t plane = 0; plane < batch * layer.in.channels; ++plane) {
    for (int y = 0; y < layer.out.height; ++y) {
      for (int x = 0; x < layer.out.width; ++x, ++out) {
        window.clear();
        for (int iy = y * stride_y - offset; iy < y * stride_y - offset + size; ++iy) {
          for (int ix = x * stride_x - offset; ix < x * stride_x - offset + size; ++ix) {
            if (iy < 0 || iy >= layer.in.height || ix < 0 || ix >= layer.in.width) continue;
            window.push_back((plane * layer.in.height + iy) * layer.in.width + ix);
          }
        }
        visit(out, window);
      }
    }
  }
}

}  // namespace

// The host's forward formula: the unbiased variance, and epsilon where the host has it.
void ReferenceNetwork::normalize(const graph::LayerConfig& layer, const double* bias, const double* scale,
                                 std::vector<double>* x) {
  const host::BatchNormRules& rules = host::traits().batchnorm;
  const size_t space = static_cast<size_t>(layer.out.height) * layer.out.width;
  const size_t channels = static_cast<size_t>(layer.out.channels), batch = static_cast<size_t>(config_.mini_batch);
  const double count = static_cast<double>(batch * space);
  const size_t index = static_cast<size_t>(layer.index);
  variances_[index].assign(channels, 0);
  for (size_t c = 0; c < channels; ++c) {
    const auto each = [&](auto visit) {
      for (size_t b = 0; b < batch; ++b) {
        for (size_t i = 0; i < space; ++i) visit((*x)[(b * channels + c) * space + i]);
      }
    };
    double mean = 0, variance = 0;
    each([&](double value) { mean += value / count; });
    each([&](double value) { variance += (value - mean) * (value - mean) / (count - 1); });
    variances_[index][c] = variance;
    if (!held_variances_.empty()) {
      const double held = held_variances_[index][c];
      variance = held + (variance - held) * (count - 1) / count;
    }
    const double divisor = rules.epsilon_inside ? std::sqrt(variance + static_cast<double>(rules.forward_epsilon))
                                                : std::sqrt(variance) + static_cast<double>(rules.forward_epsilon);
    each([&](double& value) { value = (value - mean) / divisor * scale[c] + bias[c]; });
  }
}

ReferenceNetwork::ReferenceNetwork(const graph::NetworkConfig& config) : config_(config) {
  for (const graph::LayerConfig& layer : config_.layers) {
    const std::string& section = layer.op->section;
    const size_t channels = static_cast<size_t>(layer.out.channels);
    Span span;
    const auto take = [&](size_t count) {
      parameter_count_ += count;
      return parameter_count_ - count;
    };
    // The order of the .weights file.
    if (section == "convolutional") {
      span.bias = take(channels);
      if (batch_normalized(layer)) span.scale = take(channels);
      const int size = layer.options.integer("size");
      span.weights = take(channels * (layer.in.channels / layer.options.integer("groups")) * size * size);
    } else if (section == "local") {
      span.bias = take(layer.out.size());
      const int size = layer.options.integer("size");
      span.weights = take(layer.out.size() * layer.in.channels * size * size);
    } else if (section == "connected") {
      span.bias = take(channels);
      span.weights = take(channels * layer.in.size());
      if (batch_normalized(layer)) span.scale = take(channels);
    } else if (section == "batchnorm") {
      span.bias = take(channels);
      span.scale = take(channels);
    }
    spans_.push_back(span);
    outputs_.emplace_back(layer.out.size() * static_cast<size_t>(config_.mini_batch));
    variances_.emplace_back();
  }
}

double ReferenceNetwork::loss(const std::vector<double>& parameters, const ReferenceBatch& batch) {
  branches_ = 14695981039346656037ULL;
  for (size_t i = 0; i + 1 < config_.layers.size(); ++i) run(config_.layers[i], parameters, batch, &outputs_[i]);
  return cost(config_.layers.back(), batch, &outputs_.back());
}

void ReferenceNetwork::differentiate(Derivative derivative) {
  held_variances_.clear();
  if (derivative == Derivative::kHost) held_variances_ = variances_;
}

bool ReferenceNetwork::normalizes() const {
  return std::any_of(config_.layers.begin(), config_.layers.end(), batch_normalized);
}

void ReferenceNetwork::detach(int layer, int source) {
  const int from = config_.layers[static_cast<size_t>(layer)].sources[static_cast<size_t>(source)];
  detached_[{layer, source}] = output(from);
}

const std::vector<double>& ReferenceNetwork::input(const graph::LayerConfig& layer, int source,
                                                   const ReferenceBatch& batch) const {
  const auto found = detached_.find({layer.index, source});
  if (found != detached_.end()) return found->second;
  const int from = layer.sources[static_cast<size_t>(source)];
  return from < 0 ? batch.images : outputs_[static_cast<size_t>(from)];
}

void ReferenceNetwork::activate(const graph::LayerConfig& layer, std::vector<double>* values) {
  const std::string& name = layer.options.text("activation");
  const auto kinked = [&](double below) {
    for (double& value : *values) {
      note(value > 0 ? 1 : 2);
      if (!(value > 0)) value *= below;
    }
  };
  if (name == "relu") return kinked(0);
  if (name == "leaky") return kinked(static_cast<double>(0.1f));
  if (name == "logistic") {
    for (double& value : *values) value = 1 / (1 + std::exp(-value));
    return;
  }
  if (name == "tanh") {
    for (double& value : *values) value = std::tanh(value);
    return;
  }
  const auto each = [&](double formula(double)) {
    for (double& value : *values) value = formula(value);
  };
  if (name == "relu6") {
    for (double& value : *values) {
      note(value > 0 ? value < 6 ? 1 : 2 : 3);
      value = std::clamp(value, 0.0, 6.0);
    }
    return;
  }
  if (name == "ramp") {
    for (const double value : *values) note(value > 0 ? 1 : 2);
    return each([](double x) { return x > 0 ? 1.1 * x : 0.1 * x; });
  }
  if (name == "elu" || name == "selu") {
    const bool scaled = name == "selu";
    for (double& value : *values) {
      note(value >= 0 ? 1 : 2);
      value = (scaled ? 1.0507 : 1) * (value >= 0 ? value : (scaled ? 1.6732 : 1) * std::expm1(value));
    }
    return;
  }
  if (name == "swish") return each([](double x) { return x / (1 + std::exp(-x)); });
  if (name == "mish") return each([](double x) { return x * std::tanh(std::log1p(std::exp(x))); });
  if (name == "gelu") {
    return each([](double x) { return x / 2 * (1 + std::tanh(0.797885 * x + 0.035677 * x * x * x)); });
  }
  if (name == "hard_mish") {
    for (double value : *values) note(value > 0 ? 1 : value > -2 ? 2 : 3);
    return each([](double x) { return x > 0 ? x : x > -2 ? x * x / 2 + x : 0; });
  }
  if (name != "linear") throw std::runtime_error("no formula for activation=" + name);
}

void ReferenceNetwork::run(const graph::LayerConfig& layer, const std::vector<double>& parameters,
                           const ReferenceBatch& batch, std::vector<double>* out) {
  const std::string& section = layer.op->section;
  const Span& span = spans_[static_cast<size_t>(layer.index)];
  const size_t count = static_cast<size_t>(config_.mini_batch);
  const std::vector<double>& in = input(layer, 0, batch);
  if (blurs(layer)) {
    const graph::LayerConfig sharp = without_blur(layer);
    std::vector<double> x(count * sharp.out.size());
    run(sharp, parameters, batch, &x);
    blur(layer, count, sharp.out, x, out);
  } else if (section == "local") {
    convolve_locally(layer, count, in, &parameters[span.weights], &parameters[span.bias], out);
    activate(layer, out);
  } else if (section == "convolutional" || section == "connected") {
    const bool convolution = section == "convolutional";
    (convolution ? convolve : connect)(layer, count, in, &parameters[span.weights], out);
    if (batch_normalized(layer)) {
      normalize(layer, &parameters[span.bias], &parameters[span.scale], out);
    } else {
      add_bias(layer.out, count, &parameters[span.bias], out);
    }
    activate(layer, out);
  } else if (section == "batchnorm") {
    *out = in;
    normalize(layer, &parameters[span.bias], &parameters[span.scale], out);
  } else if (section == "activation") {
    *out = in;
    activate(layer, out);
  } else if (section == "shortcut") {
    const int from = layer.sources[1];
    const data::Geometry& shape = from < 0 ? config_.input : config_.layers[static_cast<size_t>(from)].out;
    add_shortcut(layer, shape, count, in, input(layer, 1, batch), out);
    activate(layer, out);
  } else if (section == "scale_channels" || section == "sam") {
    const std::vector<double>& map = input(layer, 1, batch);
    const size_t space = static_cast<size_t>(layer.out.height) * layer.out.width, image = layer.out.size();
    const bool by_pixel = section == "scale_channels" && layer.options.flag("scale_wh");
    for (size_t i = 0; i < out->size(); ++i) {
      (*out)[i] = map[i] * in[section == "sam" ? i : by_pixel ? i / image * space + i % space : i / space];
    }
    activate(layer, out);
  } else if (section == "upsample") {
    const bool sums = layer.options.integer("stride") < 0;
    const int stride = std::abs(layer.options.integer("stride"));
    const data::Geometry &large = sums ? layer.in : layer.out, &small = sums ? layer.out : layer.in;
    std::fill(out->begin(), out->end(), 0.0);
    for (size_t i = 0; i < count * large.size(); ++i) {
      const size_t x = i % large.width, row = i / large.width, other = row / stride * small.width + x / stride;
      (*out)[sums ? other : i] += layer.options.real("scale") * in[sums ? i : other];
    }
  } else if (section == "reorg") {
    reorganize(layer, count, in, out);
  } else if (section == "normalization") {
    respond(layer, count, in, out);
  } else if (section == "route") {
    size_t offset = 0;
    for (size_t k = 0; k < layer.sources.size(); ++k) {
      const std::vector<double>& from = input(layer, static_cast<int>(k), batch);
      const size_t whole = from.size() / count, size = whole / static_cast<size_t>(layer.options.integer("groups"));
      for (size_t b = 0; b < count; ++b) {
        const size_t first = b * whole + static_cast<size_t>(layer.options.integer("group_id")) * size;
        std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(first), size,
                    out->begin() + static_cast<std::ptrdiff_t>(b * layer.out.size() + offset));
      }
      offset += size;
    }
  } else if (section == "maxpool" && layer.options.flag("maxpool_depth")) {
    for (size_t i = 0; i < out->size(); ++i) {
      const size_t size = layer.out.size(), image = i / size * layer.in.size();
      size_t best = image + i % size;
      for (size_t at = best; at < image + layer.in.size(); at += size) best = in[at] > in[best] ? at : best;
      note(best);
      (*out)[i] = in[best];
    }
  } else if (section == "maxpool") {
    each_window(layer, count, [&](size_t to, const std::vector<size_t>& window) {
      size_t best = window[0];
      for (const size_t i : window) best = in[i] > in[best] ? i : best;
      note(best);
      (*out)[to] = in[best];
    });
  } else if (section == "local_avgpool") {
    each_window(layer, count, [&](size_t to, const std::vector<size_t>& window) {
      double sum = 0;
      for (const size_t i : window) sum += in[i];
      (*out)[to] = sum / static_cast<double>(window.size());
    });
  } else if (section == "avgpool") {
    const size_t space = in.size() / out->size();
    for (size_t i = 0; i < out->size(); ++i) {
      double sum = 0;
      for (size_t k = 0; k < space; ++k) sum += in[i * space + k];
      (*out)[i] = sum / static_cast<double>(space);
    }
  } else {
    throw std::runtime_error("no formula for [" + section + "]");
  }
}

double ReferenceNetwork::cost(const graph::LayerConfig& layer, const ReferenceBatch& batch,
                              std::vector<double>* probabilities) {
  const std::string& section = layer.op->section;
  const cfg::Options& o = layer.options;
  const std::vector<double>& z = input(layer, 0, batch);
  const int classes = config_.classes();
  const size_t n = static_cast<size_t>(classes);
  std::vector<double> log_f(n), gradient(n), workspace(3 * n);
  std::vector<unsigned char> rank(n);
  const math::CostWorkspace memory{workspace.data(), rank.data()};
  double sum = 0;
  for (size_t b = 0; b < static_cast<size_t>(config_.mini_batch); ++b) {
    double* f = probabilities->data() + b * n;
    math::log_softmax(classes, &z[b * n], log_f.data(), f);
    const double* teacher = batch.teacher.empty() ? nullptr : &batch.teacher[b * n];
    const math::CostRow row{classes, &z[b * n], log_f.data(), f, batch.labels[b], teacher};
    if (section == "softmax") {
      sum += math::cross_entropy(row, gradient.data());
    } else if (section == "tsd") {
      const int k = o.integer("k");
      sum += layers::TsdFormula{o.real("eta"), 0, k, o.text("primary") == "truth"}(row, 0, memory, gradient.data(),
                                                                                   math::OneLane());
      for (const unsigned char r : rank) note(r);
    } else if (section == "distill") {
      sum += layers::distill_formula(layer)(row, 0, memory, gradient.data(), math::OneLane());
    } else if (section == "label_smoothing") {
      sum += layers::label_smoothing_formula(layer)(row, 0, memory, gradient.data(), math::OneLane());
    } else if (section == "confidence_penalty") {
      sum += layers::confidence_penalty_formula(layer)(row, 0, memory, gradient.data(), math::OneLane());
    } else {
      throw std::runtime_error("no formula for [" + section + "]");
    }
  }
  return sum;
}

}  // namespace dng::test
