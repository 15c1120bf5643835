// JPEG and PNG, from the file to the network's input.
#include <zlib.h>

#include <algorithm>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"
#include "data/augment.h"
#include "data/image_file.h"
#include "tests/fuzz/formats.h"

namespace dng::fuzz {
namespace {

constexpr data::Geometry kInput = {3, 12, 16};

void check_values(const std::vector<float>& values) {
  constexpr float kRounding = 1e-5F;
  for (const float value : values) {
    require(value >= -kRounding && value <= 1 + kRounding, "a value of the input is not within 0..1");
  }
}

// Training: Darknet's augmentation, the plugin's, and the rectangle of a random resized crop.
void augment(const data::Image& image) {
  data::Augmentation host, own;
  host.angle = 7;
  host.aspect = 1.5;
  host.hue = 0.1;
  host.saturation = host.exposure = 1.5;
  host.min_crop = 12;
  host.max_crop = 40;
  own.own = own.mirror = own.random_resized_crop = true;
  std::vector<float> values(kInput.size());
  for (const data::Augmentation& augmentation : {host, own}) {
    CounterRandom random(1, Stream::kTest, 0, 0);
    data::augment_for_training(image, augmentation, kInput, &random, values.data());
    check_values(values);
  }
}

void evaluate(const data::Image& image) {
  std::vector<float> values(kInput.size());
  for (const data::EvalCrop crop : {data::EvalCrop::kCentreSquare, data::EvalCrop::kResizeMin}) {
    for (const int resize : {0, 20}) {
      data::Augmentation augmentation;
      augmentation.eval_crop = crop;
      augmentation.valid_resize = resize;
      data::prepare_for_evaluation(image, augmentation, kInput, values.data());
      check_values(values);
    }
  }
}

// The rectangle has the pixels of the whole image.
void compare_part(const std::string& path, const data::Image& image) {
  data::Rectangle chosen;
  data::Part part;
  data::decode_image_part(
      path,
      [&](const data::Geometry& shape) {
        require(shape.height == image.shape.height && shape.width == image.shape.width, "a part of another size");
        CounterRandom random(2, Stream::kTest, 0, 0);
        return chosen = data::draw_rectangle(shape, &random);
      },
      &part);
  for (int y = 0; y < part.height; ++y) {
    for (int x = 0; x < part.width; ++x) {
      for (int c = 0; c < 3; ++c) {
        const size_t at =
            (static_cast<size_t>(c) * image.shape.height + chosen.y + y) * image.shape.width + chosen.x + x;
        require(part.row(y)[4 * x + c] == image.planes[at], "a part has other pixels than the whole image");
      }
    }
  }
}

void read_image(const std::string& path) {
  data::Image image;
  std::string problem;
  try {
    data::decode_image_file(path, &image);
  } catch (const Error& error) {
    problem = error.what();
  }
  if (!problem.empty()) {
    data::Part part;
    try {
      data::decode_image_part(
          path,
          [](const data::Geometry&) {
            return data::Rectangle{0, 0, 1, 1};
          },
          &part);
    } catch (const Error& error) {
      require(problem == error.what(), "a part fails otherwise: " + problem + "; " + error.what());
      throw;
    }
    throw Mistake{"a part of an image that cannot be decoded: " + problem};
  }
  require(image.planes.size() == image.shape.size() && image.shape.size() > 0, "an image without pixels");
  compare_part(path, image);
  augment(image);
  evaluate(image);
}

void read_jpeg(const std::string& bytes) { read_image(file_of("a.jpg", bytes)); }

// With right checksums, so that the decoder sees what is changed.
void read_png(const std::string& bytes) {
  std::string repaired = bytes;
  for (size_t at = 8; at + 12 <= repaired.size();) {
    const size_t length = big_endian(repaired, at, 4);
    if (length > repaired.size() - at - 12) break;
    const auto* type = reinterpret_cast<const Bytef*>(repaired.data() + at + 4);
    const uLong sum = crc32(crc32(0, nullptr, 0), type, static_cast<uInt>(length + 4));
    for (size_t i = 0; i < 4; ++i) repaired[at + 8 + length + i] = static_cast<char>(sum >> (24 - 8 * i));
    at += 12 + length;
  }
  read_image(file_of("a.png", repaired));
}

}  // namespace

std::vector<Format> image_formats() { return {{"jpeg", read_jpeg}, {"png", read_png}}; }

}  // namespace dng::fuzz
