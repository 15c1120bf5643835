#include "data/class_subset.h"

#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace dng::data {
namespace {

class ClassSubset final : public Dataset {
 public:
  ClassSubset(std::unique_ptr<Dataset> all, std::vector<int64_t> chosen, int per_class)
      : all_(std::move(all)), chosen_(std::move(chosen)), per_class_(per_class) {}

  int64_t size() const override { return static_cast<int64_t>(chosen_.size()); }
  int label(int64_t index) const override { return all_->label(at(index)); }
  void decode(int64_t index, Image* image) const override { all_->decode(at(index), image); }
  void decode_part(int64_t index, const ChooseRectangle& choose, Part* part) const override {
    all_->decode_part(at(index), choose, part);
  }
  std::string sample_name(int64_t index) const override { return all_->sample_name(at(index)); }
  std::string description() const override {
    return format("%s, the first %d of each class: %lld images", all_->description().c_str(), per_class_,
                  static_cast<long long>(size()));
  }
  Geometry fixed_shape() const override { return all_->fixed_shape(); }
  uint64_t hash() const override {
    Hash hash;
    hash.add(format("%llu first %d of each class", static_cast<unsigned long long>(all_->hash()), per_class_));
    return hash.value();
  }

 private:
  int64_t at(int64_t index) const { return chosen_[static_cast<size_t>(index)]; }

  std::unique_ptr<Dataset> all_;
  std::vector<int64_t> chosen_;
  int per_class_;
};

}  // namespace

std::unique_ptr<Dataset> first_of_each_class(std::unique_ptr<Dataset> images, int classes, int per_class,
                                             const std::string& where) {
  std::vector<int> count(static_cast<size_t>(classes));
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < images->size(); ++i) {
    if (count[static_cast<size_t>(images->label(i))]++ < per_class) chosen.push_back(i);
  }
  for (int c = 0; c < classes; ++c) {
    const int found = count[static_cast<size_t>(c)];
    if (found < per_class) {
      fail("%s: class %d has %d images; allowed is at most the number of images of the smallest class", where.c_str(),
           c, found);
    }
  }
  return std::make_unique<ClassSubset>(std::move(images), std::move(chosen), per_class);
}

}  // namespace dng::data
