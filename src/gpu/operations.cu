#include "gpu/device_operations.h"

#include "data/window.h"
#include "gpu/elementwise.h"
#include "math/adam_math.h"
#include "math/sgd_math.h"

namespace dng::DNG_GPU {
namespace {

// Four parameters: a chunk is a multiple of that, so one rule holds for them.
struct UpdateBody {
  static constexpr int kTogether = 4;
  gpu::Update u;
  DNG_DEVICE void operator()(uint32_t i) const {
    const size_t at = static_cast<size_t>(i) * kTogether;
    const gpu::UpdateRule& rule = u.rules[u.rule_of_chunk[at / gpu::kChunk]];
    float gradient[kTogether], before[kTogether], value[kTogether], update[kTogether] = {};
    gpu::load<float, kTogether>(u.gradient + at, gradient);
    gpu::load<float, kTogether>(u.momentum + at, before);
    gpu::load<float, kTogether>(u.value + at, value);
    gpu::store<float, kTogether>(update, u.gradient + at);
    if (rule.frozen != 0) return;
    if (u.second != nullptr) {
      adam(rule, at, gradient, before, value);
      return store(value, before, at);
    }
    const math::SgdRates rates =
        math::sgd_rates(u.step->rate, rule.rate_factor, u.batch, rule.decays != 0 ? u.decay : 0.0f, u.momentum_factor);
    for (int v = 0; v < kTogether; ++v) {
      update[v] = before[v] + gradient[v];
      if (u.nesterov) {
        math::nesterov_sgd(rates, before[v], &value[v], &update[v]);
      } else {
        math::plain_sgd(rates, &value[v], &update[v]);
      }
    }
    store(value, update, at);
  }
  DNG_DEVICE void adam(const gpu::UpdateRule& rule, size_t at, const float* gradient, float* mean, float* value) const {
    const math::AdamRates rates =
        math::adam_rates(u.adam, u.step->corrections, u.step->rate, rule.rate_factor, u.batch, u.decay);
    float square[kTogether];
    gpu::load<float, kTogether>(u.second + at, square);
    for (int v = 0; v < kTogether; ++v) math::adam(rates, gradient[v], &value[v], &mean[v], &square[v]);
    gpu::store<float, kTogether>(square, u.second + at);
  }
  DNG_DEVICE void store(const float* value, const float* momentum, size_t at) const {
    gpu::store<float, kTogether>(value, u.value + at);
    gpu::store<float, kTogether>(momentum, u.momentum + at);
    if (u.copy != nullptr && at < u.copied) {
      gpu::store<gpu::BFloat16, kTogether>(value, static_cast<gpu::BFloat16*>(u.copy) + at);
    }
  }
};

void update(gpu::Gpu& gpu, const gpu::Update& u) { each(gpu, u.count / UpdateBody::kTogether, UpdateBody{u}); }

void add_copies(gpu::Gpu& gpu, float* gradient, const void* copy_gradient, size_t count) {
  convert(gpu, static_cast<const gpu::BFloat16*>(copy_gradient), gradient, gpu::Type::kFloat, count, true);
}

void refresh_copies(gpu::Gpu& gpu, const float* value, void* copy, size_t count) {
  convert(gpu, value, copy, gpu::Type::kBFloat16, count, false);
}

template <class T>
struct ImportBody {
  const float* planes;
  T* images;
  uint32_t channels, space;
  DNG_DEVICE void operator()(uint32_t i) const {
    const uint32_t channel = i % channels, pixel = i / channels % space;
    const size_t image = i / channels / space;
    images[i] = gpu::from_float<T>(planes[(image * channels + channel) * space + pixel]);
  }
};

void import_images(gpu::Gpu& gpu, const float* planes, const data::Geometry& shape, int batch, gpu::Type type,
                   void* images) {
  gpu::with_type(type, [&](auto zero) {
    using T = decltype(zero);
    each(gpu, static_cast<size_t>(batch) * shape.size(),
         ImportBody<T>{planes, static_cast<T*>(images), static_cast<uint32_t>(shape.channels),
                       static_cast<uint32_t>(shape.height * shape.width)});
  });
}

// One pixel with all its channels.
template <class T>
struct AugmentBody {
  gpu::Augment a;
  DNG_DEVICE void operator()(uint32_t i) const {
    const auto width = static_cast<uint32_t>(a.input.width), height = static_cast<uint32_t>(a.input.height);
    const uint32_t image = i / width / height;
    const uint32_t sample = a.samples[image];
    CounterRandom random(a.step->seed, Stream::kAugment, a.epochs[image], sample);
    const data::Window window = data::draw_window(a.shape, a.input, a.pad, a.mirror, &random);
    const int column = static_cast<int>(i % width);
    const int x = (window.mirror ? a.input.width - 1 - column : column) + window.x;
    const int y = static_cast<int>(i / width % height) + window.y;
    const bool inside = x >= 0 && x < a.shape.width && y >= 0 && y < a.shape.height;
    const size_t plane = static_cast<size_t>(a.shape.height) * static_cast<size_t>(a.shape.width);
    const uint8_t* at =
        a.planes + static_cast<size_t>(sample) * static_cast<size_t>(a.shape.channels) * plane +
        (inside ? static_cast<size_t>(y) * static_cast<size_t>(a.shape.width) + static_cast<size_t>(x) : 0);
    for (int c = 0; c < a.input.channels; ++c) {
      const int byte = inside ? at[static_cast<size_t>(c) * plane] : 0;
      static_cast<T*>(a.images)[static_cast<size_t>(i) * static_cast<size_t>(a.input.channels) + c] =
          gpu::from_float<T>(a.table[256 * c + byte]);
    }
    if (i % (width * height) == 0) a.labels[image] = a.set_labels[sample];
  }
};

void augment(gpu::Gpu& gpu, const gpu::Augment& a) {
  gpu::with_type(a.type, [&](auto zero) {
    each(gpu, static_cast<size_t>(a.batch) * static_cast<size_t>(a.input.height) * static_cast<size_t>(a.input.width),
         AugmentBody<decltype(zero)>{a});
  });
}

}  // namespace

const gpu::Operations& operations() {
  static const gpu::Operations all = {update, add_copies, refresh_copies, import_images, augment};
  return all;
}

}  // namespace dng::DNG_GPU
