// Data sets that are one file: CIFAR's binary records, and IDX (MNIST, Fashion-MNIST).
#pragma once

#include <memory>
#include <string>

#include "data/dataset.h"

namespace dng::data {

// True where `bytes` starts like an IDX file: two zero bytes, a type code, 1 to 4 dimensions.
bool is_idx(const std::string& bytes);

// `bytes` is the (unpacked) content of `path`. See open_dataset for the formats and checks.
std::unique_ptr<Dataset> open_idx(const DataFile& data, const std::string& path, const std::string& role,
                                  std::string bytes);
std::unique_ptr<Dataset> open_cifar(const DataFile& data, const std::string& path, const std::string& role,
                                    std::string bytes);

}  // namespace dng::data
