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
  // `name` says which images of each class are chosen, as in "the first 10".
  ClassSubset(std::unique_ptr<Dataset> all, std::vector<int64_t> chosen, std::string name)
      : all_(std::move(all)), chosen_(std::move(chosen)), name_(std::move(name)) {}

  int64_t size() const override { return static_cast<int64_t>(chosen_.size()); }
  int label(int64_t index) const override { return all_->label(at(index)); }
  void decode(int64_t index, Image* image) const override { all_->decode(at(index), image); }
  void decode_part(int64_t index, const ChooseRectangle& choose, Part* part) const override {
    all_->decode_part(at(index), choose, part);
  }
  std::string sample_name(int64_t index) const override { return all_->sample_name(at(index)); }
  std::string description() const override {
    return format("%s, %s of each class: %lld images", all_->description().c_str(), name_.c_str(),
                  static_cast<long long>(size()));
  }
  Geometry fixed_shape() const override { return all_->fixed_shape(); }
  uint64_t hash() const override {
    Hash hash;
    hash.add(format("%llu %s of each class", static_cast<unsigned long long>(all_->hash()), name_.c_str()));
    return hash.value();
  }

 private:
  int64_t at(int64_t index) const { return chosen_[static_cast<size_t>(index)]; }

  std::unique_ptr<Dataset> all_;
  std::vector<int64_t> chosen_;
  std::string name_;
};

// The images for which chooses(index in the class, images of the class) is true. Each class needs `least` images.
template <class Chooses>
std::unique_ptr<Dataset> choose(std::unique_ptr<Dataset> images, int classes, int least, const std::string& where,
                                const std::string& name, const Chooses& chooses) {
  std::vector<int> total(static_cast<size_t>(classes));
  for (int64_t i = 0; i < images->size(); ++i) ++total[static_cast<size_t>(images->label(i))];
  for (int c = 0; c < classes; ++c) {
    const int found = total[static_cast<size_t>(c)];
    if (found < least) {
      fail("%s: class %d has %d images; every class needs at least %d", where.c_str(), c, found, least);
    }
  }
  std::vector<int> seen(static_cast<size_t>(classes));
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < images->size(); ++i) {
    const auto label = static_cast<size_t>(images->label(i));
    if (chooses(seen[label]++, total[label])) chosen.push_back(i);
  }
  return std::make_unique<ClassSubset>(std::move(images), std::move(chosen), name);
}

}  // namespace

std::unique_ptr<Dataset> first_of_each_class(std::unique_ptr<Dataset> images, int classes, int count,
                                             const std::string& where) {
  return choose(std::move(images), classes, count, where, format("the first %d", count),
                [count](int index, int) { return index < count; });
}

std::unique_ptr<Dataset> last_of_each_class(std::unique_ptr<Dataset> images, int classes, int count,
                                            const std::string& where) {
  return choose(std::move(images), classes, count + 1, where, format("the last %d", count),
                [count](int index, int total) { return index >= total - count; });
}

std::unique_ptr<Dataset> all_but_last_of_each_class(std::unique_ptr<Dataset> images, int classes, int count,
                                                    const std::string& where) {
  return choose(std::move(images), classes, count + 1, where, format("all but the last %d", count),
                [count](int index, int total) { return index < total - count; });
}

}  // namespace dng::data
