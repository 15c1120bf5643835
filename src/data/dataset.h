// A labelled set of images: a packed file (CIFAR, IDX) or a list of image files, recognised by its content.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "data/data_file.h"
#include "data/image.h"

namespace dng::data {

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  // 0..classes-1; checked when the set was opened.
  virtual int label(int64_t index) const = 0;
  // Decodes one image. Safe to call from several threads at once. Throws Error naming the file where it cannot be
  // decoded.
  virtual void decode(int64_t index, Image* image) const = 0;
  // Decodes the chosen rectangle of one image, otherwise as decode.
  virtual void decode_part(int64_t index, const ChooseRectangle& choose, Part* part) const;
  // How errors and the prediction table name a sample: an image's path, or "test.bin record 17".
  virtual std::string sample_name(int64_t index) const = 0;
  // "CIFAR100 binary, 50000 images of 3x32x32".
  virtual std::string description() const = 0;
  // Of a packed set: the shape that all its images have, which then lie in memory. Of others: 0x0x0.
  virtual Geometry fixed_shape() const { return {}; }
  // Identity of the content (packed sets: all bytes; lists: paths, labels and file sizes), for .targets and .state.
  virtual uint64_t hash() const = 0;
};

// Opens `path` (DataFile::train or ::valid). `role` is "train" or "valid", for errors; "train" is limited to
// data.train_per_class images of a class. Everything that can be checked without decoding is checked here: existence,
// record size, count, label range against data.classes, every listed image file readable and every label found exactly
// once. The formats:
// - CIFAR-10 binary: 3073-byte records: label, 3072 bytes of R, G, B planes (data.classes == 10)
// - CIFAR-100 binary: 3074-byte records: coarse label, fine label, 3072 bytes (classes == 100: fine; == 20: coarse)
// - IDX: images (magic 0x00000803), plain or gzipped, and a labels file beside them with "labels-idx1" in its name in
//   the place of "images-idx3"
// - list: text, one image path a line, optionally followed by a blank and its class index
std::unique_ptr<Dataset> open_dataset(const DataFile& data, const std::string& path, const std::string& role);
// data.train with the labels that a training with this seed learns from (data.label_noise).
std::unique_ptr<Dataset> open_training_set(const DataFile& data, uint64_t seed);

}  // namespace dng::data
