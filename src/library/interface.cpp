// The functions of include/darknet_generations.h: nothing is thrown through them.
#include <cstdio>
#include <new>

#include "base/error.h"
#include "base/text.h"
#include "darknet_generations.h"
#include "library/classifier.h"

struct dng_classifier {
  dng::library::Classifier classifier;
};

namespace {

thread_local char last_error[2048] = "";

void keep_error(const char* text) noexcept { std::snprintf(last_error, sizeof last_error, "%s", text); }

template <class Result, class Call>
Result guarded(Result failure, const Call& call) noexcept {
  try {
    return call();
  } catch (const dng::Error& error) {
    keep_error(error.others.empty() ? error.what() : error.others.front().c_str());
  } catch (const std::bad_alloc&) {
    keep_error("out of memory");
  } catch (const std::exception& error) {
    keep_error(error.what());
  } catch (...) {
    keep_error("internal error: unknown exception");
  }
  return failure;
}

void decode(const dng_image& from, size_t index, dng::data::Image* image) {
  if (from.pixels == nullptr || from.width < 1 || from.height < 1) {
    dng::fail("image %zu: %dx%d pixels at %p; give at least one pixel", index, from.width, from.height,
              static_cast<const void*>(from.pixels));
  }
  image->shape = {3, from.height, from.width};
  image->planes.resize(image->shape.size());
  const size_t pixels = static_cast<size_t>(from.height) * static_cast<size_t>(from.width);
  for (size_t c = 0; c < 3; ++c) {
    unsigned char* plane = image->planes.data() + c * pixels;
    for (size_t p = 0; p < pixels; ++p) plane[p] = from.pixels[3 * p + c];
  }
}

}  // namespace

const char* dng_version(void) { return DNG_VERSION; }

const char* dng_error(void) { return last_error; }

dng_classifier* dng_load(const char* cfg, const char* weights, const char* names) {
  return guarded<dng_classifier*>(nullptr, [&] {
    if (cfg == nullptr || weights == nullptr) dng::fail("dng_load: cfg or weights is NULL; give the paths of both");
    return new dng_classifier{{cfg, weights, names == nullptr ? "" : names}};
  });
}

void dng_free(dng_classifier* classifier) { delete classifier; }

int dng_classes(const dng_classifier* classifier) { return static_cast<int>(classifier->classifier.names().size()); }

const char* dng_class_name(const dng_classifier* classifier, int index) {
  const std::vector<std::string>& names = classifier->classifier.names();
  return index >= 0 && static_cast<size_t>(index) < names.size() ? names[static_cast<size_t>(index)].c_str() : nullptr;
}

int dng_classify(const dng_classifier* classifier, const dng_image* images, size_t count, int threads,
                 float* probabilities) {
  return guarded(-1, [&] {
    if (classifier == nullptr || (count > 0 && (images == nullptr || probabilities == nullptr))) {
      dng::fail("dng_classify: a pointer is NULL; give a classifier, images, and memory for the probabilities");
    }
    classifier->classifier.classify(
        count, [&](size_t i, dng::data::Image* image) { decode(images[i], i, image); }, threads, probabilities);
    return 0;
  });
}
