#include "data/wrong_labels.h"

#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/random.h"

namespace dng::data {
namespace {

class WrongLabels final : public Dataset {
 public:
  WrongLabels(std::unique_ptr<Dataset> images, int classes, double share, uint64_t seed)
      : images_(std::move(images)), share_(share), seed_(seed) {
    for (int64_t i = 0; i < images_->size(); ++i) {
      const int label = images_->label(i);
      CounterRandom random(seed, Stream::kLabels, static_cast<uint64_t>(i), 0);
      const bool wrong = random.uniform() < share;
      const auto other = static_cast<int>(random.below(static_cast<uint32_t>(classes - 1)));
      labels_.push_back(!wrong ? label : other < label ? other : other + 1);
      wrong_ += wrong ? 1 : 0;
    }
  }

  int64_t size() const override { return images_->size(); }
  int label(int64_t index) const override { return labels_[static_cast<size_t>(index)]; }
  void decode(int64_t index, Image* image) const override { images_->decode(index, image); }
  void decode_part(int64_t index, const ChooseRectangle& choose, Part* part) const override {
    images_->decode_part(index, choose, part);
  }
  std::string sample_name(int64_t index) const override { return images_->sample_name(index); }
  std::string description() const override {
    return format("%s, %lld with wrong labels", images_->description().c_str(), static_cast<long long>(wrong_));
  }
  Geometry fixed_shape() const override { return images_->fixed_shape(); }
  uint64_t hash() const override {
    Hash hash;
    hash.add(format("%llu, wrong labels %.17g %llu", static_cast<unsigned long long>(images_->hash()), share_,
                    static_cast<unsigned long long>(seed_)));
    return hash.value();
  }

 private:
  std::unique_ptr<Dataset> images_;
  double share_;
  uint64_t seed_;
  std::vector<int> labels_;
  int64_t wrong_ = 0;
};

}  // namespace

std::unique_ptr<Dataset> with_wrong_labels(std::unique_ptr<Dataset> images, int classes, double share, uint64_t seed) {
  return std::make_unique<WrongLabels>(std::move(images), classes, share, seed);
}

}  // namespace dng::data
